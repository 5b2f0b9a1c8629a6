/** `dv commit`: puts the bytes of tracked paths into the cache, as after `dv add --no-commit`. */
import { lstatSync } from 'node:fs';
import { DvError } from '../errors.ts';
import { isWithin, type RepoPath } from '../model/repo-path.ts';
import { hasObject } from '../store/cache.ts';
import { withLock } from '../store/lock.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { requireTracked } from '../store/tracked.ts';
import { type AddOptions, type AddResult, recordPaths } from './add.ts';

/** What `commit` did. */
export interface CommitResult extends AddResult {
  /** Paths that are not in the workspace, and of which the cache does not hold what their pointers name. */
  readonly missing: readonly RepoPath[];
}

/** What to commit, and how. */
export interface CommitOptions extends Omit<AddOptions, 'store'> {
  /** Only these tracked paths, or those below these folders; by default all. */
  readonly paths?: readonly RepoPath[];
}

/**
 * Puts what is at tracked paths into the cache; a pointer follows where its files changed since. Paths that are not
 * in the workspace are left alone.
 * Guarantee: as `add`.
 * @throws {DvError} path-not-tracked, nothing-to-add, invalid-file, locked, disk-full, not-writable
 */
export async function commit(repo: Repo, options: CommitOptions = {}): Promise<CommitResult> {
  return withLock(repo, { command: 'dv commit', signal: options.signal }, async () => {
    const tracked = requireTracked(repo);
    for (const path of options.paths ?? []) {
      if (!tracked.some((entry) => isWithin(entry.path, path)))
        throw new DvError('path-not-tracked', { repoPath: path });
    }
    const wanted = tracked.filter(
      (entry) => options.paths?.some((path) => isWithin(entry.path, path)) ?? true,
    );
    const isHere = (path: RepoPath) =>
      lstatSync(absolutePath(repo, path), { throwIfNoEntry: false }) !== undefined;
    const here = wanted.filter(({ path }) => isHere(path)).map(({ path }) => path);
    const { added, failures } = await recordPaths(repo, here, options);
    const missing = wanted.filter(({ path, pointer }) => !isHere(path) && !hasObject(repo, pointer.digest));
    return { added, failures, missing: missing.map(({ path }) => path) };
  });
}
