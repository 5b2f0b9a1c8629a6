/** Three-way merge of a pointer: of the listings it stands for, read from the cache. Writes nothing but new listings. */
import { isDvError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { chooseSide, type FileConflict, mergeListings, type Side } from '../model/merge-tree.ts';
import { formatPointer, type Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { diffTrees, encodeTree, readTree, type TreeEntry } from '../model/tree.ts';
import { type Cache, readObject } from '../store/cache.ts';
import { CacheWriter } from '../store/cache-writer.ts';

/** A pointer's versions; `base` is undefined where both sides began to track the path. */
export interface PointerVersions {
  readonly base: Pointer | undefined;
  readonly ours: Pointer;
  readonly theirs: Pointer;
}

/**
 * What a merge gave. `listing-missing`: the cache lacks a listing, so nothing was merged. A conflict at the path `''`
 * is one of the whole: two versions of a single file, or a file against a folder.
 */
export type PointerMerge =
  | {
      readonly outcome: 'merged';
      readonly pointer: Pointer;
      /** The files of `pointer`; a single file is one entry with the path `''`. Files in conflict are ours. */
      readonly entries: readonly TreeEntry[];
      readonly conflicts: readonly FileConflict[];
    }
  | { readonly outcome: 'listing-missing'; readonly digest: Digest };

const samePointer = (a: Pointer, b: Pointer) => formatPointer(a) === formatPointer(b);

/**
 * Merges three versions of a pointer.
 * @param options.take which version files in conflict get; by default ours.
 * @param options.store whether the merged listing is put into the cache, durable; otherwise nothing is written, and
 * the pointer may name a listing the cache does not have.
 * @throws {DvError} object-damaged, invalid-file (of a listing), newer-format, disk-full, not-writable
 */
export async function mergePointers(
  cache: Cache,
  versions: PointerVersions,
  options: { take?: 'base' | 'ours'; store: boolean },
): Promise<PointerMerge> {
  const { base, ours, theirs } = versions;
  try {
    if (samePointer(ours, theirs)) return whole(cache, ours, []);
    if (base !== undefined && samePointer(base, ours)) return whole(cache, theirs, []);
    if (base !== undefined && samePointer(base, theirs)) return whole(cache, ours, []);
    if (ours.kind === 'file' || theirs.kind === 'file') return mergeWhole(cache, versions, options.take);
    const read = (digest: Digest) => readObject(cache, digest);
    const origin = base?.kind === 'tree' ? base.digest : undefined;
    const merged = mergeListings(readTree(ours.digest, read), {
      ours: diffTrees(origin, ours.digest, read),
      theirs: diffTrees(origin, theirs.digest, read),
    });
    const entries =
      options.take === 'base' ? chooseSide(merged.entries, merged.conflicts, 'base') : merged.entries;
    const pointer = await describeListing(cache, entries, options.store);
    return { outcome: 'merged', pointer, entries, conflicts: merged.conflicts };
  } catch (error) {
    if (!isDvError(error, 'object-missing')) throw error;
    return { outcome: 'listing-missing', digest: error.details.digest as Digest };
  }
}

function whole(cache: Cache, pointer: Pointer, conflicts: readonly FileConflict[]): PointerMerge {
  return { outcome: 'merged', pointer, entries: entriesOf(cache, pointer), conflicts };
}

/** Two versions of one file, or a file against a folder: nothing smaller can be chosen. */
function mergeWhole(cache: Cache, versions: PointerVersions, take: Side = 'ours'): PointerMerge {
  const { base, ours, theirs } = versions;
  const at = (pointer: Pointer) => wholeEntry(pointer);
  const conflict: FileConflict = {
    path: '' as RepoPath,
    ...(base && { base: at(base) }),
    ours: at(ours),
    theirs: at(theirs),
  };
  return whole(cache, (take === 'base' ? base : undefined) ?? ours, [conflict]);
}

const wholeEntry = (pointer: Pointer): TreeEntry => ({
  path: '' as RepoPath,
  digest: pointer.digest,
  sizeBytes: pointer.bytes,
  mode: '-',
});

/** What a pointer stands for as entries; a single file is one with the path `''`. @throws {DvError} object-missing, object-damaged, invalid-file */
export function entriesOf(cache: Cache, pointer: Pointer): readonly TreeEntry[] {
  if (pointer.kind === 'file') return [wholeEntry(pointer)];
  return readTree(pointer.digest, (digest) => readObject(cache, digest));
}

/**
 * The pointer of a listing.
 * @param store whether the listing is put into the cache first.
 * @throws {DvError} disk-full, not-writable
 */
export async function describeListing(
  cache: Cache,
  entries: readonly TreeEntry[],
  store: boolean,
): Promise<Pointer> {
  const tree = await encodeTree(entries);
  if (store) {
    const writer = new CacheWriter(cache);
    try {
      for (const { digest, bytes } of tree.objects) writer.add(digest, bytes);
      await writer.commit();
    } finally {
      writer.discard();
    }
  }
  return { kind: 'tree', digest: tree.digest, files: tree.files, bytes: tree.bytes };
}
