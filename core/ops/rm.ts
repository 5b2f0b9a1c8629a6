/** `dv rm`: ends tracking, and takes the data out of the workspace. */
import { lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { DvError, isDvError, systemCode } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { type Pointer, pointerPathOf } from '../model/pointer.ts';
import { isWithin, joinPaths, parentOf, type RepoPath } from '../model/repo-path.ts';
import type { TreeEntry } from '../model/tree.ts';
import { capture } from '../store/capture.ts';
import { entriesOfIndex } from '../store/capture-index.ts';
import { stageFiles } from '../store/git-stage.ts';
import { removeIgnored } from '../store/gitignore.ts';
import {
  markFinished,
  markUnfinishedPointers,
  removeOldTemporaries,
  sweepUnfinished,
} from '../store/leftovers.ts';
import { withLock } from '../store/lock.ts';
import { materialise } from '../store/materialise.ts';
import { entriesOf } from '../store/materialise-listing.ts';
import { missingObjects } from '../store/objects.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { loadStatIndex, removeStatIndex, type StatIndex } from '../store/stat-index.ts';
import { listTracked } from '../store/tracked.ts';
import { unmarkUncommitted } from '../store/uncommitted.ts';
import { filesOf } from './add.ts';
import { findMentions, type Mention } from './mentions.ts';
import { requireTrackedPath } from './mv.ts';

/** What happened to one path. */
export interface RemovedPath {
  readonly path: RepoPath;
  /** What was taken out of the workspace; undefined when nothing was there, or it stays. */
  readonly removed?: Pointer;
  /** The object that brings back what no commit records: changes that were forced, or a pointer never committed. */
  readonly saved?: Digest;
}

/** What `rm` did. */
export interface RemoveResult {
  readonly removed: readonly RemovedPath[];
  /** Lines of stages.yaml and stages.lock that still name a path. */
  readonly mentions: readonly Mention[];
}

/** How to remove. */
export interface RemoveOptions {
  /** Only end tracking; the files stay. */
  readonly cached: boolean;
  /** Remove changes nobody recorded, too, after saving them into the cache. */
  readonly force: boolean;
  /** The folder the user stands in, relative to the top: it is not taken away, even if it is empty then. */
  readonly standing?: RepoPath | '';
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** A path, with what is known of it before anything is changed. */
interface Leaving {
  readonly path: RepoPath;
  /** Undefined when only git's index knows the path still, or the pointer cannot be read. */
  readonly pointer: Pointer | undefined;
  /** What is in the workspace. */
  readonly now: Pointer | undefined;
  readonly entries: readonly TreeEntry[];
  readonly index: StatIndex | undefined;
  /** Files there that neither the pointer nor dv's last look records. */
  readonly unrecorded: readonly RepoPath[];
}

/**
 * Stops tracking paths. All are checked before anything is changed.
 * Guarantee: what is removed is in the cache, durable, before; if the process dies, the same call ends in the same
 * state. The pointer goes after the data, so that half-removed data is still named.
 * @throws {DvError} path-not-tracked, local-changes, some-failed, usage, invalid-file, locked, disk-full, not-writable
 */
export async function rm(
  repo: Repo,
  paths: readonly RepoPath[],
  options: RemoveOptions,
): Promise<RemoveResult> {
  return withLock(repo, { command: 'dv rm', signal: options.signal }, async () => {
    sweepUnfinished(repo);
    removeOldTemporaries(repo);
    const leaving: Leaving[] = [];
    for (const { path, pointer } of findPaths(repo, paths, options)) {
      leaving.push(await inspect(repo, path, pointer, options));
    }
    const unrecorded = leaving.flatMap((each) => each.unrecorded);
    if (unrecorded.length > 0 && !options.force && !options.cached) {
      const hint =
        'dv add to record them, dv rm --cached to keep them as files, or dv rm --force (they are saved first)';
      throw new DvError('local-changes', { paths: unrecorded, hint });
    }
    const committed = pointersInHead(repo, paths);
    const removed: RemovedPath[] = [];
    for (const each of leaving) {
      if (!options.cached) await removeData(repo, each, options);
      markUnfinishedPointers(repo, [each.path]);
      removeStatIndex(repo, each.path);
      unmarkUncommitted(repo, [each.path]);
      removeIgnored(repo, each.path);
      // Last: what is named by a pointer can be removed again.
      rmSync(absolutePath(repo, pointerPathOf(each.path)), { force: true });
      if (!options.cached) removeEmptyParents(repo, each.path, options.standing ?? '');
      markFinished(repo);
      removed.push(describe(each, options, committed.has(pointerPathOf(each.path))));
    }
    if (repo.config.autostage) stageFiles(repo, filesOf(paths));
    return { removed, mentions: paths.flatMap((path) => findMentions(repo, path)) };
  });
}

function describe(
  { path, now, unrecorded }: Leaving,
  options: RemoveOptions,
  committed: boolean,
): RemovedPath {
  if (options.cached || now === undefined) return { path };
  return { path, removed: now, ...(unrecorded.length > 0 || !committed ? { saved: now.digest } : {}) };
}

/** The paths with their pointers. One that only git's index knows was cut off in the middle, or its pointer deleted. */
function findPaths(
  repo: Repo,
  paths: readonly RepoPath[],
  options: RemoveOptions,
): { path: RepoPath; pointer: Pointer | undefined }[] {
  const { tracked, broken } = listTracked(repo);
  const inIndex = new Set(listInGit(repo, ['ls-files', '-z', '--cached'], paths));
  return [...new Set(paths)].map((path) => {
    const pointer = tracked.find((entry) => entry.path === path)?.pointer;
    const bad = broken.find(({ pointerPath }) => pointerPath === pointerPathOf(path));
    if (bad !== undefined && !options.force && !options.cached) throw bad.error;
    if (pointer === undefined && bad === undefined && !inIndex.has(pointerPathOf(path))) {
      requireTrackedPath(path, tracked);
    }
    return { path, pointer };
  });
}

/** Which of the paths' pointers git names. */
function listInGit(repo: Repo, command: readonly string[], paths: readonly RepoPath[]): string[] {
  const { stdout } = repo.git.run(['--literal-pathspecs', ...command, '--', ...paths.map(pointerPathOf)], {
    cwd: repo.root,
  });
  return stdout.split('\0').filter((name) => name !== '');
}

/** The pointer files that HEAD holds just as they are. */
function pointersInHead(repo: Repo, paths: readonly RepoPath[]): Set<string> {
  const held = new Set(listInGit(repo, ['ls-tree', '-z', '--name-only', 'HEAD'], paths));
  for (const name of listInGit(repo, ['diff', '--name-only', '-z', 'HEAD'], paths)) held.delete(name);
  return held;
}

/** Looks at what is there, and at what of it is recorded. */
async function inspect(
  repo: Repo,
  path: RepoPath,
  pointer: Pointer | undefined,
  options: RemoveOptions,
): Promise<Leaving> {
  const absent = { path, pointer, now: undefined, entries: [], index: undefined, unrecorded: [] };
  if (options.cached || lstatSync(absolutePath(repo, path), { throwIfNoEntry: false }) === undefined)
    return absent;
  const { failures, entries, pointer: now } = await capture(repo, path, { store: false, ...options });
  if (failures.length > 0) {
    const words = failures.map((failure) => `${failure.path}: ${failure.reason}`);
    throw new DvError('some-failed', { verb: 'read', failures: words, total: failures.length });
  }
  const loaded = await loadStatIndex(repo, path);
  const index = loaded?.placed ? loaded : undefined;
  const asRecorded = [pointer, index].some(
    (known) => known?.digest === now.digest && known.kind === now.kind,
  );
  const unrecorded = asRecorded ? [] : listUnrecorded(repo, { path, pointer, index, entries });
  return { path, pointer, now, entries, index, unrecorded };
}

/** The files that differ both from what the pointer names and from what dv put there or recorded last. */
function listUnrecorded(
  repo: Repo,
  { path, pointer, index, entries }: Pick<Leaving, 'path' | 'pointer' | 'index' | 'entries'>,
): RepoPath[] {
  const keyOf = (entry: TreeEntry) => `${entry.digest} ${entry.mode} ${entry.path}`;
  const recorded = new Set<string>();
  const listed = [listingOf(repo, pointer), (index && entriesOfIndex(repo, index)) ?? []];
  for (const entry of listed.flat()) recorded.add(keyOf(entry));
  return entries
    .filter((entry) => !recorded.has(keyOf(entry)))
    .map((entry) => (entry.path === '' ? path : joinPaths(path, entry.path)));
}

function listingOf(repo: Repo, pointer: Pointer | undefined): readonly TreeEntry[] {
  try {
    return entriesOf(repo, pointer);
  } catch (error) {
    // A listing that is not here records nothing that could be got back from here.
    if (isDvError(error, 'object-missing') || isDvError(error, 'object-damaged')) return [];
    throw error;
  }
}

/** Takes the data out of the workspace, once it is all in the cache. */
async function removeData(repo: Repo, each: Leaving, options: RemoveOptions): Promise<void> {
  const { path, now, index, entries } = each;
  if (now === undefined) return;
  const lacking = missingObjects(repo, [now.digest, ...entries.map((entry) => entry.digest)]);
  if (index?.digest !== now.digest || index.kind !== now.kind || lacking.length > 0) {
    await capture(repo, path, { store: true, ...options });
  }
  const { kept, failures } = await materialise(repo, [{ path }], {
    ...options,
    complete: true,
    force: false,
  });
  if (kept.length > 0) throw new DvError('local-changes', { paths: kept });
  if (failures.length > 0) {
    const words = failures.map((failure) => `${failure.path}: ${failure.reason}`);
    throw new DvError('some-failed', { verb: 'removed', failures: words, total: failures.length });
  }
  removeEmptyBelow(absolutePath(repo, path));
}

/** Removes a folder and those in it that hold no files. */
function removeEmptyBelow(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyBelow(`${folder}/${entry.name}`);
  }
  removeIfEmpty(folder);
}

function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT') return code === 'ENOENT';
    throw error;
  }
}

/** Removes the folders above a path that it leaves empty, as `git rm` does. */
function removeEmptyParents(repo: Repo, path: RepoPath, standing: RepoPath | ''): void {
  for (let folder = parentOf(path); folder !== '' && !isWithin(standing, folder); folder = parentOf(folder)) {
    if (!removeIfEmpty(absolutePath(repo, folder))) return;
  }
}
