/** What keeps data: the things that name it, read from pointers, locks and the run cache. */
import { DvError, type FileProblem, isDvError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { looksLikePointer, type Pointer, parsePointer } from '../../model/pointer.ts';
import { parseLock, type StagesLock } from '../../pipeline/lock-file.ts';

/** Who keeps data, the most telling first: what several keep counts for the first of them. */
export const keepers = ['workspace', 'index', 'refs', 'reflogs', 'runs'] as const;
export type Keeper = (typeof keepers)[number];

/** Data that something names. */
export interface DataRoot {
  readonly keeper: Keeper;
  /** Where it is named, for messages. */
  readonly name: string;
  /**
   * `listing`: of a tree only the listing is kept, not what it lists. `unknown`: a digest found in a text that could
   * not be read; it may be a file's or a tree's.
   */
  readonly kind: Pointer['kind'] | 'listing' | 'unknown';
  readonly digest: Digest;
}

/** A text that should name data and cannot be read. */
export interface BrokenText {
  readonly name: string;
  readonly problem: FileProblem;
  /** What may be meant by it: every digest in it. */
  readonly roots: readonly DataRoot[];
}

/** Everything a lock says was in the cache; of what stages read, the listings. */
export function rootsOfLock(lock: StagesLock, keeper: Keeper, name: string): DataRoot[] {
  return [...lock.values()].flatMap(({ deps, outs, metrics }) => [
    ...[...outs, ...metrics].map(([path, { kind, digest }]) => ({
      ...{ keeper, kind, digest },
      name: `${name}: ${path}`,
    })),
    ...[...deps].flatMap(([path, { kind, digest }]) =>
      kind === 'tree' ? [{ keeper, kind: 'listing' as const, digest, name: `${name}: ${path}` }] : [],
    ),
  ]);
}

/** Every digest in a text, whatever it is. */
export function digestsIn(text: string, keeper: Keeper, name: string): DataRoot[] {
  return [...text.matchAll(/sha256:[0-9a-f]{64}/g)].map(([digest]) => ({
    ...{ keeper, name, kind: 'unknown' as const },
    digest: parseDigest(digest)!,
  }));
}

/** Reads a pointer or a lock; another program's file of such a name stands for nothing. @throws {DvError} newer-format */
export function rootsInText(
  text: string,
  { keeper, name, isLock }: { keeper: Keeper; name: string; isLock: boolean },
): { roots: DataRoot[] } | BrokenText {
  try {
    if (isLock) return { roots: rootsOfLock(parseLock(text, name), keeper, name) };
    if (!looksLikePointer(text)) return { roots: [] };
    const { kind, digest } = parsePointer(text, name);
    return { roots: [{ keeper, name, kind, digest }] };
  } catch (error) {
    if (!isDvError(error, 'invalid-file')) throw error;
    const [problem] = error.details.problems;
    return { name, problem: problem!, roots: digestsIn(text, keeper, name) };
  }
}

/** What to fail with where texts cannot be read. */
export function refuseBroken(broken: readonly BrokenText[]): DvError {
  const problems = broken.map(({ name, problem }): FileProblem => ({ ...problem, file: name }));
  return new DvError('invalid-file', {
    problems,
    hint: 'what these mean is not known, so nothing was removed; mend them, or keep the digests found in them: dv gc --skip-broken',
  });
}
