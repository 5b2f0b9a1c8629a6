/** `dv checkout --ours|--theirs`: chooses a side for data in conflict, as `git checkout` does for files of git. */
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import { chooseSide, type FileConflict } from '../model/merge-tree.ts';
import { formatPointer, type Pointer, pointerPathOf } from '../model/pointer.ts';
import { isWithin, joinPaths, type RepoPath } from '../model/repo-path.ts';
import { readTree } from '../model/tree.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { readObject } from '../store/cache.ts';
import { withLock } from '../store/lock.ts';
import { type Materialised, materialise, type Target } from '../store/materialise.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked } from '../store/tracked.ts';
import { type DataConflict, listConflicts } from './conflicts.ts';
import { describeListing } from './merge-pointers.ts';

/** Which side, for what. */
export interface TakeOptions {
  readonly side: 'ours' | 'theirs';
  /** Tracked paths, files of them, or folders; at least one. */
  readonly paths: readonly RepoPath[];
  /** Replace local changes, after saving them into the cache. */
  readonly force: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What was chosen, and what that did to the workspace. */
export interface TakeResult extends Materialised {
  /** The files and whole tracked paths that are now as the side has them, sorted within each tracked path. */
  readonly taken: readonly RepoPath[];
}

/**
 * Makes pointers name one side's version of what is in conflict, and the workspace follow them. git goes on showing
 * the pointers as conflicted until `dv add` or `git add`.
 * Guarantee: a new listing is in the cache, durable, before its pointer is written; if the process dies, running it
 * again ends in the same state.
 * @throws {DvError} usage when nothing at a path is in conflict, object-missing (a listing), locked, disk-full,
 *   not-writable, and as `materialise`
 */
export async function takeSide(repo: Repo, options: TakeOptions): Promise<TakeResult> {
  return withLock(repo, { command: 'dv checkout', signal: options.signal }, async () => {
    const { tracked, unmerged } = listTracked(repo);
    const pointers = new Map(tracked.map(({ path, pointer }) => [path, pointer]));
    const conflicts = await listConflicts(repo, unmerged);
    const chosen = conflicts.map((conflict) => ({ conflict, ...within(conflict, options.paths) }));
    for (const path of options.paths) refuseUnlessInConflict(path, chosen);
    const targets: Target[] = [];
    const taken: RepoPath[] = [];
    for (const { conflict, whole, files } of chosen) {
      if (!whole && files.length === 0) continue;
      const pointer = whole
        ? wholeOf(conflict, options.side)
        : await withFiles(repo, pointers.get(conflict.path) ?? conflict.versions.ours!, files, options.side);
      writeFileAtomic(absolutePath(repo, pointerPathOf(conflict.path)), formatPointer(pointer));
      targets.push({ path: conflict.path, pointer });
      taken.push(...(whole ? [conflict.path] : files.map(({ path }) => joinPaths(conflict.path, path))));
    }
    return { taken, ...(await materialise(repo, targets, { ...options, complete: options.force })) };
  });
}

interface Chosen {
  readonly conflict: DataConflict;
  /** Whether the tracked path can only be taken as one. */
  readonly whole: boolean;
  /** The files in conflict that were asked for. */
  readonly files: readonly FileConflict[];
}

/** What of a conflict lies at or below some paths. */
function within({ path, files }: DataConflict, paths: readonly RepoPath[]): Omit<Chosen, 'conflict'> {
  const covered = paths.some((prefix) => isWithin(path, prefix));
  if (files === undefined || files.some((file) => file.path === '')) return { whole: covered, files: [] };
  return {
    whole: false,
    files: files.filter((file) => paths.some((prefix) => isWithin(joinPaths(path, file.path), prefix))),
  };
}

/** @throws {DvError} usage */
function refuseUnlessInConflict(path: RepoPath, chosen: readonly Chosen[]): void {
  const found = chosen.some(({ conflict, whole, files }) =>
    whole
      ? isWithin(conflict.path, path)
      : files.some((file) => isWithin(joinPaths(conflict.path, file.path), path)),
  );
  if (found) return;
  const around = chosen.find(({ conflict }) => isWithin(path, conflict.path));
  throw new DvError('usage', {
    message: `nothing at ${path} is in conflict`,
    hint:
      around !== undefined && around.conflict.files === undefined
        ? `${around.conflict.path} can only be taken as one: dv checkout --ours or --theirs ${around.conflict.path}`
        : 'dv status names what is',
  });
}

/** @throws {DvError} usage when the side has no pointer there */
function wholeOf({ path, versions }: DataConflict, side: 'ours' | 'theirs'): Pointer {
  const pointer = versions[side];
  if (pointer !== undefined) return pointer;
  throw new DvError('usage', {
    message: `${side} has no data at ${path}, or none that can be read`,
    hint: `git rm ${pointerPathOf(path)} to have none`,
  });
}

/** The pointer of the data as it stands, with one side's version of some files; its listing is put into the cache. */
async function withFiles(
  repo: Repo,
  now: Pointer,
  files: readonly FileConflict[],
  side: 'ours' | 'theirs',
): Promise<Pointer> {
  const entries = readTree(now.digest, (digest) => readObject(repo, digest));
  return describeListing(repo, chooseSide(entries, files, side), true);
}
