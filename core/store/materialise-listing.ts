/** What is to change in the listing of a target: from what dv put there last to what its pointer says. */
import { DvError } from '../errors.ts';
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import {
  asChange,
  forEachPair,
  readTree,
  sameEntry,
  type TreeChange,
  type TreeEntry,
  totalBytes,
} from '../model/tree.ts';
import { compareTrees, type SameRows, type TreeComparison } from '../model/tree-compare.ts';
import { readObject } from './cache.ts';
import { entriesOfIndex } from './capture-index.ts';
import type { Target } from './materialise.ts';
import type { Repo } from './repo.ts';
import { fileModeOf } from './stat-files.ts';
import { hashPaths, type StatIndex, unknownPaths } from './stat-index.ts';

/** The files to look at, and the rows of the others in both listings. */
export interface ListingChange extends TreeComparison {
  /** What dv put there last; undefined when that is not known. */
  readonly index: StatIndex | undefined;
  /** Hash of the new listing's paths, or `unknownPaths`. */
  readonly pathsHash: bigint;
}

/**
 * Compares what dv put at a target last with what it is to hold.
 * @param complete whether files that do not differ are to be looked at, too.
 * @throws {DvError} object-missing when the new listing is not in the cache; object-damaged, invalid-file
 */
export async function compareListings(
  repo: Repo,
  target: Target,
  index: StatIndex | undefined,
  complete: boolean,
): Promise<ListingChange> {
  const { pointer } = target;
  if (!complete && target.edit === undefined && index?.kind === 'tree' && pointer?.kind === 'tree') {
    const compared = compareStored(repo, index, pointer);
    // A pointer that lies about its tree is told of where the tree is read as a whole.
    if (compared?.afterCount === pointer.files) {
      const isSamePaths = compared.changes.every(({ before, after }) => before && after);
      return { ...compared, index, pathsHash: isSamePaths ? index.pathsHash : unknownPaths };
    }
  }
  const before = (index && entriesOfIndex(repo, index)) ?? [];
  const after = wantedEntries(repo, target, index);
  const hash = await hashPaths(after.length === 0 ? [] : [after.map(({ path }) => path).join('\0')]);
  return {
    ...pairAll(before, after, complete, target.edit?.only ?? (() => true)),
    index: before.length > 0 ? index : undefined,
    pathsHash: hash,
  };
}

/** Compares two trees in the cache; undefined when either is of no use, as reading them one by one will tell. */
function compareStored(repo: Repo, index: StatIndex, pointer: Pointer): TreeComparison | undefined {
  try {
    return compareTrees(index.digest, pointer.digest, (digest) => readObject(repo, digest));
  } catch (error) {
    if (error instanceof DvError) return undefined;
    throw error;
  }
}

/**
 * Reads what a pointer stands for as entries; a file is one entry with the path `''`.
 * @throws {DvError} object-missing, object-damaged, invalid-file
 */
export function entriesOf(repo: Repo, pointer: Pointer | undefined, modeBits?: number): readonly TreeEntry[] {
  if (pointer === undefined) return [];
  if (pointer.kind === 'tree') {
    const entries = readTree(pointer.digest, (digest) => readObject(repo, digest));
    const bytes = totalBytes(entries);
    if (entries.length !== pointer.files || bytes !== pointer.bytes) {
      const message = `its pointer says ${countFiles(pointer.files)} of ${pointer.bytes} bytes, but it lists ${countFiles(entries.length)} of ${bytes}`;
      throw new DvError('invalid-file', { problems: [{ file: `tree ${pointer.digest}`, message }] });
    }
    return entries;
  }
  const mode = modeBits === undefined ? '-' : (fileModeOf(modeBits) ?? '-');
  return [{ path: '' as RepoPath, digest: pointer.digest, sizeBytes: pointer.bytes, mode }];
}

const countFiles = (count: number) => (count === 1 ? '1 file' : `${count} files`);

/** What a target is to hold. A file keeps the mode dv last gave it, unless it is to have another. */
function wantedEntries(
  repo: Repo,
  { pointer, edit }: Target,
  index: StatIndex | undefined,
): readonly TreeEntry[] {
  const entries = entriesOf(repo, pointer, index?.kind === 'file' ? index.columns[4] : undefined);
  const mode = edit?.mode;
  return mode === undefined || pointer?.kind !== 'file'
    ? entries
    : entries.map((entry) => ({ ...entry, mode }));
}

/** Compares two listings. */
function pairAll(
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
  complete: boolean,
  only: (file: string) => boolean,
): TreeComparison {
  const changes: TreeChange[] = [];
  const beforeRows: number[] = [];
  const afterRows: number[] = [];
  const same: SameRows[] = [];
  forEachPair(before, after, (a, b, i, j) => {
    if (a !== undefined && b !== undefined && ((!complete && sameEntry(a, b)) || !only(a.path))) {
      same.push({ before: i, after: j, rows: 1 });
      return;
    }
    if (!only((a ?? b)!.path)) return;
    changes.push(asChange(a, b));
    beforeRows.push(a === undefined ? -1 : i);
    afterRows.push(b === undefined ? -1 : j);
  });
  return { changes, beforeRows, afterRows, same, afterCount: after.length };
}
