/** Reading objects of the cache to see whether they are what their names say. Synchronous, for use on any thread. */
import { isDvError, reasonOf } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { objectSources, streamChecked } from './object-source.ts';

/** Objects to check. */
export interface CheckTask {
  readonly kind: 'check';
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
}

/** What is wrong with an object. One of which any copy is whole is good. */
export interface CheckProblem {
  readonly digest: Digest;
  readonly problem: 'missing' | 'damaged' | 'unreadable';
  /** Why it could not be read. */
  readonly reason?: string;
}

/** Reads all copies of objects until one is whole. @throws {DvError} newer-format */
export function checkObjects(task: CheckTask): { problems: CheckProblem[] } {
  return { problems: task.digests.flatMap((digest) => checkOne(task, digest) ?? []) };
}

function checkOne(task: CheckTask, digest: Digest): CheckProblem | undefined {
  let problem: CheckProblem['problem'] = 'missing';
  try {
    for (const source of objectSources(task, digest)) {
      if (streamChecked(source, digest)) return undefined;
      problem = 'damaged';
    }
  } catch (error) {
    // A pack of a later version is no fault of an object.
    if (isDvError(error, 'newer-format')) throw error;
    return { digest, problem: 'unreadable', reason: reasonOf(error) };
  }
  return { digest, problem };
}
