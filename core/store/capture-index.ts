/** The stat index on its way through a capture: what it knows of a path, and what is noted in it afterwards. */
import { DvError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, isWithin, type RepoPath } from '../model/repo-path.ts';
import { readTree, type TreeEntry, treeObjects } from '../model/tree.ts';
import { type Cache, hasObject, readObject } from './cache.ts';
import { cacheStamp } from './objects.ts';
import type { Repo } from './repo.ts';
import { fileModeOf, statMissing, statWidth } from './stat-files.ts';
import { hashPaths, isTrusted, type StatIndex, saveStatIndex, unknownStamp } from './stat-index.ts';
import type { Survey } from './survey.ts';

/** What the last look at the path left behind: its listing and the columns that belong to it. */
export interface Known {
  readonly index: StatIndex;
  /** Read from the cache when first asked for: most looks find nothing changed, and need no listing to say so. */
  readonly entries: readonly TreeEntry[];
}

/** The entries an index belongs to; undefined when the tree it names is not in the cache any more. */
export function entriesOfIndex(cache: Cache, index: StatIndex): readonly TreeEntry[] | undefined {
  if (index.kind === 'file') {
    const size = index.columns[0] ?? 0;
    const mode = fileModeOf(index.columns[4] ?? 0) ?? '-';
    return [{ path: '' as RepoPath, digest: index.digest, sizeBytes: Math.max(0, size), mode }];
  }
  try {
    const entries = readTree(index.digest, (digest) => readObject(cache, digest));
    return entries.length * statWidth === index.columns.length ? entries : undefined;
  } catch (error) {
    if (error instanceof DvError) return undefined;
    throw error;
  }
}

/**
 * What an index knows; undefined when the tree it names is not in the cache any more.
 * @param isListed whether the paths found are already known to be the listing's, so that it may not be needed.
 */
export function knownBy(repo: Repo, index: StatIndex, isListed: boolean): Known | undefined {
  if (isListed && index.kind === 'tree' && hasListing(repo, index.digest)) {
    return new LazyKnown(index, () => readTree(index.digest, (digest) => readObject(repo, digest)));
  }
  const entries = entriesOfIndex(repo, index);
  return entries === undefined ? undefined : { index, entries };
}

class LazyKnown implements Known {
  readonly index: StatIndex;
  readonly #read: () => readonly TreeEntry[];
  #entries: readonly TreeEntry[] | undefined;

  constructor(index: StatIndex, read: () => readonly TreeEntry[]) {
    this.index = index;
    this.#read = read;
  }

  get entries(): readonly TreeEntry[] {
    this.#entries ??= this.#read();
    return this.#entries;
  }
}

/** Whether a tree's own objects are in the cache, all of them; what they hold is not checked. */
function hasListing(repo: Repo, tree: Digest): boolean {
  try {
    return treeObjects(tree, (digest) => readObject(repo, digest)).every((digest) => hasObject(repo, digest));
  } catch (error) {
    if (error instanceof DvError) return false;
    throw error;
  }
}

/**
 * Adds the recorded files that cannot be looked at, as they lie in a folder that cannot be read: that they cannot be
 * seen does not mean that they were deleted. They are those of `unread`.
 */
export function withUnreadable(
  found: Pick<Survey, 'paths' | 'columns' | 'problems'>,
  known: Known | undefined,
): Pick<Survey, 'paths' | 'columns'> & { readonly unread: ReadonlySet<string> } {
  const { problems } = found;
  const unread = new Set<string>();
  if (known === undefined || problems.length === 0) return { ...found, unread };
  const rowOf = new Map(found.paths.map((path, i) => [path, i]));
  for (const { path } of known.entries) {
    if (!rowOf.has(path) && problems.some((problem) => isWithin(path, problem.path))) unread.add(path);
  }
  const paths = [...found.paths, ...(unread as Set<RepoPath>)].sort(comparePaths);
  const columns = new Float64Array(paths.length * statWidth);
  paths.forEach((path, i) => {
    const from = rowOf.get(path);
    if (from === undefined) columns[i * statWidth] = statMissing;
    else columns.set(found.columns.subarray(from * statWidth, (from + 1) * statWidth), i * statWidth);
  });
  return { paths, columns, unread };
}

/** Without storing, an index is worth saving when it will be readable: the tree it names must be in the cache. */
export function isWorthSaving(repo: Repo, pointer: Pointer, filesRead: number): boolean {
  return filesRead > 0 && (pointer.kind === 'file' || hasObject(repo, pointer.digest));
}

/**
 * Notes in the index of what dv put there which files were read and still are that. It goes on naming what dv put
 * there, never what the user made of it: a checkout would take the edit for its own file.
 */
export async function refreshIndex(
  repo: Repo,
  { index, entries }: Known,
  found: {
    rowOf: ArrayLike<number>;
    digests: readonly (Digest | undefined)[];
    columns: Float64Array;
    toRead: readonly number[];
    /** The hash of the listing's paths, when all of them and no others were found. */
    pathsHash: bigint | undefined;
  },
): Promise<void> {
  const columns = index.columns.slice();
  for (let row = 0; row < entries.length; row++) {
    // The new index is younger than the old one, and would trust rows that the old one did not.
    if (!isTrusted(index, row)) columns[row * statWidth] = statMissing;
  }
  for (const i of found.toRead) {
    const row = found.rowOf[i] ?? -1;
    if (row < 0) continue;
    const now = found.columns.subarray(i * statWidth, (i + 1) * statWidth);
    const { digest, mode } = entries[row]!;
    if (found.digests[i] === digest && fileModeOf(now[4]!) === mode && now[1] !== Number.POSITIVE_INFINITY) {
      columns.set(now, row * statWidth);
    } else columns[row * statWidth] = statMissing;
  }
  const { path, kind, digest, cacheStamp, placed } = index;
  const pathsHash = found.pathsHash ?? index.pathsHash;
  await saveStatIndex(repo, { path, kind, digest, pathsHash, cacheStamp, placed, columns });
}

/** Writes the index of what was captured. */
export async function saveIndex(
  repo: Repo,
  path: RepoPath,
  pointer: Pointer,
  found: {
    paths: readonly RepoPath[];
    columns: Float64Array;
    /** Positions, among the paths, of those that are in the listing. */
    kept: readonly number[];
    placed: boolean;
    /** Whether the cache was seen to hold all files. */
    stored: boolean;
  },
): Promise<void> {
  let { columns, paths } = found;
  if (found.kept.length * statWidth !== columns.length) {
    paths = found.kept.map((i) => found.paths[i]!);
    columns = new Float64Array(found.kept.length * statWidth);
    found.kept.forEach((i, row) => {
      columns.set(found.columns.subarray(i * statWidth, (i + 1) * statWidth), row * statWidth);
    });
  }
  for (let at = 0; at < columns.length; at += statWidth) {
    if (columns[at + 1] === Number.POSITIVE_INFINITY) columns[at] = statMissing;
  }
  await saveStatIndex(repo, {
    path,
    kind: pointer.kind,
    digest: pointer.digest,
    pathsHash: await hashPaths(paths.length === 0 ? [] : [paths.join('\0')]),
    cacheStamp: found.stored ? await cacheStamp(repo) : unknownStamp,
    placed: found.placed,
    columns,
  });
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
