/** Cache → workspace: makes a path of the workspace what a pointer says, keeping every local change. */
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, type RepoPath } from '../model/repo-path.ts';
import { encodeTree, type FileMode } from '../model/tree.ts';
import { CacheWriter, explainWriteFailure } from './cache-writer.ts';
import { inParallel } from './in-parallel.ts';
import { markFinished, markUnfinished, sweepUnfinished } from './leftovers.ts';
import { applyPlan } from './materialise-apply.ts';
import { compareListings, type ListingChange } from './materialise-listing.ts';
import { makePlan, type Work } from './materialise-plan.ts';
import { missingObjects } from './objects.ts';
import type { Repo } from './repo.ts';
import { statWidth } from './stat-files.ts';
import { loadStatIndex, type StatIndex } from './stat-index.ts';
import { ThreadPool } from './thread-pool.ts';

/** A path and what it is to become; without a pointer, what dv put there is removed. */
export interface Target {
  readonly path: RepoPath;
  readonly pointer?: Pointer;
  /** Set when what is written is to count as an edit of the user's, as `dv restore` does. */
  readonly edit?: Edit;
}

/**
 * Something brought into the workspace that the pointers need not stand for. The stat index goes on naming what dv
 * put there before, so that the next checkout takes the files for the user's own, and status tells the difference.
 */
export interface Edit {
  /** Only these files, by their path below the target; by default all. */
  readonly only?: (file: string) => boolean;
  /** What a single file is to be; by default as dv last put it there. */
  readonly mode?: FileMode;
}

/** How to materialise. */
export interface MaterialiseOptions {
  /**
   * Look at every file (`dv checkout`): files the user deleted come back, and every changed one is named. Without
   * it (hooks) only files that differ between the old and the new pointer are looked at.
   */
  readonly complete: boolean;
  /** Replace local changes after saving them into the cache. */
  readonly force: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** A file that was replaced by force: its bytes are an object in the cache. */
export interface Saved {
  readonly path: RepoPath;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** What it was, if no plain file. */
  readonly mode?: FileMode;
}

/** Many files of one target that were replaced by force, as one tree: one command brings them all back. */
export interface SavedTogether {
  readonly path: RepoPath;
  /** Of a tree that lists only these files. */
  readonly digest: Digest;
  readonly files: number;
}

/** What was done at one path. */
export interface MaterialisedPath {
  readonly path: RepoPath;
  readonly created: number;
  readonly replaced: number;
  readonly deleted: number;
}

/** What was done. Paths are relative to the repository's top. */
export interface Materialised {
  /** The targets at which something was written or removed. */
  readonly changed: readonly MaterialisedPath[];
  /** Files with local changes that were in the way and stay as they are. */
  readonly kept: readonly RepoPath[];
  /** Files that were replaced by force; their bytes are in the cache under these digests. */
  readonly saved: readonly Saved[];
  /** The same once more, where a target had so many that nobody would bring them back one by one. */
  readonly savedTogether: readonly SavedTogether[];
  /** Targets whose data is not (all) in the cache; nothing was changed at these. */
  readonly missing: readonly { path: RepoPath; digests: readonly Digest[] }[];
  /** Files that could not be written, with the reason. */
  readonly failures: readonly { path: RepoPath; reason: string }[];
}

/**
 * Brings paths of the workspace to what their pointers say. Call under the lock of the worktree.
 * Guarantee: each file is its old content, absent, or its new content at every moment; if the process dies,
 * running it again ends in the same state.
 * @throws {DvError} object-damaged, invalid-file (of a tree), disk-full, not-writable
 */
export async function materialise(
  repo: Repo,
  targets: readonly Target[],
  options: MaterialiseOptions,
): Promise<Materialised> {
  const pool = new ThreadPool();
  const outcomes: Outcome[] = [];
  sweepUnfinished(repo);
  let marked = false;
  const mark = () => {
    if (!marked)
      markUnfinished(
        repo,
        targets.map((target) => target.path),
      );
    marked = true;
  };
  try {
    const bring = async (target: Target, report: Report | undefined): Promise<Outcome> => {
      options.signal?.throwIfAborted();
      const outcome = emptyOutcome();
      const index = await loadStatIndex(repo, target.path);
      const placed = index?.placed ? index : undefined;
      if (!options.complete && isCurrent(placed, target.pointer)) return outcome;
      // Two long listings that differ mean many files to write, more often than not.
      if ((placed?.columns.length ?? 0) >= longListing * statWidth) pool.warm();
      const work = { ...options, ...(report === undefined ? {} : { report }), pool, outcome, mark };
      await materialiseOne(repo, target, placed, work);
      const together = await saveTogether(repo, target.path, outcome.saved);
      if (together !== undefined) outcome.savedTogether.push(together);
      return outcome;
    };
    for (const group of groupTargets(targets)) {
      const report = group.length > 1 ? reportSums(options.report, group) : options.report;
      outcomes.push(...(await inParallel(group, largeAtOnce, (target) => bring(target, report))));
    }
    if (marked) markFinished(repo);
  } catch (error) {
    throw explainWriteFailure(error, repo.root);
  } finally {
    await pool.close();
  }
  return {
    changed: outcomes.flatMap(({ changed }) => changed),
    kept: outcomes.flatMap(({ kept }) => kept),
    saved: outcomes.flatMap(({ saved }) => saved),
    savedTogether: outcomes.flatMap(({ savedTogether }) => savedTogether),
    missing: outcomes.flatMap(({ missing }) => missing),
    failures: outcomes.flatMap(({ failures }) => failures),
  };
}

/** What was done at one target, as it grows. */
type Outcome = { -readonly [Key in keyof Materialised]: Materialised[Key][number][] };

const emptyOutcome = (): Outcome => ({
  changed: [],
  kept: [],
  saved: [],
  savedTogether: [],
  missing: [],
  failures: [],
});

/** Single files from this many bytes on are written side by side: a thread has enough to do with each. */
const largeFileBytes = 32 << 20;
const largeAtOnce = 4;

/** The targets in order, those that are brought together in one group. */
function groupTargets(targets: readonly Target[]): Target[][] {
  const isLarge = ({ pointer }: Target) => pointer?.kind === 'file' && pointer.bytes >= largeFileBytes;
  const groups: Target[][] = [];
  for (const target of targets) {
    const last = groups.at(-1);
    if (last !== undefined && isLarge(target) && isLarge(last[0]!)) last.push(target);
    else groups.push([target]);
  }
  return groups;
}

/** One report of single files that are written side by side: each tells of itself once, when it is done. */
function reportSums(report: Report | undefined, group: readonly Target[]): Report | undefined {
  if (report === undefined) return undefined;
  const totalBytes = group.reduce((sum, { pointer }) => sum + (pointer?.bytes ?? 0), 0);
  let files = 0;
  let bytes = 0;
  return (event) => {
    if (event.type !== 'progress' || event.task !== 'writing') return report(event);
    files += event.files;
    bytes += event.bytes;
    report({ ...event, files, bytes, totalFiles: group.length, totalBytes });
  };
}

/** From this many entries on, threads are started before the listings are compared. */
const longListing = 10_000;

/** From this many on, files that were saved get a tree of their own. */
const worthTree = 20;

/** Stores a tree of the files that were saved at a target, if they are many. */
async function saveTogether(
  repo: Repo,
  path: RepoPath,
  saved: readonly Saved[],
): Promise<SavedTogether | undefined> {
  if (saved.length < worthTree) return undefined;
  const entries = saved
    .map(({ mode = '-', digest, sizeBytes, ...file }) => ({
      path: file.path.slice(path.length + 1) as RepoPath,
      digest,
      sizeBytes,
      mode,
    }))
    .sort((a, b) => comparePaths(a.path, b.path));
  const tree = await encodeTree(entries);
  const writer = new CacheWriter(repo);
  try {
    for (const object of tree.objects) writer.add(object.digest, object.bytes);
    await writer.commit();
  } finally {
    writer.discard();
  }
  return { path, digest: tree.digest, files: tree.files };
}

/** Whether the workspace already follows a pointer, as far as dv has put it there. */
function isCurrent(index: StatIndex | undefined, pointer: Pointer | undefined): boolean {
  return index?.digest === pointer?.digest && index?.kind === pointer?.kind;
}

async function materialiseOne(
  repo: Repo,
  target: Target,
  index: StatIndex | undefined,
  work: Work,
): Promise<void> {
  let listing: ListingChange;
  try {
    listing = await compareListings(repo, target, index, work.complete);
  } catch (error) {
    if (!(error instanceof DvError && error.code === 'object-missing')) throw error;
    work.outcome.missing.push({ path: target.path, digests: [target.pointer!.digest] });
    return;
  }
  const plan = await makePlan(repo, target, listing, work);
  const needed = listing.changes.flatMap((change, i) =>
    ['create', 'replace', 'replace-folder'].includes(plan.actions[i]!) ? [change.after!.digest] : [],
  );
  const absent = missingObjects(repo, needed);
  if (absent.length > 0) {
    work.outcome.missing.push({ path: target.path, digests: absent });
    return;
  }
  await applyPlan(repo, plan, work);
}
