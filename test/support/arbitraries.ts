/** Generated values for round trips. */
import fc from 'fast-check';
import { type Digest, digestFromHex } from '../../core/model/digest.ts';
import { comparePaths, parseRepoPath, type RepoPath } from '../../core/model/repo-path.ts';
import type { FileMode, TreeEntry } from '../../core/model/tree.ts';

/** Any digest. */
export const anyDigest: fc.Arbitrary<Digest> = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => digestFromHex(Buffer.from(bytes).toString('hex'))!);

/** Sizes as they occur, and the ends of the range. */
export const anySize: fc.Arbitrary<number> = fc.oneof(
  fc.nat({ max: 100_000 }),
  fc.maxSafeNat(),
  fc.constantFrom(0, Number.MAX_SAFE_INTEGER),
);

/** Sizes of which a hundred can be added up. */
export const anyFileSize: fc.Arbitrary<number> = fc.oneof(fc.nat({ max: 100_000 }), fc.nat({ max: 2 ** 46 }));

/** Characters that are hard on an encoding, an order or a file system. */
const oddCharacters = [
  ...' "\'%\n\r\t\\.~:*?[]#!-+é\u0301\u200c\ue000\uffff\ufffd\u{1f600}\u{10ffff}gG\u007f\u0085',
];

/** One part of a path; now and then of odd characters only. Not all are valid. */
const anyPart = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcxyz019_-.'), minLength: 1, maxLength: 8 }),
  fc.string({ unit: fc.constantFrom(...oddCharacters), minLength: 1, maxLength: 4 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }),
);

/** Any valid path, at most four folders deep. */
export const anyPath: fc.Arbitrary<RepoPath> = fc
  .array(anyPart, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter((text) => parseRepoPath(text) !== undefined) as fc.Arbitrary<RepoPath>;

/** Any mode. */
export const anyMode = fc.constantFrom<FileMode>('-', 'x', 'l');

/** Any valid listing: sorted, without duplicates, no file that is also a folder, sizes that can be added up. */
export const anyListing: fc.Arbitrary<TreeEntry[]> = fc
  .uniqueArray(fc.record({ path: anyPath, digest: anyDigest, sizeBytes: anyFileSize, mode: anyMode }), {
    selector: (entry) => entry.path,
    maxLength: 40,
  })
  .map((entries) => {
    const folders = new Set(entries.flatMap(({ path }) => foldersOf(path)));
    return entries.filter((entry) => !folders.has(entry.path)).sort((a, b) => comparePaths(a.path, b.path));
  });

/** All folders above a path. */
function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}

/** Whole numbers 0..2^32-1 that are the same for the same seed. Source: Mulberry32, T. Ettinger, public domain. */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
