/** One path on its way from the workspace to a pointer: what is there, what of it is known, what must be read. */
import { type Report, silent } from '../events.ts';
import { packedMostBytes } from '../model/cache-pack.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { joinPaths, type RepoPath } from '../model/repo-path.ts';
import { encodeTree, type TreeEntry, totalBytes } from '../model/tree.ts';
import { letGoOfEdited } from './cache-link.ts';
import type { CacheWriter } from './cache-writer.ts';
import type { CapturedPath, CaptureOptions, FileFailure } from './capture.ts';
import {
  isWorthSaving,
  type Known,
  knownBy,
  matchRows,
  refreshIndex,
  saveIndex,
  withUnreadable,
} from './capture-index.ts';
import { editedFiles, lookAgain } from './capture-shared.ts';
import { chooseLinkMode, isWorthPacking } from './link.ts';
import { cacheStamp, missingObjects } from './objects.ts';
import type { Repo } from './repo.ts';
import { fileModeOf, statMissing, statWidth } from './stat-files.ts';
import { loadStatIndex, looksUnchanged, type StatIndex, unknownStamp } from './stat-index.ts';
import { type Survey, statAll, surveyPath } from './survey.ts';
import type { ThreadPool } from './thread-pool.ts';
import type { WalkProblem } from './walk.ts';

/** A path of which nothing could be read. */
export interface Unreadable {
  readonly unreadable: readonly FileFailure[];
}

/** A path that was read, and whose objects are not yet committed. */
export interface Look {
  readonly found: CapturedPath;
  /** Notes in the stat index what was found; for when the objects are in the cache. */
  readonly save?: () => Promise<void>;
}

/** What looking at a path needs. */
export interface LookWork {
  readonly isFolder: boolean;
  readonly pool: ThreadPool;
  readonly writer: CacheWriter;
}

/** A look under way. */
interface Job extends LookWork {
  readonly repo: Repo;
  readonly path: RepoPath;
  readonly options: CaptureOptions;
  readonly report: Report;
  /** Whether what is found counts as recorded. */
  readonly record: boolean;
}

/** The files of a path, in parallel lists, and what was found out about them. */
interface Files {
  readonly paths: readonly RepoPath[];
  readonly columns: Float64Array;
  /** The entry of what is known with that path, or -1. */
  readonly rowOf: Int32Array;
  /** As far as known: from the stat index, or as read. */
  readonly digests: (Digest | undefined)[];
  /** Positions of the files the index does not tell about. */
  readonly toRead: number[];
  /** Positions of the files that became one with their object. */
  readonly shared: number[];
  readonly failures: FileFailure[];
}

/** Looks at a path, reads what the stat index does not know, and stores it when asked; nothing is committed yet. */
export async function lookAt(
  repo: Repo,
  path: RepoPath,
  work: LookWork,
  options: CaptureOptions,
): Promise<Look | Unreadable> {
  const record = options.store || options.record === true;
  const job: Job = { ...work, repo, path, options, record, report: options.report ?? silent };
  const index = await loadStatIndex(repo, path);
  const expected = (index?.columns.length ?? 0) / statWidth;
  const surveyed = await surveyPath(repo, path, work, { expected, signal: options.signal });
  const isListed = index !== undefined && index.pathsHash === surveyed.pathsHash;
  const known = index && knownBy(repo, index, isListed);
  if (known !== undefined && isListed && !record && isAsIndexed(known.index, work.isFolder, surveyed.columns))
    return { found: asKnown(job, known, surveyed) };

  const files = await sortOut(job, surveyed, known);
  await readAll(job, files);
  if (known !== undefined) letGoOfEdited(repo, editedFiles(path, { ...files, known }), job.report);
  const { entries, kept } = listEntries(files, known);
  const remember = options.remember === true && known?.index.placed !== true && files.toRead.length > 0;
  const pointer = await describe(job, entries, known, record || remember);
  const { failures } = files;
  if (pointer === undefined || (record && entries.length === 0 && failures.length > 0))
    return { unreadable: failures };
  return {
    found: { path, pointer, entries, failures, filesRead: files.toRead.length },
    async save() {
      if (files.shared.length > 0) {
        await lookAgain({
          ...{ repo, path, ...files },
          statAll: (folder, names) => statAll(job.pool, folder, names, undefined),
        });
      }
      if (known?.index.placed === true && !record) await refresh(job, known, files, surveyed.pathsHash);
      else if (record || remember || isWorthSaving(repo, pointer, files.toRead.length)) {
        const placed = record || known?.index.placed === true;
        const stored = options.store && failures.length === 0;
        await saveIndex(repo, path, pointer, { ...files, kept, placed, stored });
      }
    },
  };
}

/** The result when nothing changed; the listing is read only if somebody asks for it. */
function asKnown({ path }: Job, known: Known, { problems }: Survey): CapturedPath {
  return {
    path,
    pointer: describeIndexed(known.index),
    get entries() {
      return known.entries;
    },
    failures: problems.map(asFailure(path)),
    filesRead: 0,
  };
}

/** Takes from the stat index what it knows of the files that were found. */
async function sortOut(job: Job, surveyed: Survey, known: Known | undefined): Promise<Files> {
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
  if (job.options.store && known !== undefined) {
    const stored = digests.filter((digest) => digest !== undefined);
    const absent = new Set(await goneFromCache(job.repo, known.index, stored));
    for (let i = 0; absent.size > 0 && i < paths.length; i++) {
      if (digests[i] !== undefined && absent.has(digests[i]!)) toRead.push(i);
    }
  }
  const failures = surveyed.problems.map(asFailure(job.path));
  return { paths, columns, rowOf, digests, toRead, shared: [], failures };
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

/** Reads the files that are not known, storing them when asked; fills in digests and columns. */
async function readAll(job: Job, table: Files): Promise<void> {
  const { repo, options, path, pool, writer } = job;
  const { paths, toRead, digests, columns } = table;
  if (toRead.length === 0) return;
  let totalBytes = 0;
  for (const i of toRead) totalBytes += Math.max(0, columns[i * statWidth]!);
  const share = options.store && repo.config.link.includes('hardlink') && chooseLinkMode(repo) === 'hardlink';
  const pack = options.store && !share && isWorthPacking(repo, toRead.length);
  const store = (from: number, to: number) => {
    if (!options.store) return {};
    const space = pack ? writer.reserve(smallBytes(columns, toRead.slice(from, to))) : undefined;
    return { store: { objectsDir: repo.objectsDir, temporaryFolder: writer.folder(), share, space } };
  };
  // A file this young may change again within one step of the file system's clock, unseen: it is not trusted later.
  const youngMs = Date.now() - 20;
  let files = 0;
  let bytes = 0;
  await pool.runSliced(
    'read',
    toRead.length,
    (from, to) => {
      const names = toRead.slice(from, to).map((i) => paths[i]);
      return { kind: 'read', root: repo.root, folder: path, names: names.join('\0'), ...store(from, to) };
    },
    (from, result) => {
      for (let k = 0; k < result.digests.length; k++) {
        const i = toRead[from + k]!;
        digests[i] = result.digests[k];
        columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
        bytes += Math.max(0, columns[i * statWidth]!);
        if (columns[i * statWidth + 1]! >= youngMs) columns[i * statWidth + 1] = Number.POSITIVE_INFINITY;
      }
      writer.adopt(result.stored, result.filled);
      for (const k of result.shared) table.shared.push(toRead[from + k]!);
      for (const [k, reason] of result.reasons) {
        const file = joinPaths(path, paths[toRead[from + k]!]!).replace(/\/$/, '') as RepoPath;
        table.failures.push({ path: file, reason });
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

/** Bytes that files of a size for packs have together. */
function smallBytes(columns: Float64Array, rows: readonly number[]): number {
  let bytes = 0;
  for (const i of rows) {
    const size = columns[i * statWidth]!;
    if (size > 0 && size < packedMostBytes) bytes += size;
  }
  return bytes;
}

/** The listing of what was found, and which files are in it. */
function listEntries(
  { paths, columns, rowOf, digests }: Files,
  known: Known | undefined,
): { entries: TreeEntry[]; kept: number[] } {
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
  return { entries, kept };
}

/** Notes what was read in the index of what dv put there, and the hash of the paths where it is not noted yet. */
async function refresh({ repo }: Job, known: Known, files: Files, pathsHash: bigint): Promise<void> {
  const isSamePaths = files.rowOf.length === known.entries.length && !files.rowOf.includes(-1);
  const isNoted = known.index.pathsHash === pathsHash;
  if (files.toRead.length === 0 && (isNoted || !isSamePaths)) return;
  await refreshIndex(repo, known, { ...files, pathsHash: isSamePaths ? pathsHash : undefined });
}

/** The pointer of what was found; puts the tree among the objects to write. Undefined when nothing was readable. */
async function describe(
  { isFolder, writer }: Job,
  entries: readonly TreeEntry[],
  known: Known | undefined,
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
