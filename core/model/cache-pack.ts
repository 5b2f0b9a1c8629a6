/**
 * A pack of the cache: many small objects in one file, because making a file costs more than writing what is in it.
 * Nothing is encoded, so that an object is one read. Numbers are little-endian.
 *
 *   objects     bytes of the objects, anywhere before the columns; what lies between them means nothing
 *   checksum    SHA-256 of all that follows
 *   digests     n × 32 bytes
 *   offsets     n × u32, of an object's first byte in the file
 *   lengths     n × u32, bytes
 *   n           u32
 *   magic       `dv-objs1`
 */
import { BinaryReader, BinaryWriter, digestBytes } from './binary.ts';
import { type Digest, digestOf, hexOf } from './digest.ts';

/** Objects of this many bytes and more are files of their own: of such, making the file is the small part. */
export const packedMostBytes = 1 << 20;
/** A pack is closed before it grows over this many bytes: rewriting one, as gc does, stays a matter of a second. */
export const cachePackMostBytes = 256 << 20;

const magic = 'dv-objs1';
const rowBytes = digestBytes + 4 + 4;
/** Bytes at the end of a pack that say how long its columns are. */
export const cachePackTailBytes = 4 + magic.length;

/** Where objects lie in a pack, in parallel lists. */
export interface PackedRows {
  readonly digests: readonly Digest[];
  /** Of the first byte, from the start of the file. */
  readonly offsets: readonly number[];
  /** Bytes. */
  readonly lengths: readonly number[];
}

/** Encodes what follows the objects. */
export function formatCachePackColumns({ digests, offsets, lengths }: PackedRows): Buffer {
  const columns = new BinaryWriter('')
    .digests(digests)
    .u32s(offsets)
    .u32s(lengths)
    .u32(digests.length)
    .bytes(Buffer.from(magic, 'latin1'))
    .finish();
  return Buffer.concat([checksumOf(columns), columns]);
}

const checksumOf = (columns: Uint8Array) => Buffer.from(hexOf(digestOf(columns)), 'hex');

/** How many bytes the columns have, checksum and tail included. @param tail the last `cachePackTailBytes` of a pack. @throws {DvError} */
export function cachePackColumnBytes(tail: Uint8Array, name: string): number {
  new BinaryReader(tail.subarray(4), magic, name).end();
  const count = Buffer.from(tail.buffer, tail.byteOffset, 4).readUInt32LE();
  return digestBytes + count * rowBytes + cachePackTailBytes;
}

/** The columns of a pack; digests stay raw, 32 bytes each: most are never looked at. */
export interface CachePackColumns {
  readonly digests: Buffer;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /**
   * Whether they are as they were written. Objects are checked whenever they are used, so that this matters only to who
   * would remove what the columns do not name.
   */
  isWhole(): boolean;
}

/**
 * Reads the columns of a pack. A row that leads outside, or is too long, becomes one of no bytes: its object
 * is damaged, the others are not.
 * @param columns exactly the last `cachePackColumnBytes` bytes.
 * @param packBytes size of the whole pack.
 */
export function parseCachePackColumns(columns: Buffer, packBytes: number, name: string): CachePackColumns {
  const count = (columns.length - digestBytes - cachePackTailBytes) / rowBytes;
  const reader = new BinaryReader(columns, '', name);
  const checksum = reader.bytes(digestBytes);
  const digests = reader.bytes(count * digestBytes);
  const offsets = reader.u32s(count);
  const lengths = reader.u32s(count);
  const end = packBytes - columns.length;
  for (let row = 0; row < count; row++) {
    if (lengths[row]! < packedMostBytes && offsets[row]! + lengths[row]! <= end) continue;
    offsets[row] = 0;
    lengths[row] = 0;
  }
  const isWhole = () => checksumOf(columns.subarray(digestBytes)).equals(checksum);
  return { digests, offsets, lengths, isWhole };
}
