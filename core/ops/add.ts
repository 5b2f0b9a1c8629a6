/** `dv add`: tracks files and folders, or records their new content. */
import { lstatSync, readlinkSync } from 'node:fs';
import { DvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import { formatPointer, type Pointer, pointerPathOf, pointerSuffix } from '../model/pointer.ts';
import { baseName, isWithin, parentOf, type RepoPath } from '../model/repo-path.ts';
import { stageOutputs } from '../pipeline/lock-file.ts';
import { linkedObject } from '../store/cache-link.ts';
import { type CapturedPath, captureAll, type FileFailure, nothingReadable } from '../store/capture.ts';
import { writeFilesAtomic } from '../store/flush.ts';
import { stageFiles } from '../store/git-stage.ts';
import { ensureIgnored, gitignoreOf } from '../store/gitignore.ts';
import {
  markFinished,
  markUnfinishedPointers,
  removeOldTemporaries,
  sweepUnfinished,
} from '../store/leftovers.ts';
import { withLock } from '../store/lock.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked, readPointer } from '../store/tracked.ts';
import { markUncommitted, unmarkUncommitted } from '../store/uncommitted.ts';

/** What happened to one path. */
export interface AddedPath {
  readonly path: RepoPath;
  readonly pointer: Pointer;
  /** Whether the pointer is new or says something new. */
  readonly changed: boolean;
  /** How many files had to be read; the stat index knew the others. */
  readonly filesRead: number;
}

/** What `add` did. */
export interface AddResult {
  readonly added: readonly AddedPath[];
  readonly failures: readonly FileFailure[];
}

/** How to add. */
export interface AddOptions {
  /** Whether the files' bytes go into the cache; true by default. Without them `dv commit` has to follow. */
  readonly store?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Tracks paths. All are checked before anything is written.
 * Guarantee: a pointer is written after all it stands for is in the cache and durable (with `store: false`: after its
 * listing is, and a note that the rest is missing); if the process dies, only unreferenced objects are left, and
 * running it again gives the same pointer.
 * @throws {DvError} path-missing, path-tracked-by-git, path-inside-tracked, nothing-to-add, unsafe-link, usage,
 *   locked, disk-full, not-writable
 */
export async function add(
  repo: Repo,
  paths: readonly RepoPath[],
  options: AddOptions = {},
): Promise<AddResult> {
  return withLock(repo, { command: 'dv add', signal: options.signal }, async () => {
    planAdd(repo, paths);
    return recordPaths(repo, paths, options);
  });
}

/** Records paths that were checked. Call under the lock of the worktree. @throws {DvError} as `add` */
export async function recordPaths(
  repo: Repo,
  paths: readonly RepoPath[],
  options: AddOptions,
): Promise<AddResult> {
  const { store = true, report = silent, signal } = options;
  sweepUnfinished(repo);
  removeOldTemporaries(repo);
  const added: AddedPath[] = [];
  const failures: FileFailure[] = [];
  await captureAll(repo, paths, {
    store,
    record: true,
    report,
    ...(signal === undefined ? {} : { signal }),
    unreadable: (unread) => failures.push(...unread),
    async recorded(batch) {
      const empty = batch.find(({ entries }) => entries.length === 0);
      if (empty !== undefined) throw new DvError('nothing-to-add', { repoPath: empty.path });
      const names = batch.map(({ path }) => path);
      if (!store) markUncommitted(repo, names);
      const changed = await writePointers(repo, batch);
      if (store) unmarkUncommitted(repo, names);
      for (const { path, pointer, filesRead, ...found } of batch) {
        added.push({ path, pointer, changed: changed.has(path), filesRead });
        failures.push(...found.failures);
      }
    },
  });
  if (added.length === 0 && failures.length > 0) throw nothingReadable(failures);
  if (repo.config.autostage) stageFiles(repo, filesOf(added.map(({ path }) => path)));
  return { added, failures };
}

/** What file systems take for one name. */
const mostNameBytes = 255;

/** Refuses what cannot be tracked, before anything is written. */
function planAdd(repo: Repo, paths: readonly RepoPath[]): void {
  const tracked = listTracked(repo).tracked.map((entry) => entry.path);
  for (const path of paths) {
    if (
      path.endsWith(pointerSuffix) &&
      readPointer(repo, path.slice(0, -pointerSuffix.length)) !== undefined
    ) {
      throw new DvError('usage', {
        message: `${path} is a pointer; git tracks it`,
        hint: `dv add ${path.slice(0, -pointerSuffix.length)}`,
      });
    }
    if (Buffer.byteLength(baseName(pointerPathOf(path))) > mostNameBytes) {
      const reason = `with ${pointerSuffix} behind it, its name would be longer than ${mostNameBytes} bytes; rename it`;
      throw new DvError('path-invalid', { path, reason });
    }
    const info = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
    if (info === undefined) throw new DvError('path-missing', { repoPath: path });
    if (info.isSymbolicLink() && linkedObject(absolutePath(repo, path)) === undefined) {
      throw new DvError('unsafe-link', { repoPath: path, target: readlinkSync(absolutePath(repo, path)) });
    }
    assertNoLinkAbove(repo, path);
  }
  assertNotNested(tracked, paths);
  assertNoStageOutput(repo, paths);
  assertNotInGit(repo, paths);
}

/** Refuses paths that lie in one another, or in or above what is tracked. */
function assertNotNested(tracked: readonly RepoPath[], paths: readonly RepoPath[]): void {
  const isAdded = new Set<string>(paths);
  const all = new Set<string>([...tracked, ...paths]);
  for (const path of all) {
    for (let folder = parentOf(path as RepoPath); folder !== ''; folder = parentOf(folder)) {
      if (!all.has(folder)) continue;
      const [repoPath, outer] = [path as RepoPath, folder as RepoPath];
      if (isAdded.has(path)) throw new DvError('path-inside-tracked', { repoPath, tracked: outer });
      if (isAdded.has(folder)) {
        throw new DvError('path-contains-tracked', { repoPath: outer, tracked: repoPath });
      }
    }
  }
}

/** Refuses paths that a stage writes. */
export function assertNoStageOutput(repo: Repo, paths: readonly RepoPath[]): void {
  for (const { path: output } of stageOutputs(repo)) {
    const repoPath = paths.find((path) => isWithin(path, output) || isWithin(output, path));
    if (repoPath !== undefined) throw new DvError('path-of-stage', { repoPath, output });
  }
}

/** Refuses a path below a link: it would lead somewhere else. */
export function assertNoLinkAbove(repo: Repo, path: RepoPath): void {
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    const absolute = absolutePath(repo, folder);
    if (lstatSync(absolute).isSymbolicLink()) {
      throw new DvError('unsafe-link', { repoPath: folder, target: readlinkSync(absolute) });
    }
  }
}

/** A file belongs to git or to dv, not to both. */
export function assertNotInGit(repo: Repo, paths: readonly RepoPath[]): void {
  const listed = repo.git.output(['--literal-pathspecs', 'ls-files', '-z', '--cached', '--', ...paths]);
  const example = listed.split('\0')[0];
  if (example === undefined || example === '') return;
  const repoPath = paths.find((path) => isWithin(example, path)) ?? example;
  throw new DvError('path-tracked-by-git', { repoPath, example });
}

/** Writes pointers, and first the lines that keep git away from the data; gives back whose pointer changed. */
async function writePointers(repo: Repo, found: readonly CapturedPath[]): Promise<Set<RepoPath>> {
  const paths = found.map(({ path }) => path);
  markUnfinishedPointers(repo, paths);
  ensureIgnored(repo, paths);
  const changed = found.filter(({ path, pointer }) => {
    const before = pointerBefore(repo, path);
    return before === undefined || formatPointer(before) !== formatPointer(pointer);
  });
  await writeFilesAtomic(
    repo.root,
    changed.map(({ path, pointer }) => ({
      absolute: absolutePath(repo, pointerPathOf(path)),
      content: formatPointer(pointer),
    })),
  );
  markFinished(repo);
  return new Set(changed.map(({ path }) => path));
}

/** The pointer that stands there; a broken one (a merge conflict) is replaced. */
function pointerBefore(repo: Repo, path: RepoPath): Pointer | undefined {
  try {
    return readPointer(repo, path);
  } catch (error) {
    if (error instanceof DvError && error.code === 'invalid-file') return undefined;
    throw error;
  }
}

/** The files by which git knows of tracked paths. */
export const filesOf = (paths: readonly RepoPath[]): RepoPath[] =>
  paths.flatMap((path) => [pointerPathOf(path) as RepoPath, gitignoreOf(path)]);
