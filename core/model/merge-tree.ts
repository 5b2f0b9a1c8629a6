/** Three-way merge of listings, file by file. Values only: where the listings come from is core/ops/merge-pointers.ts. */
import { comparePaths, parentOf, type RepoPath } from './repo-path.ts';
import { sameEntry, type TreeChange, type TreeEntry } from './tree.ts';

/** One file that both sides changed, and not in the same way. */
export interface FileConflict {
  readonly path: RepoPath;
  /** Each side's version; absent where the file is not there. */
  readonly base?: TreeEntry;
  readonly ours?: TreeEntry;
  readonly theirs?: TreeEntry;
  /** Files of ours that cannot be beside theirs: one is a file where the other has a folder. */
  readonly obstacles?: readonly TreeEntry[];
}

/** What a merge gave. */
export interface MergedListing {
  /** Sorted; files in conflict are as they are in ours. */
  readonly entries: readonly TreeEntry[];
  /** Sorted by path. */
  readonly conflicts: readonly FileConflict[];
}

/** A side of a merge, in git's words: `ours` is the branch merged into (of a rebase: the one rebased onto). */
export type Side = 'base' | 'ours' | 'theirs';

/** Paths to set or, where undefined, to remove. */
export type Edits = ReadonlyMap<RepoPath, TreeEntry | undefined>;

/**
 * Merges what two sides made of one listing. A file that one side changed is taken from it; content and mode are
 * told apart, so that one side may make a file executable while the other changes it.
 * @param ours our listing, sorted.
 * @param changes what each side did to the base, sorted, as `diffTrees` gives it.
 */
export function mergeListings(
  ours: readonly TreeEntry[],
  changes: { readonly ours: readonly TreeChange[]; readonly theirs: readonly TreeChange[] },
): MergedListing {
  const oursOf = new Map(changes.ours.map((change) => [change.path, change]));
  const conflicts: FileConflict[] = [];
  const edits = new Map<RepoPath, TreeEntry | undefined>();
  for (const { path, before, after } of changes.theirs) {
    const mine = oursOf.get(path);
    if (mine === undefined) edits.set(path, after);
    else {
      const merged = mergeEntry(before, mine.after, after);
      if (merged === 'conflict') conflicts.push(conflictOf(path, before, mine.after, after));
      else if (merged !== mine.after) edits.set(path, merged);
    }
  }
  let entries = applyEdits(ours, edits);
  const blocked = new Map<RepoPath, undefined>();
  for (const [path, entry] of edits) {
    if (entry === undefined || obstaclesOf(entries, path).length === 0) continue;
    blocked.set(path, undefined);
    conflicts.push({ path, theirs: entry });
  }
  // Without theirs that cannot be here, what is left cannot be in its own way.
  entries = applyEdits(entries, blocked);
  return {
    entries,
    conflicts: conflicts
      .sort((a, b) => comparePaths(a.path, b.path))
      .map((conflict) => {
        const obstacles = obstaclesOf(entries, conflict.path);
        return obstacles.length === 0 ? conflict : { ...conflict, obstacles };
      }),
  };
}

function conflictOf(
  path: RepoPath,
  base: TreeEntry | undefined,
  ours: TreeEntry | undefined,
  theirs: TreeEntry | undefined,
): FileConflict {
  return { path, ...(base && { base }), ...(ours && { ours }), ...(theirs && { theirs }) };
}

/** One file's merge; undefined: it is deleted. */
function mergeEntry(
  base: TreeEntry | undefined,
  ours: TreeEntry | undefined,
  theirs: TreeEntry | undefined,
): TreeEntry | undefined | 'conflict' {
  if (ours === undefined || theirs === undefined) return ours === theirs ? undefined : 'conflict';
  if (sameEntry(ours, theirs)) return ours;
  if (base === undefined || [base, ours, theirs].some(({ mode }) => mode === 'l')) return 'conflict';
  const content = ours.digest === base.digest ? theirs : ours;
  if (content === ours && theirs.digest !== base.digest && theirs.digest !== ours.digest) return 'conflict';
  return { ...content, mode: ours.mode === base.mode ? theirs.mode : ours.mode };
}

/** The listing with some paths set or removed; both stay sorted. */
export function applyEdits(entries: readonly TreeEntry[], edits: Edits): readonly TreeEntry[] {
  if (edits.size === 0) return entries;
  const changed = [...edits].sort(([a], [b]) => comparePaths(a, b));
  const result: TreeEntry[] = [];
  let at = 0;
  for (const [path, entry] of changed) {
    while (at < entries.length && comparePaths(entries[at]!.path, path) < 0) result.push(entries[at++]!);
    if (entries[at]?.path === path) at++;
    if (entry !== undefined) result.push(entry);
  }
  while (at < entries.length) result.push(entries[at++]!);
  return result;
}

/** The first row whose path is not before a given one. */
function rowOf(entries: readonly TreeEntry[], path: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePaths(entries[middle]!.path, path) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The files of the listing beside which a file cannot be: one where it needs a folder, or those below it. */
function obstaclesOf(entries: readonly TreeEntry[], path: RepoPath): TreeEntry[] {
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    const found = entries[rowOf(entries, folder)];
    if (found?.path === folder) return [found];
  }
  const below: TreeEntry[] = [];
  for (let row = rowOf(entries, `${path}/`); entries[row]?.path.startsWith(`${path}/`); row++) {
    below.push(entries[row]!);
  }
  return below;
}

/**
 * The listing with one side's version of files in conflict.
 * @param entries any listing made from the merge, sorted.
 */
export function chooseSide(
  entries: readonly TreeEntry[],
  conflicts: readonly FileConflict[],
  side: Side,
): readonly TreeEntry[] {
  const edits = new Map<RepoPath, TreeEntry | undefined>();
  for (const conflict of conflicts) {
    const { path, obstacles = [] } = conflict;
    const chosen = conflict[side];
    for (const obstacle of obstacles) {
      if (chosen !== undefined) edits.set(obstacle.path, undefined);
      else if (side === 'ours') edits.set(obstacle.path, obstacle);
    }
    edits.set(path, chosen);
  }
  // Others may have been chosen before, and be in the way now.
  for (const [path, entry] of [...edits]) {
    if (entry === undefined) continue;
    for (const obstacle of obstaclesOf(entries, path)) {
      if (edits.get(obstacle.path) === undefined) edits.set(obstacle.path, undefined);
    }
  }
  return applyEdits(entries, edits);
}
