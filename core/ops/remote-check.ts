/** `dv remote check`: tries everything dv needs of a remote, and says what does not work. */
import { randomBytes } from 'node:crypto';
import { DvError, isDvError } from '../errors.ts';
import type { Remote } from '../store/remote.ts';
import { readIdentity } from '../store/remote-layout.ts';

/** One thing that was tried. */
export interface CheckStep {
  readonly what: 'read' | 'write' | 'write once' | 'read back' | 'list' | 'delete';
  readonly milliseconds: number;
  /** Why it does not work; undefined when it does. */
  readonly problem?: DvError;
}

/** What was found. */
export interface RemoteCheck {
  readonly remote: string;
  /** Whether somebody pushed to it before. */
  readonly hasData: boolean;
  readonly steps: readonly CheckStep[];
}

/**
 * Writes a probe, reads, lists and deletes it. A step that is refused does not stop the others.
 * @throws {DvError} what is no refusal: remote-unreachable, remote-missing-bucket, newer-format.
 */
export async function checkRemote(remote: Remote, signal?: AbortSignal): Promise<RemoteCheck> {
  const steps: CheckStep[] = [];
  const step = async <Result>(
    what: CheckStep['what'],
    work: () => Promise<Result>,
  ): Promise<Result | undefined> => {
    const start = performance.now();
    const passed = (problem?: DvError) =>
      steps.push({
        what,
        milliseconds: Math.round(performance.now() - start),
        ...(problem === undefined ? {} : { problem }),
      });
    try {
      const result = await work();
      passed();
      return result;
    } catch (error) {
      if (!isDvError(error, 'remote-refused') && !isDvError(error, 'remote-full')) throw error;
      passed(error);
      return undefined;
    }
  };
  const wrong = (operation: string, reason: string) =>
    new DvError('remote-refused', { remote: remote.url, operation, reason });

  const call = { signal };
  const key = `check/${randomBytes(16).toString('hex')}`;
  const probe = randomBytes(1000);
  const identity = await step('read', () => readIdentity(remote, call));
  await step('write', () => remote.put(key, probe, call));
  const written = steps.at(-1)?.problem === undefined;
  if (written) {
    await step('write once', async () => {
      if (await remote.putIfAbsent(key, Buffer.from('another'), call)) {
        throw wrong('write only what is not there', 'it replaced what was there');
      }
    });
    await step('read back', async () => {
      const bytes = await remote.getRange(key, 100, 200, call);
      if (bytes === undefined || !probe.subarray(100, 300).equals(bytes))
        throw wrong('read', 'it gave other bytes');
    });
  }
  await step('list', async () => {
    for await (const entry of remote.list('check/', call)) if (entry.key === key) return;
    if (written) throw wrong('list', 'what was just written is not listed');
  });
  if (written) await step('delete', () => remote.delete(key, call));
  return { remote: remote.url, hasData: identity !== undefined, steps };
}
