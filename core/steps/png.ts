/**
 * Small plain PNG files, read and written in process. For an image of a few kilobytes, as data sets of digits, signs
 * or cells have by the hundred thousand, handing it to sharp's threads costs ten times the work itself (28×28:
 * 0.5 ms against 0.05 ms). What is not small and plain is sharp's.
 *
 * Source: PNG Specification, Third Edition (W3C 2025): chunks 5, filters 9.
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import type { Pixels } from './images.ts';

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Chunks that do not change what the pixels are. */
const harmless = new Set(['pHYs', 'tEXt', 'tIME']);
const colourTypes = new Map<number, 1 | 3>([
  [0, 1],
  [2, 3],
]);

/** Largest number of pixel bytes worth keeping on this thread. */
export const smallImageBytes = 1 << 16;

/** The chunks of a PNG file; undefined unless all are whole and their checksums right. */
function readChunks(file: Buffer): { type: string; data: Buffer }[] | undefined {
  if (!file.subarray(0, 8).equals(signature)) return undefined;
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < file.length; ) {
    if (file.length - at < 12) return undefined;
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length || file.readUInt32BE(end) !== crc32(file.subarray(at + 4, end)))
      return undefined;
    chunks.push({ type: file.toString('latin1', at + 4, at + 8), data: file.subarray(at + 8, end) });
    at = end + 4;
  }
  return chunks;
}

/**
 * Reads a PNG when it is small and plain: 8 bits, grey or RGB, not interlaced, no transparency, colour profile or
 * EXIF data.
 * @returns undefined when it is anything else, a damaged file included.
 */
export function decodePlainPng(bytes: Uint8Array): Pixels | undefined {
  const chunks = readChunks(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const header = chunks?.[0];
  if (!chunks || header?.type !== 'IHDR' || header.data.length !== 13) return undefined;
  const width = header.data.readUInt32BE(0);
  const height = header.data.readUInt32BE(4);
  const channels = colourTypes.get(header.data[9]!);
  // Depth 8; compression, filter method and interlacing 0.
  if (channels === undefined || header.data.readUIntBE(8, 1) !== 8 || header.data.readUIntBE(10, 3) !== 0)
    return undefined;
  const rowBytes = width * channels;
  if (width === 0 || height === 0 || rowBytes * height > smallImageBytes) return undefined;
  if (chunks.at(-1)?.type !== 'IEND') return undefined;
  const packed: Buffer[] = [];
  for (const { type, data } of chunks.slice(1, -1)) {
    if (type === 'IDAT') packed.push(data);
    else if (!harmless.has(type)) return undefined;
  }
  let filtered: Buffer;
  try {
    filtered = inflateSync(Buffer.concat(packed), { maxOutputLength: (rowBytes + 1) * height });
  } catch {
    return undefined;
  }
  if (filtered.length !== (rowBytes + 1) * height) return undefined;
  const data = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y++) {
    if (!unfilterRow(filtered, y, data, { rowBytes, channels })) return undefined;
  }
  return { data, height, width, channels };
}

/** Undoes the filter of row `y`, given the rows above it; false when its filter is none of the five. */
function unfilterRow(
  filtered: Uint8Array,
  y: number,
  data: Uint8Array,
  { rowBytes, channels }: { rowBytes: number; channels: number },
): boolean {
  const from = y * (rowBytes + 1) + 1;
  const to = y * rowBytes;
  const filter = filtered[from - 1]!;
  for (let i = 0; i < rowBytes; i++) {
    const left = i >= channels ? data[to + i - channels]! : 0;
    const above = y > 0 ? data[to + i - rowBytes]! : 0;
    let predicted: number;
    if (filter === 0) predicted = 0;
    else if (filter === 1) predicted = left;
    else if (filter === 2) predicted = above;
    else if (filter === 3) predicted = (left + above) >> 1;
    else if (filter === 4)
      predicted = paeth(left, above, i >= channels && y > 0 ? data[to + i - rowBytes - channels]! : 0);
    else return false;
    data[to + i] = filtered[from + i]! + predicted;
  }
  return true;
}

/** The neighbour closest to left + above − corner (section 9.4). */
function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner;
  const toLeft = Math.abs(estimate - left);
  const toAbove = Math.abs(estimate - above);
  const toCorner = Math.abs(estimate - corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const result = Buffer.alloc(12 + data.length);
  result.writeUInt32BE(data.length, 0);
  result.write(type, 4, 'latin1');
  result.set(data, 8);
  result.writeUInt32BE(crc32(result.subarray(4, 8 + data.length)), 8 + data.length);
  return result;
}

/** Writes a PNG of 8 bits, grey or RGB, without filters; those do not pay for images this small. */
export function encodePlainPng({ data, height, width, channels }: Pixels): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = channels === 1 ? 0 : 2;
  const rowBytes = width * channels;
  const filtered = new Uint8Array((rowBytes + 1) * height);
  for (let y = 0; y < height; y++)
    filtered.set(data.subarray(y * rowBytes, (y + 1) * rowBytes), y * (rowBytes + 1) + 1);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(filtered, { level: 6 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
}
