/** How two states of one tracked path differ, file by file and class by class; for `dv diff` and `dv log`. */
import { isDvError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, isWithin, joinPaths, type RepoPath } from '../model/repo-path.ts';
import {
  diffEntries,
  parseIndex,
  type ReadObject,
  readLeaf,
  readTree,
  type TreeChange,
  type TreeEntry,
} from '../model/tree.ts';
import { compareTrees } from '../model/tree-compare.ts';
import { readObject } from '../store/cache.ts';
import type { Repo } from '../store/repo.ts';

/** A state of a path: a pointer, and for the workspace the listing as it is now. */
export interface Side {
  readonly pointer: Pointer;
  readonly entries?: readonly TreeEntry[];
}

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

/** What is asked for: a predicate on files by their path from the top, and on folders that may hold some. */
export interface Selecting {
  selects(path: string): boolean;
  mayReachInto(folder: string): boolean;
}

/**
 * Compares two states of a path; undefined when they are the same.
 * @param read gives an object of the cache; throws object-missing or object-damaged.
 * @throws {DvError} invalid-file, object-damaged
 */
export function comparePath(
  read: ReadObject,
  path: RepoPath,
  before?: Side,
  after?: Side,
): PathDiff | undefined {
  if (before?.pointer.digest === after?.pointer.digest && before?.pointer.kind === after?.pointer.kind)
    return undefined;
  const base = {
    path,
    ...(before ? { before: before.pointer } : {}),
    ...(after ? { after: after.pointer } : {}),
  };
  const changes = changesOf(read, before, after);
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

/** Runs something that reads listings; undefined when one is not in the cache. */
function ifListed<Result>(run: () => Result): Result | undefined {
  try {
    return run();
  } catch (error) {
    if (isDvError(error, 'object-missing')) return undefined;
    throw error;
  }
}

/** What differs, or undefined when a listing is not in the cache. */
function changesOf(read: ReadObject, before?: Side, after?: Side): readonly TreeChange[] | undefined {
  const listing = (side?: Side): readonly TreeEntry[] => {
    if (side === undefined) return [];
    if (side.entries !== undefined) return side.entries;
    const { pointer } = side;
    if (pointer.kind === 'tree') return readTree(pointer.digest, read);
    return [{ path: '' as RepoPath, digest: pointer.digest, sizeBytes: pointer.bytes, mode: '-' }];
  };
  return ifListed(() => {
    if (before?.pointer.kind === 'tree' && after?.pointer.kind === 'tree' && after.entries === undefined)
      return compareTrees(before.pointer.digest, after.pointer.digest, read).changes;
    return diffEntries(listing(before), listing(after));
  });
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

/** Keeps only what was asked for of a path's differences; undefined when none of them is left. */
export function narrowDiff(found: PathDiff, asked: readonly Selecting[] | undefined): PathDiff | undefined {
  if (asked === undefined || asked.some((each) => each.selects(found.path))) return found;
  if (!asked.some((each) => each.mayReachInto(found.path))) return undefined;
  const inside = (file: RepoPath) => asked.some((each) => each.selects(file));
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

/** How many files of a class differ: a class is a folder directly below the tracked path. */
export interface ClassCounts {
  /** The folder's name. */
  readonly name: string;
  /** How many files it holds on either side, those in folders of its own included. */
  readonly before: number;
  readonly after: number;
  /** Files that came in; one renamed inside its class or moved between classes counts as deleted and added. */
  readonly added: number;
  readonly modified: number;
  readonly deleted: number;
}

/** The counts of all classes with differences, sorted by name; none when they cannot be known. */
export function countClasses(repo: Repo, diff: PathDiff, before?: Side, after?: Side): ClassCounts[] {
  const changes = new Map<string, { added: number; modified: number; deleted: number }>();
  const count = (file: RepoPath, what: 'added' | 'modified' | 'deleted') => {
    const name = classOf(file.slice(diff.path.length + 1));
    if (name === undefined || !isWithin(file, diff.path)) return;
    const counts = changes.get(name) ?? { added: 0, modified: 0, deleted: 0 };
    counts[what]++;
    changes.set(name, counts);
  };
  for (const file of diff.added) count(file, 'added');
  for (const file of diff.modified) count(file, 'modified');
  for (const file of diff.deleted) count(file, 'deleted');
  for (const { from, to } of diff.renamed) {
    count(from, 'deleted');
    count(to, 'added');
  }
  if (changes.size === 0) return [];
  const leaves = new Map<Digest, Tally>();
  const totals = ifListed(() => [tallySide(repo, before, leaves), tallySide(repo, after, leaves)] as const);
  if (totals === undefined) return [];
  return [...changes]
    .map(([name, counts]) => ({
      name,
      before: totals[0].get(name) ?? 0,
      after: totals[1].get(name) ?? 0,
      ...counts,
    }))
    .sort((a, b) => comparePaths(a.name, b.name));
}

/** Files by class. */
type Tally = ReadonlyMap<string, number>;

/** The first folder of a path below the tracked one; undefined for a file that is in none. */
function classOf(path: string): string | undefined {
  const slash = path.indexOf('/');
  return slash === -1 ? undefined : path.slice(0, slash);
}

/** Counts one side's files; a leaf that both sides have is read once. */
function tallySide(repo: Repo, side: Side | undefined, leaves: Map<Digest, Tally>): Tally {
  if (side === undefined || side.pointer.kind === 'file') return new Map();
  if (side.entries !== undefined) return tally(side.entries);
  const read = (digest: Digest) => readObject(repo, digest);
  const { digest } = side.pointer;
  const refs = parseIndex(read(digest), `tree ${digest}`);
  if (refs === undefined) return tally(readTree(digest, read));
  const sum = new Map<string, number>();
  for (const ref of refs) {
    const counts = leaves.get(ref.digest) ?? tally(readLeaf(ref, read));
    leaves.set(ref.digest, counts);
    for (const [name, files] of counts) sum.set(name, (sum.get(name) ?? 0) + files);
  }
  return sum;
}

function tally(entries: readonly TreeEntry[]): Tally {
  const counts = new Map<string, number>();
  for (const { path } of entries) {
    const name = classOf(path);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
