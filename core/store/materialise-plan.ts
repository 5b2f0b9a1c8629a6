/** Decides what is to happen to each file of a target, by its look and, where that does not tell, its content. */
import { constants, readlinkSync } from 'node:fs';
import { DvError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { joinPaths, parentOf, type RepoPath } from '../model/repo-path.ts';
import { sameEntry, type TreeChange } from '../model/tree.ts';
import { type Edited, letGoOfEdited } from './cache-link.ts';
import { CacheWriter } from './cache-writer.ts';
import type { MaterialisedPath, MaterialiseOptions, Saved, Target } from './materialise.ts';
import type { ListingChange } from './materialise-listing.ts';
import { respelled } from './name-aliases.ts';
import { missingObjects } from './objects.ts';
import { absolutePath, type Repo } from './repo.ts';
import { fileModeOf, lookAt, statMissing, statWidth } from './stat-files.ts';
import { looksUnchanged } from './stat-index.ts';
import { statAll } from './survey.ts';
import type { ThreadPool } from './thread-pool.ts';

/** What is to happen to one file, decided before anything is touched. */
export type Action =
  | 'create'
  | 'replace'
  | 'delete'
  /** The file is to take the place of a folder, if deletions leave that empty. */
  | 'replace-folder'
  /** The file has the new content already. */
  | 'adopt'
  /** Something of the user's own is in the way. */
  | 'keep'
  | 'none';

/** One target's plan. */
export interface Plan {
  readonly target: Target;
  readonly listing: ListingChange;
  readonly actions: readonly Action[];
  /** As the files of the listing's changes looked when the plan was made. */
  readonly columns: Float64Array;
}

/** What planning and applying share: how to materialise, the threads, and what was done so far. */
export interface Work extends MaterialiseOptions {
  readonly pool: ThreadPool;
  /** To be called before the first file is written, so that a killed command's leftovers are found. */
  mark(): void;
  readonly outcome: {
    changed: MaterialisedPath[];
    kept: RepoPath[];
    saved: Saved[];
    missing: { path: RepoPath; digests: readonly Digest[] }[];
    failures: { path: RepoPath; reason: string }[];
  };
}

/** Compares the old and new listing with the workspace and decides about each file. */
export async function makePlan(
  repo: Repo,
  target: Target,
  listing: ListingChange,
  work: Work,
): Promise<Plan> {
  const { index: known, changes, beforeRows: rows } = listing;
  const folder = absolutePath(repo, target.path);
  const paths = changes.map((change) => change.path);
  const columns = await statAll(work.pool, folder, paths, work.signal);

  const actions = new Array<Action>(changes.length).fill('none');
  const unsure: number[] = [];
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i]!;
    const size = columns[i * statWidth]!;
    if (size === statMissing) actions[i] = change.after === undefined ? 'none' : 'create';
    else if (known !== undefined && rows[i]! >= 0 && looksUnchanged(known, rows[i]!, columns, i)) {
      actions[i] =
        change.after === undefined
          ? 'delete'
          : isSame(change)
            ? 'none'
            : onlyModeDiffers(change)
              ? 'adopt'
              : 'replace';
    } else if (isFolder(columns[i * statWidth + 4]!)) {
      actions[i] = change.after === undefined ? 'none' : 'replace-folder';
    } else if (fileModeOf(columns[i * statWidth + 4]!) === undefined) actions[i] = 'keep';
    else unsure.push(i);
  }
  await decideByContent(repo, { target, changes, actions, columns, unsure, folder }, work);
  replaceRespelled(changes, actions, columns);
  keepBehindObstacles(repo, { target, changes, actions, folder }, work);
  await saveLastCopies(repo, { target, changes, actions, folder }, work);
  return { target, listing, actions, columns };
}

/**
 * `A.png` becomes `a.png`: where both are one file, what is found under the new name is the old file, which is about to be
 * deleted. It is written anew.
 */
function replaceRespelled(changes: readonly TreeChange[], actions: Action[], columns: Float64Array): void {
  const seen = (wanted: (i: number) => boolean) =>
    changes.flatMap(({ path }, i) => (wanted(i) ? [{ i, path, inode: columns[i * statWidth + 3]! }] : []));
  const going = seen((i) => actions[i] === 'delete');
  if (going.length === 0) return;
  const found = seen(
    (i) => (actions[i] === 'adopt' || actions[i] === 'keep') && changes[i]!.before === undefined,
  );
  for (const k of respelled(going, found)) actions[found[k]!.i] = 'replace';
}

const isSame = (change: TreeChange) =>
  change.before !== undefined && change.after !== undefined && sameEntry(change.before, change.after);

/** Same bytes, and only the executable bit differs. */
const onlyModeDiffers = ({ before, after }: TreeChange) =>
  before !== undefined &&
  after !== undefined &&
  before.digest === after.digest &&
  before.mode !== 'l' &&
  after.mode !== 'l';

const isFolder = (modeBits: number) => (modeBits & constants.S_IFMT) === constants.S_IFDIR;

interface Deciding {
  target: Target;
  changes: readonly TreeChange[];
  actions: Action[];
  folder: string;
}

/** Reads the files whose look does not tell, and decides about them by their content. */
async function decideByContent(
  repo: Repo,
  job: Deciding & { columns: Float64Array; unsure: readonly number[] },
  work: Work,
): Promise<void> {
  const { changes, actions, columns, unsure } = job;
  if (unsure.length === 0) return;
  const writer = new CacheWriter(repo, work.pool);
  const edited: Edited[] = [];
  const store = work.force ? { objectsDir: repo.objectsDir, temporaryFolder: writer.folder() } : undefined;
  try {
    await work.pool.runSliced(
      'read',
      unsure.length,
      (from, to) => ({
        kind: 'read',
        root: repo.root,
        folder: job.target.path,
        names: unsure
          .slice(from, to)
          .map((i) => changes[i]!.path)
          .join('\0'),
        ...(store === undefined ? {} : { store }),
      }),
      (from, result) => {
        writer.adopt(result.stored);
        result.digests.forEach((digest, k) => {
          const i = unsure[from + k]!;
          const change = changes[i]!;
          const mode = fileModeOf(columns[i * statWidth + 4]!);
          columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
          const wasBefore = change.before !== undefined && digest === change.before.digest;
          if (digest !== undefined && change.before !== undefined && !wasBefore) {
            const inode = columns[i * statWidth + 3]!;
            edited.push({ path: pathOf(job.target, change), digest: change.before.digest, inode });
          }
          if (digest === undefined) actions[i] = 'keep';
          else if (change.after !== undefined && digest === change.after.digest) {
            actions[i] =
              mode === change.after.mode
                ? 'adopt'
                : mode === 'l' || change.after.mode === 'l'
                  ? 'keep'
                  : 'adopt';
          } else if (wasBefore) actions[i] = change.after === undefined ? 'delete' : 'replace';
          else if (work.force) {
            actions[i] = change.after === undefined ? 'delete' : 'replace';
            const sizeBytes = Math.max(0, columns[i * statWidth]!);
            const saved = { path: pathOf(job.target, change), digest, sizeBytes };
            work.outcome.saved.push(mode === undefined || mode === '-' ? saved : { ...saved, mode });
          } else actions[i] = 'keep';
        });
      },
      { signal: work.signal },
    );
    await writer.commit();
    letGoOfEdited(repo, edited, work.report);
  } finally {
    writer.discard();
  }
}

/** Puts files that are about to go, and that the cache has lost, into the cache first. */
async function saveLastCopies(repo: Repo, job: Deciding, work: Work): Promise<void> {
  const going: number[] = [];
  job.actions.forEach((action, i) => {
    if ((action === 'delete' || action === 'replace') && job.changes[i]!.before !== undefined) going.push(i);
  });
  const absent = new Set(
    missingObjects(
      repo,
      going.map((i) => job.changes[i]!.before!.digest),
    ),
  );
  const last = going.filter((i) => absent.has(job.changes[i]!.before!.digest));
  if (last.length === 0) return;
  const writer = new CacheWriter(repo, work.pool);
  try {
    await work.pool.runSliced(
      'read',
      last.length,
      (from, to) => ({
        kind: 'read',
        root: repo.root,
        folder: job.target.path,
        names: last
          .slice(from, to)
          .map((i) => job.changes[i]!.path)
          .join('\0'),
        store: { objectsDir: repo.objectsDir, temporaryFolder: writer.folder() },
      }),
      (from, result) => {
        writer.adopt(result.stored);
        for (const [k] of result.reasons) job.actions[last[from + k]!] = 'keep';
      },
      { signal: work.signal },
    );
    await writer.commit();
  } finally {
    writer.discard();
  }
}

/** A change's path from the repository's top. */
export const pathOf = (target: Target, change: TreeChange): RepoPath =>
  change.path === '' ? target.path : joinPaths(target.path, change.path);

/**
 * Looks at the folders above the files to create. A link among them would lead the write out of the tracked
 * folder, a file is the user's own unless it is about to be deleted: what is to be below stays undone.
 */
function keepBehindObstacles(repo: Repo, job: Deciding, work: Work): void {
  const { target, changes, actions } = job;
  const leaving = new Set<string>();
  changes.forEach((change, i) => {
    if (actions[i] === 'delete') leaving.add(pathOf(target, change));
  });
  const links = new Set<string>();
  const obstacles = new Map<string, string | undefined>([['', undefined]]);
  const obstacleAt = (folder: string): string | undefined => {
    if (obstacles.has(folder)) return obstacles.get(folder);
    let found = obstacleAt(parentOf(folder));
    if (found === undefined && !leaving.has(folder)) {
      const info = lookAt(absolutePath(repo, folder));
      if (info !== undefined && !info.isDirectory()) found = folder;
      if (info?.isSymbolicLink()) {
        const link = { repoPath: folder, target: readlinkSync(absolutePath(repo, folder)) };
        const reason = new DvError('unsafe-link', link).message;
        work.outcome.failures.push({ path: folder as RepoPath, reason });
        links.add(folder);
      }
    }
    obstacles.set(folder, found);
    return found;
  };
  for (let i = 0; i < changes.length; i++) {
    if (actions[i] !== 'create') continue;
    const obstacle = obstacleAt(parentOf(pathOf(target, changes[i]!)));
    if (obstacle === undefined) continue;
    actions[i] = 'none';
    if (!links.has(obstacle) && !work.outcome.kept.includes(obstacle as RepoPath))
      work.outcome.kept.push(obstacle as RepoPath);
  }
}
