/** Several idx files as one. Works on their columns: merging a million objects makes no string per object. */
import { BinaryWriter, digestBytes } from './binary.ts';
import { type Blob, type Idx, idxMagic } from './idx.ts';

/** Rows of one pack, in one idx: `from` (included) to `to` (excluded). */
interface Rows {
  readonly idx: Idx;
  readonly from: number;
  readonly to: number;
}

interface Pack {
  readonly sizeBytes: number;
  readonly rows: Rows[];
}

/** An object in a pack: which row of which idx. */
interface Row {
  readonly idx: Idx;
  readonly row: number;
}

/**
 * Encodes what several idx files say as one idx.
 * @returns undefined when they contradict each other: then one of them is wrong, and none can be replaced.
 */
export function mergeIdx(indexes: readonly Idx[]): Buffer | undefined {
  const packs = new Map<string, Pack>();
  const blobs = new Map<string, Blob>();
  for (const idx of indexes) {
    let from = 0;
    for (const [position, { name, sizeBytes }] of idx.packs.entries()) {
      let to = from;
      while (to < idx.pack.length && idx.pack[to] === position) to++;
      const known = packs.get(name);
      if (known === undefined) packs.set(name, { sizeBytes, rows: [{ idx, from, to }] });
      else if (known.sizeBytes !== sizeBytes) return undefined;
      else known.rows.push({ idx, from, to });
      from = to;
    }
    for (const blob of idx.blobs) {
      const known = blobs.get(blob.digest);
      if (known !== undefined && known.sizeBytes !== blob.sizeBytes) return undefined;
      blobs.set(blob.digest, blob);
    }
  }
  const names = [...packs.keys()].sort();
  const rows: Row[] = [];
  const counts: number[] = [];
  for (const name of names) {
    const ofPack = rowsOf(packs.get(name)!);
    if (ofPack === undefined) return undefined;
    counts.push(ofPack.length);
    for (const row of ofPack) rows.push(row);
  }
  const byDigest = [...blobs.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const digests = new Uint8Array(rows.length * digestBytes);
  rows.forEach(({ idx, row }, i) => {
    digests.set(idx.digests.subarray(row * digestBytes, (row + 1) * digestBytes), i * digestBytes);
  });
  return new BinaryWriter(idxMagic)
    .u32s([names.length, rows.length, byDigest.length])
    .names(names)
    .u32s(names.map((name) => packs.get(name)!.sizeBytes))
    .u32s(counts)
    .bytes(digests)
    .u32s(rows.map(({ idx, row }) => idx.offset[row]!))
    .u32s(rows.map(({ idx, row }) => idx.length[row]!))
    .digests(byDigest.map((blob) => blob.digest))
    .u64s(byDigest.map((blob) => blob.sizeBytes))
    .u8s(rows.map(({ idx, row }) => idx.encoding[row]!))
    .finish();
}

/** The rows of a pack in the order of its bytes, each object once; undefined when two of them overlap. */
function rowsOf(pack: Pack): Row[] | undefined {
  const all = pack.rows.flatMap(({ idx, from, to }) =>
    Array.from({ length: to - from }, (_, i): Row => ({ idx, row: from + i })),
  );
  // Each idx lists them in order already.
  if (pack.rows.length === 1) return all;
  // Of objects without bytes that begin where another does, the empty one comes first.
  all.sort((a, b) => offset(a) - offset(b) || length(a) - length(b));
  const kept: Row[] = [];
  for (const row of all) {
    const last = kept.at(-1);
    if (last !== undefined && isSame(last, row)) continue;
    if (last !== undefined && offset(row) < offset(last) + length(last)) return undefined;
    kept.push(row);
  }
  return kept;
}

const offset = ({ idx, row }: Row) => idx.offset[row]!;
const length = ({ idx, row }: Row) => idx.length[row]!;

function isSame(a: Row, b: Row): boolean {
  if (offset(a) !== offset(b) || length(a) !== length(b)) return false;
  const digestIn = ({ idx, row }: Row) => idx.digests.subarray(row * digestBytes, (row + 1) * digestBytes);
  return a.idx.encoding[a.row] === b.idx.encoding[b.row] && Buffer.compare(digestIn(a), digestIn(b)) === 0;
}
