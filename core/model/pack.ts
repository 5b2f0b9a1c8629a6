/**
 * A pack: many objects in one remote file. Its name is the SHA-256 of all its bytes; a random nonce in it
 * makes sure that a name is never used again, even for the same objects.
 *
 *   objects     the stored bytes of n objects, one behind the other, without gaps
 *   digests     n × 32 bytes, in the objects' order
 *   lengths     n × u32, stored bytes
 *   encodings   n × u8: 0 as it is, 1 raw deflate
 *   nonce       16 random bytes
 *   n           u32
 *   magic       `dv-pack1`
 */
import { BinaryReader, BinaryWriter, digestBytes } from './binary.ts';
import type { Digest } from './digest.ts';
import { checkStored, type Encoding } from './place.ts';

/** A pack is closed when its objects have this many bytes or more. */
export const packTargetBytes = 32 << 20;
/** … or when it has this many: tiny objects would make its footer larger than what it holds. */
export const packMostObjects = 65_536;
/** Bytes of the random part that keeps a pack's name unique. */
export const nonceBytes = 16;

const magic = 'dv-pack1';
const tailBytes = nonceBytes + 4 + magic.length;
const rowBytes = digestBytes + 4 + 1;

/** One object in a pack. */
export interface PackedObject {
  readonly digest: Digest;
  /** First stored byte in the pack. */
  readonly offset: number;
  /** Stored bytes. */
  readonly length: number;
  readonly encoding: Encoding;
}

/** Bytes of the footer of a pack with so many objects. */
export function packFooterBytes(count: number): number {
  return count * rowBytes + tailBytes;
}

/** Encodes what follows the objects. @param nonce 16 random bytes. */
export function formatPackFooter(
  objects: readonly Omit<PackedObject, 'offset'>[],
  nonce: Uint8Array,
): Buffer {
  const columns = new BinaryWriter('')
    .digests(objects.map((object) => object.digest))
    .u32s(objects.map((object) => object.length))
    .u8s(objects.map((object) => object.encoding))
    .bytes(nonce)
    .u32(objects.length)
    .bytes(Buffer.from(magic, 'latin1'));
  return columns.finish();
}

/** How long the footer is, from the last bytes of a pack (28 are enough). @throws {DvError} invalid-file, newer-format */
export function footerLength(tail: Uint8Array, name: string): number {
  if (tail.length < tailBytes) new BinaryReader(new Uint8Array(0), magic, name);
  new BinaryReader(tail.subarray(tail.length - magic.length), magic, name).end();
  const count = Buffer.from(tail.buffer, tail.byteOffset + tail.length - magic.length - 4, 4).readUInt32LE();
  return packFooterBytes(count);
}

/**
 * Reads a pack's footer.
 * @param footer exactly the last `footerLength` bytes.
 * @param packBytes size of the whole pack.
 * @throws {DvError} invalid-file, newer-format
 */
export function parsePackFooter(footer: Uint8Array, packBytes: number, name: string): PackedObject[] {
  const count = (footer.length - tailBytes) / rowBytes;
  const reader = new BinaryReader(footer, '', name);
  if (footerLength(footer, name) !== footer.length)
    reader.fail('its footer does not have the length it says');
  const digests = reader.digests(count);
  const lengths = reader.u32s(count);
  const encodings = reader.u8s(count);
  let offset = 0;
  const objects = digests.map((digest, i): PackedObject => {
    const object = { digest, offset, length: lengths[i]!, encoding: encodings[i] as Encoding };
    checkStored(reader, object.length, object.encoding);
    offset += object.length;
    return object;
  });
  if (offset + footer.length !== packBytes) reader.fail('its objects do not fill it');
  return objects;
}
