/**
 * Roots: a remote's statement "everything under this digest is here", with where. Written last.
 *
 * Of a tree, `roots/<tree's 64 hex>`:
 *   magic      `dv-tree1`
 *   tree       32 bytes
 *   o, n       2 × u32: the tree's own objects, its entries
 *   own        o × 32 bytes: digests of the tree's own objects, itself first, then its leaves in order
 *   places     of the o own objects, then of the n entries in tree order (below)
 *   check      SHA-256 of all bytes before
 *
 * Of a snapshot, `roots/<snapshot's 64 hex>`:
 *   magic      `dv-snap1`
 *   length     u32, bytes of the listing
 *   listing    the text whose digest is the name
 *   places     of the listing's files in its order (its trees have roots of their own)
 *   check      SHA-256 of all bytes before
 *
 * Places: p (u32), p × 32 bytes pack names ascending, then for every row, column by column: pack (u32,
 * 0xffffffff for a blob), offset (u32), length (u32), encoding (u8).
 */
import { BinaryReader, BinaryWriter, digestBytes } from './binary.ts';
import { type Digest, digestOf, hexOf } from './digest.ts';
import { type PlaceColumns, readPlaces, writePlaces } from './place.ts';
import { parseSnapshot, type Snapshot } from './snapshot.ts';

/** The root of a tree. */
export interface TreeRoot {
  readonly tree: Digest;
  /** The tree's own objects, itself first. */
  readonly own: readonly Digest[];
  /** Of the own objects, then of the entries in tree order. */
  readonly places: PlaceColumns;
}

/** The root of a snapshot. */
export interface SnapshotRoot {
  readonly snapshot: Snapshot;
  /** Of the files (not the trees) among the snapshot's refs, in their order. */
  readonly places: PlaceColumns;
}

const treeMagic = 'dv-tree1';
const snapshotMagic = 'dv-snap1';

const withCheck = (body: Buffer) => Buffer.concat([body, Buffer.from(hexOf(digestOf(body)), 'hex')]);

/** Splits off the check at the end and compares it. */
function checked(bytes: Uint8Array, magic: string, name: string): BinaryReader {
  const body = bytes.subarray(0, Math.max(0, bytes.length - digestBytes));
  const reader = new BinaryReader(body, magic, name);
  if (!Buffer.from(hexOf(digestOf(body)), 'hex').equals(bytes.subarray(body.length))) {
    reader.fail('its bytes were changed after it was written');
  }
  return reader;
}

/** Encodes the root of a tree. */
export function formatTreeRoot(root: TreeRoot): Buffer {
  const entries = root.places.pack.length - root.own.length;
  const writer = new BinaryWriter(treeMagic)
    .digests([root.tree])
    .u32s([root.own.length, entries])
    .digests(root.own);
  writePlaces(writer, root.places);
  return withCheck(writer.finish());
}

/** Reads the root of a tree. @throws {DvError} invalid-file, newer-format */
export function parseTreeRoot(bytes: Uint8Array, tree: Digest, name: string): TreeRoot {
  const reader = checked(bytes, treeMagic, name);
  const [named] = reader.digests(1);
  if (named !== tree) reader.fail(`it is the root of ${named}`);
  const own = reader.u32();
  const entries = reader.u32();
  const ownDigests = reader.digests(own);
  if (ownDigests[0] !== tree) reader.fail('expected the tree itself as its first object');
  const places = readPlaces(reader, own + entries);
  reader.end();
  return { tree, own: ownDigests, places };
}

/** Encodes the root of a snapshot. */
export function formatSnapshotRoot(root: SnapshotRoot): Buffer {
  const listing = Buffer.from(root.snapshot.text);
  const writer = new BinaryWriter(snapshotMagic).u32(listing.length).bytes(listing);
  writePlaces(writer, root.places);
  return withCheck(writer.finish());
}

/** Reads the root of a snapshot. @throws {DvError} invalid-file, newer-format */
export function parseSnapshotRoot(bytes: Uint8Array, digest: Digest, name: string): SnapshotRoot {
  const reader = checked(bytes, snapshotMagic, name);
  const listing = reader.bytes(reader.u32());
  if (digestOf(listing) !== digest) reader.fail('it is the root of another snapshot');
  const snapshot = parseSnapshot(listing.toString(), name);
  const files = snapshot.refs.filter((ref) => ref.pointer.kind === 'file').length;
  const places = readPlaces(reader, files);
  reader.end();
  return { snapshot, places };
}
