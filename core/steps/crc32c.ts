/**
 * CRC-32C (Castagnoli), as TFRecord files use it: the plain checksum and its masked form.
 * Source: RFC 3720 appendix B.4 (polynomial 0x1EDC6F41, reflected 0x82F63B78); the mask is that of
 * TensorFlow's `lib/hash/crc32c.h`.
 */

/** Eight tables of 256 entries: `tables[k * 256 + b]` is the effect of byte b followed by k zero bytes. */
const tables = makeTables();

function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    made[byte] = crc;
  }
  for (let k = 1; k < 8; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = made[(k - 1) * 256 + byte]!;
      made[k * 256 + byte] = (before >>> 8) ^ made[before & 255]!;
    }
  }
  return made;
}

/**
 * Computes the CRC-32C of bytes, eight at a time ("slicing by 8": Kounavis and Berry 2005).
 * @returns unsigned 32-bit number.
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  let at = 0;
  const eights = bytes.length - (bytes.length % 8);
  while (at < eights) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      tables[1792 + (crc & 255)]! ^
      tables[1536 + ((crc >>> 8) & 255)]! ^
      tables[1280 + ((crc >>> 16) & 255)]! ^
      tables[1024 + (crc >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
    at += 8;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

/**
 * Computes the masked CRC-32C that TFRecord stores: a checksum of data that itself holds checksums would
 * otherwise be weak.
 * @returns unsigned 32-bit number.
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
