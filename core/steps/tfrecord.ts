/**
 * TFRecord files of labelled images, one `tf.train.Example` a record, as TensorFlow reads and writes them.
 * A record is: length as uint64, masked CRC-32C of those 8 bytes, the data, masked CRC-32C of the data; all
 * little-endian. Source: tensorflow/core/lib/io/record_writer.h.
 */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.ts';
import { StepError } from '../model/step.ts';
import { maskedCrc32c } from './crc32c.ts';
import {
  decodeExample,
  encodeExample,
  type Feature,
  ProtoError,
  type WritableFeature,
} from './example-proto.ts';

/** How the bytes of an image are to be read; `raw` is uint8 [height, width, channels]. */
export type ImageFormat = 'png' | 'jpeg' | 'raw';

/** One labelled image of a record file. */
export interface ImageExample {
  /** Index of the class, from 0. */
  readonly label: number;
  /** Name of the class; empty when the record does not say. */
  readonly className: string;
  /** Encoded image, or raw pixels; a copy of its own. */
  readonly image: Uint8Array;
  /** Path of the source image, relative to the converted folder; empty when the record does not say. */
  readonly name: string;
  /** Pixels; 0 when an encoded image's record does not say. */
  readonly height: number;
  /** Pixels; 0 when an encoded image's record does not say. */
  readonly width: number;
  /** 1 grey, 3 RGB; 0 when an encoded image's record does not say. */
  readonly channels: number;
  readonly format: ImageFormat;
}

const headerBytes = 12;
const footerBytes = 4;
const chunkBytes = 1 << 20;

/** The bytes of one record around `data`. */
function frame(data: Uint8Array): [header: Uint8Array, data: Uint8Array, footer: Uint8Array] {
  const header = Buffer.alloc(headerBytes);
  header.writeBigUInt64LE(BigInt(data.length), 0);
  header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(footerBytes);
  footer.writeUInt32LE(maskedCrc32c(data), 0);
  return [header, data, footer];
}

const text = (value: string): WritableFeature => ({ kind: 'bytes', values: [Buffer.from(value)] });
const integer = (value: number): WritableFeature => ({ kind: 'int64', values: [value] });

/** The features of an image, under the names TensorFlow programs read them by. */
function toFeatures(example: ImageExample): Map<string, WritableFeature> {
  return new Map([
    ['channels', integer(example.channels)],
    ['class', text(example.className)],
    ['format', text(example.format)],
    ['height', integer(example.height)],
    ['image_raw', { kind: 'bytes', values: [example.image] }],
    ['label', integer(example.label)],
    ['name', text(example.name)],
    ['width', integer(example.width)],
  ]);
}

/**
 * Writes images as one TFRecord file, holding about a mebibyte at a time.
 * Guarantee: the file appears under its name complete and flushed, or not at all; it replaces an older one.
 * @param file made with its folder; while writing, `<file>.partial` is used.
 * @returns how many images were written.
 */
export async function writeExamples(
  file: string,
  examples: AsyncIterable<ImageExample> | Iterable<ImageExample>,
): Promise<number> {
  await mkdir(dirname(file), { recursive: true });
  const partial = `${file}.partial`;
  let count = 0;
  try {
    await using handle = await open(partial, 'w');
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    const drain = async () => {
      await writeAll(handle, waiting);
      waiting = [];
      waitingBytes = 0;
    };
    for await (const example of examples) {
      const data = encodeExample(toFeatures(example));
      waiting.push(...frame(data));
      waitingBytes += headerBytes + data.length + footerBytes;
      count++;
      if (waitingBytes >= chunkBytes) await drain();
    }
    await drain();
    await handle.datasync();
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await rename(partial, file);
  return count;
}

/** Writes the parts one after the other at the handle's position, however little the system takes at once. */
async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  const bytes = Buffer.concat(parts);
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** A record's data and where the record starts in its file. */
interface Frame {
  readonly data: Uint8Array;
  readonly offset: number;
}

/** Reads the records of a file in order and checks both checksums of each; data are views. */
async function* readFrames(file: string): AsyncGenerator<Frame> {
  await using handle = await openToRead(file);
  const fileBytes = (await handle.stat()).size;
  let offset = 0;
  let buffer: Buffer = Buffer.alloc(0);
  const damaged = (what: string) =>
    new StepError(`${file}: byte ${offset}: ${what}`, 'the file is damaged or cut short; write it again');

  /** Makes `needed` bytes from the record's start available, reading ahead by a chunk. */
  const fill = async (needed: number) => {
    if (buffer.length >= needed) return;
    const start = offset + buffer.length;
    const more = Buffer.allocUnsafe(
      Math.min(Math.max(needed - buffer.length, chunkBytes), fileBytes - start),
    );
    let got = 0;
    while (got < more.length) {
      const { bytesRead } = await handle.read(more, got, more.length - got, start + got);
      if (bytesRead === 0) throw damaged('the file became shorter while it was read');
      got += bytesRead;
    }
    buffer = buffer.length === 0 ? more : Buffer.concat([buffer, more]);
  };

  while (offset < fileBytes) {
    if (fileBytes - offset < headerBytes) throw damaged('the file ends in the middle of a record’s header');
    await fill(headerBytes);
    if (buffer.readUInt32LE(8) !== maskedCrc32c(buffer.subarray(0, 8)))
      throw damaged('the checksum of the record’s length is wrong');
    const length = Number(buffer.readBigUInt64LE(0));
    const recordBytes = headerBytes + length + footerBytes;
    // Before allocating: a length that does not fit the file must not ask for its memory.
    if (recordBytes > fileBytes - offset)
      throw damaged(`the record should have ${length} bytes, but the file ends before`);
    await fill(recordBytes);
    const data = buffer.subarray(headerBytes, headerBytes + length);
    if (buffer.readUInt32LE(headerBytes + length) !== maskedCrc32c(data))
      throw damaged('the checksum of the record’s data is wrong');
    yield { data, offset };
    buffer = buffer.subarray(recordBytes);
    offset += recordBytes;
  }
}

async function openToRead(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw new StepError(`${file} does not exist`);
    throw error;
  }
}

/** What kind of encoded image the bytes begin like; `raw` when like none. */
function sniffFormat(image: Uint8Array): ImageFormat {
  const head = Buffer.from(image.subarray(0, 8)).toString('latin1');
  if (head === '\x89PNG\r\n\x1a\n') return 'png';
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  return 'raw';
}

/** Gives access to features by name and kind; complaints are plain messages. */
function featureReader(features: ReadonlyMap<string, Feature>) {
  const only = <Value>(key: string, kind: string, values: readonly Value[]): Value => {
    const [value] = values;
    if (values.length !== 1 || value === undefined)
      throw new ProtoError(`has ${values.length} values of ${kind} under ${key}, expected one`);
    return value;
  };
  const bytes = (key: string) => {
    const feature = features.get(key);
    if (!feature) return undefined;
    if (feature.kind !== 'bytes') throw new ProtoError(`has ${feature.kind} under ${key}, expected bytes`);
    return only(key, 'bytes', feature.values);
  };
  const int64 = (key: string) => {
    const feature = features.get(key);
    if (!feature) return undefined;
    if (feature.kind !== 'int64') throw new ProtoError(`has ${feature.kind} under ${key}, expected int64`);
    const value = only(key, 'int64', feature.values);
    if (value < 0) throw new ProtoError(`has ${value} under ${key}, expected 0 or more`);
    return value;
  };
  return { bytes, int64 };
}

/** The image of one record, checked. */
function toImageExample(data: Uint8Array): ImageExample {
  const { bytes, int64 } = featureReader(decodeExample(data));
  const asText = (key: string) => Buffer.from(bytes(key) ?? []).toString('utf8');
  const label = int64('label');
  const view = bytes('image_raw');
  if (label === undefined) throw new ProtoError('has no label (int64)');
  if (view === undefined) throw new ProtoError('has no image_raw (bytes)');
  // A copy: a view would keep the mebibyte it was read with alive.
  const image = new Uint8Array(view);
  const format = asText('format') || sniffFormat(image);
  if (format !== 'png' && format !== 'jpeg' && format !== 'raw')
    throw new ProtoError(`has images of format ${format}; png, jpeg and raw are known`);
  const height = int64('height') ?? 0;
  const width = int64('width') ?? 0;
  const channels = int64('channels') ?? 0;
  if (format === 'raw' && image.length !== height * width * channels)
    throw new ProtoError(
      `has ${image.length} raw pixel bytes for height ${height}, width ${width}, channels ${channels}`,
    );
  return { label, className: asText('class'), image, name: asText('name'), height, width, channels, format };
}

/**
 * Reads the images of a TFRecord file in order, a mebibyte or one record at a time. Records of other programs
 * are read too: `label` and `image_raw` are enough for an encoded image, other features are skipped.
 * @throws {StepError} naming the file and the byte where the bad record starts: cut short, a wrong checksum, or
 * not an image's record.
 */
export async function* readExamples(file: string): AsyncGenerator<ImageExample> {
  for await (const { data, offset } of readFrames(file)) {
    let example: ImageExample;
    try {
      example = toImageExample(data);
    } catch (error) {
      if (!(error instanceof ProtoError)) throw error;
      throw new StepError(`${file}: byte ${offset}: the record ${error.message}`);
    }
    yield example;
  }
}
