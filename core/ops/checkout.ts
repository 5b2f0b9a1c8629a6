/** `dv checkout`: the workspace follows the pointers as they stand, and the outputs stages.lock records. */
import type { Report } from '../events.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { listIndexed, noteFollowed } from '../store/followed.ts';
import { removeOldTemporaries } from '../store/leftovers.ts';
import { withLock } from '../store/lock.ts';
import { type Materialised, materialise, type Target } from '../store/materialise.ts';
import type { Repo } from '../store/repo.ts';
import { listOtherPlaced } from '../store/stat-index.ts';
import { chooseWhole } from './choose-data.ts';
import { listWorkspaceData } from './workspace-data.ts';

/** How to check out. */
export interface CheckoutOptions {
  /** Only these tracked paths, those below these folders, or (as a pattern) matched; by default everything. */
  readonly paths?: readonly RepoPath[];
  /** Replace local changes, after saving them into the cache. */
  readonly force: boolean;
  /** Look at every file, so that deleted ones come back and every changed one is named; hooks do not. */
  readonly complete: boolean;
  /** Note that the workspace follows what git's index has, so that the next hook sees it at once. */
  readonly note?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Brings the workspace to its pointers. Data whose pointer is gone (another branch's) is removed where it was
 * not changed. Never fetches.
 * @throws {DvError} path-not-tracked, path-part, object-damaged, invalid-file, locked, disk-full, not-writable
 */
export async function checkout(repo: Repo, options: CheckoutOptions): Promise<Materialised> {
  return withLock(repo, { command: 'dv checkout', signal: options.signal }, async () => {
    if (options.complete) removeOldTemporaries(repo);
    const pointers = options.note === true ? listIndexed(repo) : undefined;
    const result = await materialise(repo, await planTargets(repo, options.paths), options);
    if (pointers !== undefined && result.failures.length === 0) noteFollowed(repo, pointers);
    return result;
  });
}

/** The paths to bring up to date: those that have a pointer, and those that had one when dv put them there. */
async function planTargets(repo: Repo, paths: readonly RepoPath[] | undefined): Promise<Target[]> {
  const data = listWorkspaceData(repo);
  const gone: Target[] = (
    await listOtherPlaced(
      repo,
      data.map(({ path }) => path),
    )
  ).map(({ path }) => ({ path }));
  // What is gone first: it may have to make room.
  const all: Target[] = [...gone, ...data];
  if (paths === undefined) return all;
  return [...chooseWhole(data, paths)];
}
