/** `dv get`: files of a revision, of this or another repository, copied to a new place; nothing is checked out. */
import { createReadStream } from 'node:fs';
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import {
  isWithin,
  joinPaths,
  parentOf,
  parseRepoPath,
  pathProblem,
  type RepoPath,
} from '../model/repo-path.ts';
import { readTree, type TreeEntry, treeObjects } from '../model/tree.ts';
import { type Cache, hasObject, objectPath, objectSize, readObject } from '../store/cache.ts';
import { CacheWriter } from '../store/cache-writer.ts';
import { type Exported, exportFiles, type LooseFile, refuseExisting } from '../store/export.ts';
import type { FileAt, History } from '../store/history.ts';
import { missingObjects } from '../store/objects.ts';
import type { Remote } from '../store/remote.ts';
import type { Repo } from '../store/repo.ts';
import { isPointerFile, listDataAt } from './data-at.ts';
import { fetch } from './fetch.ts';
import type { DataPath } from './workspace-data.ts';

/** Where files come from. */
export interface GetSource {
  readonly history: History;
  /** Full id. */
  readonly commit: string;
  /** How messages name it: the revision, or the repository's address. */
  readonly name: string;
  /** Other caches of this machine that may hold its data; only read. */
  readonly caches: readonly Pick<Cache, 'objectsDir'>[];
  /** Opens the remote that has its data. @throws {DvError} no-remote, unknown-remote, usage, remote-* */
  openRemote(): Promise<Remote>;
}

/** One thing to get. */
export interface GetRequest {
  /** From the top of the source: a tracked path, a file or folder in one, a stage output, or what git has there. */
  readonly path: RepoPath;
  /** Absolute place to make. */
  readonly target: string;
}

/** How to get. */
export interface GetOptions {
  readonly source: GetSource;
  /** Takes the objects that are fetched. */
  readonly cache: Repo;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of one request. */
export interface GotPath extends Exported {
  readonly path: RepoPath;
  readonly target: string;
}

/** What was got, and what of it came from a remote. */
export interface GetResult {
  readonly got: readonly GotPath[];
  /** Files that came from the remote, and their bytes. */
  readonly fetched: { readonly files: number; readonly bytes: number };
}

/**
 * Gets files: out of a cache where one has them, else from the source's remote, only those that are asked for.
 * Guarantee: a target is made complete or not at all; none is made when data of any is missing.
 * @throws {DvError} target-exists, path-not-recorded, data-missing, objects-damaged, invalid-file, some-failed,
 *   disk-full, not-writable, remote-*
 */
export async function get(requests: readonly GetRequest[], options: GetOptions): Promise<GetResult> {
  const { source, cache, report = silent, signal } = options;
  for (const { target } of requests) refuseExisting(target);
  const { history, commit } = source;
  const matters = (tracked: string) =>
    requests.some(({ path }) => isWithin(path, tracked) || isWithin(tracked, path));
  const all = await listData(history, commit, matters);
  const data = all.filter(({ path }) => matters(path));
  const loose = await listLoose(history, commit, requests, data);
  for (const { path } of requests) {
    const some = data.some((each) => isWithin(path, each.path) || isWithin(each.path, path));
    if (!some && !loose.some((file) => isWithin(file.path, path)))
      throw new DvError('path-not-recorded', { repoPath: path, where: source.name });
  }
  const paths = requests.map(({ path }) => path);
  const fetched = await bring({ all, data, paths }, options);

  const got: GotPath[] = [];
  const blobs = await history.readBlobs(loose.map(({ id }) => id));
  for (const { path, target } of requests) {
    signal?.throwIfAborted();
    const entries = data.flatMap((each) => entriesAt(cache, each, path));
    const files = loose.flatMap((file, i): LooseFile[] =>
      isWithin(file.path, path)
        ? [{ path: below(file.path, path), bytes: blobs[i]!, mode: modeOf(file) }]
        : [],
    );
    const whole = data.some((each) => isWithin(each.path, path));
    if (entries.length + files.length === 0 && !whole)
      throw new DvError('path-not-recorded', { repoPath: path, where: source.name });
    got.push({
      path,
      target,
      ...(await exportFiles(cache, target, { entries, loose: files }, { report, signal })),
    });
  }
  return { got, fetched };
}

/** The data of a commit; when a pointer is broken, only what is asked for has to be readable. */
async function listData(
  history: History,
  commit: string,
  matters: (tracked: string) => boolean,
): Promise<DataPath[]> {
  try {
    return (await listDataAt(history, [commit]))[0]!;
  } catch (error) {
    if (!isDvError(error, 'invalid-file')) throw error;
    return (await listDataAt(history, [commit], matters))[0]!;
  }
}

/** A path from another one's place: `''` for itself. */
const below = (path: string, folder: string) => path.slice(folder.length + 1) as RepoPath;

const modeOf = ({ mode }: FileAt) => (mode === '100755' ? 'x' : mode === '120000' ? 'l' : '-');

/** Files git itself has at the paths, but for pointers, and ignore files beside them, which speak of them. */
async function listLoose(
  history: History,
  commit: string,
  requests: readonly GetRequest[],
  data: readonly DataPath[],
): Promise<FileAt[]> {
  const inData = (path: string) => data.some((each) => isWithin(path, each.path));
  const isAsked = (path: string) => requests.some((each) => isWithin(path, each.path));
  const files = (
    await history.listFiles([commit], isAsked, {
      enter: (folder) => isAsked(folder) || requests.some(({ path }) => isWithin(path, folder)),
    })
  )[0]!;
  const pointerFolders = new Set(
    files.filter(({ path }) => isPointerFile(path)).map(({ path }) => parentOf(path)),
  );
  const isOurs = ({ path }: FileAt) =>
    inData(path) ||
    data.some((each) => `${each.path}.dv` === path) ||
    (/(^|\/)\.gitignore$/.test(path) && pointerFolders.has(parentOf(path)));
  const loose = files.filter((file) => !isOurs(file));
  for (const { path } of loose) {
    // git has its own rules; what is written here must be safe on any file system.
    if (parseRepoPath(path) === undefined)
      throw new DvError('path-invalid', { path, reason: pathProblem(path) ?? 'it is not valid' });
  }
  return loose;
}

/** The files of some data at or below a path, by their place from there. Its listing must be in the cache. */
function entriesAt(cache: Repo, { path, pointer }: DataPath, asked: RepoPath): TreeEntry[] {
  if (pointer.kind === 'file') {
    if (!isWithin(path, asked)) return [];
    return [{ path: below(path, asked), digest: pointer.digest, sizeBytes: pointer.bytes, mode: '-' }];
  }
  if (!isWithin(path, asked) && !isWithin(asked, path)) return [];
  return readTree(pointer.digest, (digest) => readObject(cache, digest)).flatMap((entry) => {
    const full = joinPaths(path, entry.path);
    return isWithin(full, asked) ? [{ ...entry, path: below(full, asked) }] : [];
  });
}

/** Makes the cache hold what the paths need. @throws {DvError} data-missing, remote-* */
async function bring(
  { all, data, paths }: { all: readonly DataPath[]; data: readonly DataPath[]; paths: readonly RepoPath[] },
  options: GetOptions,
): Promise<GetResult['fetched']> {
  const { source, cache, report, signal } = options;
  const wanted = () => {
    const listed: { path: string; digest: Digest }[] = [];
    for (const each of data) {
      try {
        for (const asked of paths)
          for (const entry of entriesAt(cache, each, asked))
            listed.push({
              path: entry.path === '' ? asked : joinPaths(asked, entry.path),
              digest: entry.digest,
            });
      } catch (error) {
        if (!isDvError(error, 'object-missing')) throw error;
        listed.push({ path: each.path, digest: error.details.digest as Digest });
      }
    }
    const absent = new Set(missingObjects(cache, new Set(listed.map(({ digest }) => digest))));
    return listed.filter(({ digest }) => absent.has(digest));
  };
  // A listing first, then its leaves, then the files it names.
  for (const from of source.caches) {
    await copyObjects(cache, from, treesOf(data), signal);
    await copyObjects(
      cache,
      from,
      treesOf(data).flatMap((tree) => leavesOf(cache, tree)),
      signal,
    );
    await copyObjects(
      cache,
      from,
      wanted().map(({ digest }) => digest),
      signal,
    );
  }
  const missing = wanted();
  if (missing.length === 0) return { files: 0, bytes: 0 };
  const remote = await openForMissing(source, missing);
  try {
    const { files, bytes } = await fetch(cache, remote, {
      // All data of the commit together is what was pushed, and found with one question.
      sets: [all],
      paths: paths
        .filter((path) => data.some((each) => isWithin(path, each.path) || isWithin(each.path, path)))
        .map(literally),
      dataOnly: true,
      ...(report ? { report } : {}),
      ...(signal ? { signal } : {}),
    });
    const lost = wanted();
    if (lost.length > 0) throw dataMissing(lost, `the cache, nor on ${remote.url}`);
    return { files, bytes };
  } catch (error) {
    if (!isDvError(error, 'remote-empty') && !isDvError(error, 'path-not-tracked')) throw error;
    throw dataMissing(missing, `the cache, nor on ${remote.url}`);
  } finally {
    await remote.close();
  }
}

/** A path as a pattern that matches only itself. */
const literally = (path: RepoPath) =>
  (/[*?[]/.test(path) ? path.replace(/[*?[\\]/g, '\\$&') : path) as RepoPath;

const dataMissing = (missing: readonly { path: string }[], where: string) =>
  new DvError('data-missing', {
    paths: [...new Set(missing.map(({ path }) => path))],
    where,
    hint: 'dv push where the data is',
  });

async function openForMissing(source: GetSource, missing: readonly { path: string }[]): Promise<Remote> {
  try {
    return await source.openRemote();
  } catch (error) {
    if (!isDvError(error, 'no-remote')) throw error;
    throw dataMissing(missing, `the cache, and ${source.name} names no remote`);
  }
}

const treesOf = (data: readonly DataPath[]) =>
  data.flatMap(({ pointer }) => (pointer.kind === 'tree' ? [pointer.digest] : []));

const leavesOf = (cache: Cache, tree: Digest) =>
  hasObject(cache, tree) ? treeObjects(tree, (digest) => readObject(cache, digest)) : [];

/** Larger objects are copied in pieces. */
const wholeBytes = 8 << 20;

/** Copies objects from another cache, as far as it has them whole. */
async function copyObjects(
  cache: Cache,
  from: Pick<Cache, 'objectsDir'>,
  digests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const writer = new CacheWriter(cache);
  try {
    for (const digest of missingObjects(cache, digests)) {
      signal?.throwIfAborted();
      const size = objectSize(from, digest);
      if (size === undefined) continue;
      try {
        if (size > wholeBytes) await writer.receive(digest, createReadStream(objectPath(from, digest)));
        else writer.add(digest, readObject(from, digest));
      } catch (error) {
        // A damaged one is no loss: the remote may have it whole.
        if (!isDvError(error, 'object-damaged')) throw error;
      }
    }
    await writer.commit();
  } finally {
    writer.discard();
  }
}
