/** `dv diff`: which files of tracked data differ between two revisions, or a revision and the workspace. */
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import { isWithin, joinPaths, type RepoPath } from '../model/repo-path.ts';
import { diffEntries, diffTrees, readTree, type TreeChange, type TreeEntry } from '../model/tree.ts';
import { readObject } from '../store/cache.ts';
import { capture } from '../store/capture.ts';
import { openHistory } from '../store/history.ts';
import type { Repo } from '../store/repo.ts';
import { listDataAt } from './data-at.ts';
import { type DataPath, listWorkspaceData } from './workspace-data.ts';

/** How one tracked path differs. File paths are relative to the repository's top. */
export interface PathDiff {
  readonly path: RepoPath;
  readonly added: readonly RepoPath[];
  readonly modified: readonly RepoPath[];
  readonly deleted: readonly RepoPath[];
  readonly renamed: readonly { from: RepoPath; to: RepoPath }[];
  /** Whether the listings are not in the cache, so that only the totals are known to differ. */
  readonly truncated: boolean;
  readonly before?: Pointer;
  readonly after?: Pointer;
}

/** What `diff` found; paths without differences are left out. */
export interface DiffResult {
  readonly from: string;
  readonly to: string;
  readonly paths: readonly PathDiff[];
}

/** What to compare. */
export interface DiffOptions {
  /** Older side; undefined: the pointers as they stand in the workspace. */
  readonly from?: string;
  /** Newer side; undefined: the files of the workspace. */
  readonly to?: string;
  /** Only these paths and what is below them. */
  readonly paths?: readonly RepoPath[];
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** One side at a path: a pointer, and for the workspace the listing as it is now. */
interface Side {
  readonly pointer: Pointer;
  readonly entries?: readonly TreeEntry[];
}

/** Compares; nothing is checked out or fetched. @throws {DvError} unknown-revision, invalid-file */
export async function diff(repo: Repo, options: DiffOptions): Promise<DiffResult> {
  const wanted = (path: RepoPath) =>
    options.paths?.some((p) => isWithin(path, p) || isWithin(p, path)) ?? true;
  const [before, after] = await readSides(repo, options, wanted);
  const paths: PathDiff[] = [];
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const found = compareSides(repo, path, before.get(path), after.get(path));
    const narrowed = found && narrow(found, options.paths);
    if (narrowed !== undefined) paths.push(narrowed);
  }
  return { from: options.from ?? 'pointers', to: options.to ?? 'workspace', paths };
}

type Sides = Map<RepoPath, Side>;

async function readSides(
  repo: Repo,
  options: DiffOptions,
  wanted: (path: RepoPath) => boolean,
): Promise<[Sides, Sides]> {
  const asSides = (data: readonly DataPath[]): Sides =>
    new Map(data.filter(({ path }) => wanted(path)).map(({ path, pointer }) => [path, { pointer }]));
  const revisions = [options.from, options.to].filter((revision) => revision !== undefined);
  let at: DataPath[][] = [];
  if (revisions.length > 0) {
    const history = await openHistory(repo);
    try {
      const commits = await history.resolveAll(revisions);
      at = await listDataAt(
        history,
        commits.map((commit) => commit.id),
      );
    } finally {
      await history.close();
    }
  }
  const pointers = listWorkspaceDataIfNeeded(repo, options);
  const before = options.from === undefined ? asSides(pointers) : asSides(at[0]!);
  if (options.to !== undefined) return [before, asSides(at.at(-1)!)];
  const after: Sides = new Map();
  for (const { path } of pointers) {
    if (!wanted(path)) continue;
    const side = await captureSide(repo, path, options);
    if (side !== undefined) after.set(path, side);
  }
  return [before, after];
}

const listWorkspaceDataIfNeeded = (repo: Repo, options: DiffOptions) =>
  options.from === undefined || options.to === undefined ? listWorkspaceData(repo) : [];

async function captureSide(repo: Repo, path: RepoPath, options: DiffOptions): Promise<Side | undefined> {
  try {
    const { pointer, entries } = await capture(repo, path, {
      store: false,
      ...(options.report ? { report: options.report } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    return { pointer, entries };
  } catch (error) {
    if (error instanceof DvError && error.code === 'path-missing') return undefined;
    throw error;
  }
}

function compareSides(repo: Repo, path: RepoPath, before?: Side, after?: Side): PathDiff | undefined {
  if (before?.pointer.digest === after?.pointer.digest && before?.pointer.kind === after?.pointer.kind)
    return undefined;
  const base = {
    path,
    ...(before ? { before: before.pointer } : {}),
    ...(after ? { after: after.pointer } : {}),
  };
  const changes = changesOf(repo, before, after);
  if (changes === undefined)
    return { ...base, added: [], modified: [], deleted: [], renamed: [], truncated: true };
  const full = (change: TreeChange) => (change.path === '' ? path : joinPaths(path, change.path));
  const { renamed, rest } = findRenames(changes);
  return {
    ...base,
    added: rest.filter((change) => change.before === undefined).map(full),
    deleted: rest.filter((change) => change.after === undefined).map(full),
    modified: rest.filter((change) => change.before !== undefined && change.after !== undefined).map(full),
    renamed: renamed.map(([from, to]) => ({ from: full(from), to: full(to) })),
    truncated: false,
  };
}

/** What differs, or undefined when a listing is not in the cache. */
function changesOf(repo: Repo, before?: Side, after?: Side): TreeChange[] | undefined {
  const read = (digest: Parameters<typeof readObject>[1]) => readObject(repo, digest);
  const listing = (side?: Side): readonly TreeEntry[] => {
    if (side === undefined) return [];
    if (side.entries !== undefined) return side.entries;
    const { pointer } = side;
    if (pointer.kind === 'tree') return readTree(pointer.digest, read);
    return [{ path: '' as RepoPath, digest: pointer.digest, sizeBytes: pointer.bytes, mode: '-' }];
  };
  try {
    if (before?.pointer.kind === 'tree' && after?.pointer.kind === 'tree' && after.entries === undefined) {
      return diffTrees(before.pointer.digest, after.pointer.digest, read);
    }
    return diffEntries(listing(before), listing(after));
  } catch (error) {
    if (error instanceof DvError && error.code === 'object-missing') return undefined;
    throw error;
  }
}

/** Pairs deleted and added files of the same content; each file is in one pair at most, in path order. */
function findRenames(changes: readonly TreeChange[]): {
  renamed: [TreeChange, TreeChange][];
  rest: TreeChange[];
} {
  const deleted = new Map<string, TreeChange[]>();
  for (const change of changes) {
    if (change.after !== undefined) continue;
    const list = deleted.get(change.before!.digest);
    if (list === undefined) deleted.set(change.before!.digest, [change]);
    else list.push(change);
  }
  const renamed: [TreeChange, TreeChange][] = [];
  const paired = new Set<TreeChange>();
  for (const change of changes) {
    if (change.before !== undefined) continue;
    const from = deleted.get(change.after!.digest)?.shift();
    if (from === undefined) continue;
    renamed.push([from, change]);
    paired.add(from).add(change);
  }
  return { renamed, rest: changes.filter((change) => !paired.has(change)) };
}

/** Keeps only files at or below the asked-for paths; undefined when none is left. */
function narrow(found: PathDiff, paths: readonly RepoPath[] | undefined): PathDiff | undefined {
  if (paths === undefined || paths.some((path) => isWithin(found.path, path))) return found;
  const inside = (file: RepoPath) => paths.some((path) => isWithin(file, path));
  const narrowed = {
    ...found,
    added: found.added.filter(inside),
    modified: found.modified.filter(inside),
    deleted: found.deleted.filter(inside),
    renamed: found.renamed.filter(({ from, to }) => inside(from) || inside(to)),
  };
  const count =
    narrowed.added.length + narrowed.modified.length + narrowed.deleted.length + narrowed.renamed.length;
  return count === 0 && !found.truncated ? undefined : narrowed;
}
