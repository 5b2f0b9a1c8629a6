/** Workspace → digests: what is at a path now, and (when asked) its bytes in the cache. */
import { lstatSync } from 'node:fs';
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, joinPaths, type RepoPath } from '../model/repo-path.ts';
import { encodeTree, type TreeEntry, totalBytes } from '../model/tree.ts';
import { letGoOfEdited } from './cache-link.ts';
import { CacheWriter, explainWriteFailure } from './cache-writer.ts';
import {
  isWorthSaving,
  type Known,
  knownBy,
  refreshIndex,
  saveIndex,
  withUnreadable,
} from './capture-index.ts';
import { editedFiles, lookAgain } from './capture-shared.ts';
import { chooseLinkMode } from './link.ts';
import { cacheStamp, missingObjects } from './objects.ts';
import { absolutePath, type Repo } from './repo.ts';
import { fileModeOf, statMissing, statWidth } from './stat-files.ts';
import { hashPaths, loadStatIndex, looksUnchanged, type StatIndex, unknownStamp } from './stat-index.ts';
import { type Survey, survey } from './survey.ts';
import { ThreadPool } from './thread-pool.ts';
import type { WalkProblem } from './walk.ts';

/** A file that could not be read. */
export interface FileFailure {
  readonly path: RepoPath;
  readonly reason: string;
}

/** What was found at a path. */
export interface Captured {
  /** What a pointer to it would say. */
  readonly pointer: Pointer;
  /** The listing when it is a folder; one entry with the path `''` when it is a file. */
  readonly entries: readonly TreeEntry[];
  /** Files left out because they could not be read. */
  readonly failures: readonly FileFailure[];
  /** How many files were read, rather than known from the stat index. */
  readonly filesRead: number;
}

/** How to capture. */
export interface CaptureOptions {
  /** Whether objects (files and the tree) are put into the cache; otherwise only digests are computed. */
  readonly store: boolean;
  /**
   * Without `store`: notes what is there as recorded all the same, and puts the listing, which is small, into the
   * cache. The files' own bytes are then nowhere but in the workspace.
   */
  readonly record?: boolean;
  /**
   * Keeps the listing of a folder that dv does not track, so that the next look reads only what changed.
   * Has no effect on tracked paths, whose index must go on saying what dv recorded.
   */
  readonly remember?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Reads what is at a path of the workspace: a file or a folder. Files the stat index knows are not read again.
 * Refreshes the stat index of the path.
 * Guarantee: with `store`, when this returns every object of the result is in the cache, durable.
 * @throws {DvError} path-missing, path-invalid, some-failed when nothing could be read, disk-full, not-writable
 */
export async function capture(repo: Repo, path: RepoPath, options: CaptureOptions): Promise<Captured> {
  let result: Captured | undefined;
  await captureAll(repo, [path], {
    ...options,
    async recorded([found]) {
      result = found;
    },
  });
  if (result === undefined) throw new Error(`${path} was neither captured nor refused`);
  return result;
}

/** What was found at one of several paths. */
export interface CapturedPath extends Captured {
  readonly path: RepoPath;
}

/** How to capture several paths. */
export interface CaptureAllOptions extends CaptureOptions {
  /** Called for a path of which nothing could be read; the others are captured all the same. By default it fails all. */
  unreadable?(failures: readonly FileFailure[]): void;
  /**
   * Called with some paths at a time, when all of them that must be in the cache is durable, and before the stat index
   * says that they are recorded. Pointers are written here: were they written later, a command killed in between would
   * leave files that look recorded, and that the next checkout would replace.
   */
  recorded(batch: readonly CapturedPath[]): Promise<void>;
}

/** Paths are made durable together until they have brought so many files: a flush takes long, however little it is for. */
const filesPerBatch = 5000;

/**
 * Captures several paths.
 * @throws {DvError} as `capture`, some-failed when nothing could be read at a path.
 */
export async function captureAll(
  repo: Repo,
  paths: readonly RepoPath[],
  options: CaptureAllOptions,
): Promise<void> {
  const pool = new ThreadPool();
  const writer = new CacheWriter(repo, pool);
  try {
    let batch: Look[] = [];
    let files = 0;
    for (const [i, path] of paths.entries()) {
      options.signal?.throwIfAborted();
      const top = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
      if (top === undefined) throw new DvError('path-missing', { repoPath: path });
      const look = await lookAt(repo, path, { isFolder: top.isDirectory(), pool, writer }, options);
      if ('unreadable' in look) {
        if (options.unreadable === undefined) throw nothingReadable(look.unreadable);
        options.unreadable(look.unreadable);
      } else {
        batch.push(look);
        files += look.found.filesRead;
      }
      if (files < filesPerBatch && i < paths.length - 1) continue;
      await writer.commit();
      await options.recorded(batch.map(({ found }) => found));
      for (const { save } of batch) await (options.store || options.record ? save?.() : saveIfPossible(save));
      batch = [];
      files = 0;
    }
  } catch (error) {
    throw explainWriteFailure(error, repo.objectsDir);
  } finally {
    writer.discard();
    await pool.close();
  }
}

/** What only saves time the next time may fail where nothing can be written: a read-only disk can be looked at. */
async function saveIfPossible(save: Look['save']): Promise<void> {
  try {
    await save?.();
  } catch (error) {
    if (!isDvError(explainWriteFailure(error, ''))) throw error;
  }
}

/** The failure when nothing could be read. */
export const nothingReadable = (failures: readonly FileFailure[]) =>
  new DvError('some-failed', {
    verb: 'read',
    failures: failures.map((failure) => `${failure.path}: ${failure.reason}`),
    total: failures.length,
  });

/** A path of which nothing could be read. */
interface Unreadable {
  readonly unreadable: readonly FileFailure[];
}

/** A path that was read, and whose objects are not yet committed. */
interface Look {
  readonly found: CapturedPath;
  /** Notes in the stat index what was found; for when the objects are in the cache. */
  readonly save?: () => Promise<void>;
}

interface Work {
  readonly isFolder: boolean;
  readonly pool: ThreadPool;
  readonly writer: CacheWriter;
}

/** Lists a path and looks at its files; a single file is listed as `''`. */
export async function surveyPath(
  repo: Repo,
  path: RepoPath,
  work: { readonly isFolder: boolean; readonly pool: ThreadPool },
  options: { expected: number; signal: AbortSignal | undefined },
): Promise<Survey> {
  if (work.isFolder) return survey(work.pool, { root: repo.root, folder: path, ...options });
  const paths = ['' as RepoPath];
  return {
    paths,
    problems: [],
    columns: await statAll(work.pool, absolutePath(repo, path), paths, options.signal),
    pathsHash: await hashPaths(paths),
  };
}

async function lookAt(
  repo: Repo,
  path: RepoPath,
  work: Work,
  options: CaptureOptions,
): Promise<Look | Unreadable> {
  const { writer, isFolder } = work;
  const record = options.store || options.record === true;
  const report = options.report ?? silent;
  const index = await loadStatIndex(repo, path);
  const expected = (index?.columns.length ?? 0) / statWidth;
  const surveyed = await surveyPath(repo, path, work, { expected, signal: options.signal });
  const { problems } = surveyed;
  const isListed = index !== undefined && index.pathsHash === surveyed.pathsHash;
  const known = index && knownBy(repo, index, isListed);
  if (known !== undefined && isListed && !record && isAsIndexed(known.index, isFolder, surveyed.columns)) {
    const found = {
      path,
      pointer: describeIndexed(known.index),
      get entries() {
        return known.entries;
      },
      failures: problems.map(asFailure(path)),
      filesRead: 0,
    };
    return { found };
  }
  const { paths, columns, unread } = withUnreadable(surveyed, known);
  const rowOf = known === undefined ? new Int32Array() : matchRows(known.entries, paths);

  const digests = new Array<Digest | undefined>(paths.length);
  const toRead: number[] = [];
  for (let i = 0; i < paths.length; i++) {
    const row = rowOf[i] ?? -1;
    if (unread.has(paths[i]!)) continue;
    if (known !== undefined && row >= 0 && looksUnchanged(known.index, row, columns, i)) {
      digests[i] = known.entries[row]!.digest;
    } else toRead.push(i);
  }
  if (options.store && known !== undefined) {
    const stored = digests.filter((digest) => digest !== undefined);
    const absent = new Set(await goneFromCache(repo, known.index, stored));
    for (let i = 0; absent.size > 0 && i < paths.length; i++) {
      if (digests[i] !== undefined && absent.has(digests[i]!)) toRead.push(i);
    }
  }

  const failures: FileFailure[] = problems.map(asFailure(path));
  const shared: number[] = [];
  await readAll({ repo, paths, toRead, digests, columns, work, options, report, failures, path, shared });
  if (known !== undefined)
    letGoOfEdited(repo, editedFiles(path, { paths, toRead, digests, columns, rowOf, known }), report);

  const entries: TreeEntry[] = [];
  const kept: number[] = [];
  for (let i = 0; i < paths.length; i++) {
    const digest = digests[i];
    const mode = fileModeOf(columns[i * statWidth + 4]!);
    const row = rowOf[i] ?? -1;
    if (digest !== undefined && mode !== undefined) {
      entries.push({ path: paths[i]!, digest, sizeBytes: columns[i * statWidth]!, mode });
    } else if (known !== undefined && row >= 0) {
      // A recorded file that cannot be read now is not deleted: it stays as it was recorded.
      entries.push(known.entries[row]!);
      columns[i * statWidth] = statMissing;
    } else continue;
    kept.push(i);
  }
  const remember = options.remember === true && known?.index.placed !== true && toRead.length > 0;
  const pointer = await describe(isFolder, entries, known, writer, record || remember);
  const isUnreadable = record && entries.length === 0 && failures.length > 0;
  if (pointer === undefined || isUnreadable) return { unreadable: failures };
  const save = async () => {
    if (shared.length > 0)
      await lookAgain({
        repo,
        path,
        paths,
        columns,
        shared,
        statAll: (folder, names) => statAll(work.pool, folder, names, undefined),
      });
    if (known?.index.placed === true && !record) {
      const isSamePaths = rowOf.length === known.entries.length && !rowOf.includes(-1);
      const pathsHash = isSamePaths ? surveyed.pathsHash : undefined;
      if (toRead.length > 0 || (isSamePaths && !isListed)) {
        await refreshIndex(repo, known, { rowOf, digests, columns, toRead, pathsHash });
      }
    } else if (record || remember || isWorthSaving(repo, pointer, toRead.length)) {
      const placed = record || known?.index.placed === true;
      const stored = options.store && failures.length === 0;
      await saveIndex(repo, path, pointer, { paths, columns, kept, placed, stored });
    }
  };
  return { found: { path, pointer, entries, failures, filesRead: toRead.length }, save };
}

/** Which of the objects of known files the cache does not hold; not asked while it is as it was when it held them all. */
async function goneFromCache(repo: Repo, index: StatIndex, digests: readonly Digest[]): Promise<Digest[]> {
  const isAsSeen = index.cacheStamp !== unknownStamp && index.cacheStamp === (await cacheStamp(repo));
  return isAsSeen ? [] : missingObjects(repo, digests);
}

const asFailure = (path: RepoPath) => (problem: WalkProblem) => ({
  path: joinPaths(path, problem.path),
  reason: problem.reason,
});

/** Whether every file looks as it did; the paths are known to be the same. */
function isAsIndexed(index: StatIndex, isFolder: boolean, columns: Float64Array): boolean {
  if ((index.kind === 'tree') !== isFolder || index.columns.length !== columns.length) return false;
  const rows = columns.length / statWidth;
  for (let row = 0; row < rows; row++) if (!looksUnchanged(index, row, columns, row)) return false;
  return true;
}

/** The pointer of a path that is as its index says. */
function describeIndexed({ kind, digest, columns }: StatIndex): Pointer {
  let bytes = 0;
  for (let at = 0; at < columns.length; at += statWidth) bytes += columns[at]!;
  return kind === 'tree'
    ? { kind, digest, files: columns.length / statWidth, bytes }
    : { kind, digest, bytes };
}

/** Looks at every file. */
export async function statAll(
  pool: ThreadPool,
  folder: string,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const columns = new Float64Array(paths.length * statWidth);
  await pool.runSliced(
    'stat',
    paths.length,
    (from, to) => ({ kind: 'stat', folder, names: paths.slice(from, to).join('\0') }),
    (from, result) => columns.set(result.columns, from * statWidth),
    { signal },
  );
  return columns;
}

/** For each path the row of the entry with that path, or -1. Both are sorted. */
export function matchRows(entries: readonly TreeEntry[], paths: readonly RepoPath[]): Int32Array {
  const rows = new Int32Array(paths.length).fill(-1);
  let row = 0;
  for (let i = 0; i < paths.length; i++) {
    while (
      row < entries.length &&
      entries[row]!.path !== paths[i] &&
      comparePaths(entries[row]!.path, paths[i]!) < 0
    ) {
      row++;
    }
    if (row < entries.length && entries[row]!.path === paths[i]) rows[i] = row++;
  }
  return rows;
}

interface ReadAll {
  repo: Repo;
  path: RepoPath;
  paths: readonly RepoPath[];
  toRead: readonly number[];
  digests: (Digest | undefined)[];
  columns: Float64Array;
  work: Work;
  options: CaptureOptions;
  report: Report;
  failures: FileFailure[];
  /** Takes the files that became one with their object. */
  shared: number[];
}

/** Reads the files that are not known, storing them when asked; fills in digests and columns. */
async function readAll(job: ReadAll): Promise<void> {
  const { repo, paths, toRead, digests, columns, work, options, failures } = job;
  if (toRead.length === 0) return;
  let totalBytes = 0;
  for (const i of toRead) totalBytes += Math.max(0, columns[i * statWidth]!);
  const temporaryFolder = options.store ? work.writer.folder() : undefined;
  const share = options.store && repo.config.link.includes('hardlink') && chooseLinkMode(repo) === 'hardlink';
  // A file this young may change again within one step of the file system's clock, unseen: it is not trusted later.
  const youngMs = Date.now() - 20;
  let files = 0;
  let bytes = 0;
  await work.pool.runSliced(
    'read',
    toRead.length,
    (from, to) => ({
      kind: 'read',
      root: repo.root,
      folder: job.path,
      names: toRead
        .slice(from, to)
        .map((i) => paths[i])
        .join('\0'),
      ...(temporaryFolder === undefined
        ? {}
        : { store: { objectsDir: repo.objectsDir, temporaryFolder, share } }),
    }),
    (from, result) => {
      for (let k = 0; k < result.digests.length; k++) {
        const i = toRead[from + k]!;
        digests[i] = result.digests[k];
        columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
        bytes += Math.max(0, columns[i * statWidth]!);
        if (columns[i * statWidth + 1]! >= youngMs) columns[i * statWidth + 1] = Number.POSITIVE_INFINITY;
      }
      work.writer.adopt(result.stored);
      for (const k of result.shared) job.shared.push(toRead[from + k]!);
      for (const [k, reason] of result.reasons) {
        failures.push({
          path: joinPaths(job.path, paths[toRead[from + k]!]!).replace(/\/$/, '') as RepoPath,
          reason,
        });
      }
      files += result.digests.length;
      job.report({
        type: 'progress',
        task: options.store ? 'storing' : 'reading',
        files,
        totalFiles: toRead.length,
        bytes,
        totalBytes,
      });
    },
    { signal: options.signal, totalBytes },
  );
}

/** The pointer of what was found; puts the tree among the objects to write. Undefined when nothing was readable. */
async function describe(
  isFolder: boolean,
  entries: readonly TreeEntry[],
  known: Known | undefined,
  writer: CacheWriter,
  store: boolean,
): Promise<Pointer | undefined> {
  if (!isFolder) {
    const entry = entries[0];
    return entry && { kind: 'file', digest: entry.digest, bytes: entry.sizeBytes };
  }
  const same = known !== undefined && known.index.kind === 'tree' && sameListing(known.entries, entries);
  if (same && !store) {
    return { kind: 'tree', digest: known.index.digest, files: entries.length, bytes: totalBytes(entries) };
  }
  const tree = await encodeTree(entries);
  if (store) for (const object of tree.objects) writer.add(object.digest, object.bytes);
  return { kind: 'tree', digest: tree.digest, files: tree.files, bytes: tree.bytes };
}

function sameListing(a: readonly TreeEntry[], b: readonly TreeEntry[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x.digest !== y.digest || x.mode !== y.mode || x.path !== y.path) return false;
  }
  return true;
}
