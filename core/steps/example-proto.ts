/**
 * The bytes of a `tf.train.Example`: a map of named features, each a list of byte strings, floats or
 * integers. Written and read by hand, because the four messages involved are small and a protobuf library is not.
 *
 * Source: tensorflow/core/example/{example,feature}.proto and the protobuf encoding guide. Field numbers:
 * Example.features 1; Features.feature 1 (map entries: key 1, value 2); Feature.bytes_list 1, float_list 2,
 * int64_list 3; each list's value 1.
 */

/** One feature. Values of float lists are not read: no record of ours has any. */
export type Feature =
  | { readonly kind: 'bytes'; readonly values: readonly Uint8Array[] }
  | { readonly kind: 'int64'; readonly values: readonly number[] }
  | { readonly kind: 'float' };

/** A feature that can be written. */
export type WritableFeature = Exclude<Feature, { kind: 'float' }>;

const varintWire = 0;
const fixed64Wire = 1;
const bytesWire = 2;
const fixed32Wire = 5;
/** Tag of field 1, 2 or 3 holding bytes or a message. */
const tag = (field: 1 | 2 | 3) => (field << 3) | bytesWire;

/** Bytes needed to write a non-negative integer below 2^53 as a varint. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Size of a field of bytes: its one-byte tag, its length, its content. */
const fieldSize = (contentBytes: number) => 1 + varintSize(contentBytes) + contentBytes;

/** Writes protobuf primitives one after the other into a buffer of the right size. */
class ProtoWriter {
  readonly buffer: Uint8Array;
  private at = 0;

  constructor(sizeBytes: number) {
    this.buffer = new Uint8Array(sizeBytes);
  }

  varint(value: number) {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.buffer[this.at++] = (rest % 128) | 128;
    this.buffer[this.at++] = rest;
  }

  /** Begins a field of bytes; its content is to follow. */
  open(field: 1 | 2 | 3, contentBytes: number) {
    this.buffer[this.at++] = tag(field);
    this.varint(contentBytes);
  }

  bytes(field: 1 | 2 | 3, content: Uint8Array) {
    this.open(field, content.length);
    this.buffer.set(content, this.at);
    this.at += content.length;
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);

/** Sizes of a feature's list: of its values, and of the list message around them. */
function listSizes(feature: WritableFeature): { values: number; list: number } {
  if (feature.kind === 'bytes') {
    const list = sum(feature.values.map((value) => fieldSize(value.length)));
    return { values: list, list };
  }
  const values = sum(feature.values.map(varintSize));
  return { values, list: fieldSize(values) };
}

/**
 * Writes an Example. Keys are sorted by their UTF-8 bytes and integers packed, so that equal features give
 * equal bytes: those of TensorFlow's own deterministic serialisation.
 * @param features integers must be safe and not negative.
 */
export function encodeExample(features: ReadonlyMap<string, WritableFeature>): Uint8Array {
  const entries = [...features]
    .map(([key, feature]) => {
      const sizes = listSizes(feature);
      const keyBytes = Buffer.from(key);
      const featureBytes = fieldSize(sizes.list);
      return {
        keyBytes,
        feature,
        sizes,
        featureBytes,
        entryBytes: fieldSize(keyBytes.length) + fieldSize(featureBytes),
      };
    })
    .sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes));
  const featuresBytes = sum(entries.map((entry) => fieldSize(entry.entryBytes)));
  const writer = new ProtoWriter(fieldSize(featuresBytes));
  writer.open(1, featuresBytes);
  for (const { keyBytes, feature, sizes, featureBytes, entryBytes } of entries) {
    writer.open(1, entryBytes);
    writer.bytes(1, keyBytes);
    writer.open(2, featureBytes);
    if (feature.kind === 'bytes') {
      writer.open(1, sizes.list);
      for (const value of feature.values) writer.bytes(1, value);
    } else {
      writer.open(3, sizes.list);
      writer.open(1, sizes.values);
      for (const value of feature.values) {
        if (!Number.isSafeInteger(value) || value < 0) throw new Error(`cannot write ${value} as int64`);
        writer.varint(value);
      }
    }
  }
  return writer.buffer;
}

/** Bytes that are not an Example; the message says why. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
}

/** Reads protobuf primitives one after the other from part of a buffer. */
class ProtoReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done() {
    return this.at >= this.bytes.length;
  }

  private byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new ProtoError('ends in the middle of a field');
    return value;
  }

  /** A varint as int64: two's complement in at most ten bytes. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, big));
    }
    throw new ProtoError('holds an integer of more than ten bytes');
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    if (length < 0 || length > this.bytes.length - this.at)
      throw new ProtoError('holds a field longer than itself');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** The next field: its number, wire type, and content when that is bytes or a varint. */
  field(): { number: number; wire: number; content: Uint8Array; value: number } {
    const key = this.varint();
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (number < 1) throw new ProtoError(`has a field number ${number}`);
    if (wire === varintWire) return { number, wire, content: nothing, value: this.varint() };
    if (wire === bytesWire) return { number, wire, content: this.take(this.varint()), value: 0 };
    if (wire === fixed64Wire) return { number, wire, content: this.take(8), value: 0 };
    if (wire === fixed32Wire) return { number, wire, content: this.take(4), value: 0 };
    throw new ProtoError(`uses wire type ${wire}, which is none`);
  }
}

const nothing = new Uint8Array(0);

/** The contents of every field of bytes with this number. */
function messages(bytes: Uint8Array, number: number): Uint8Array[] {
  const reader = new ProtoReader(bytes);
  const found: Uint8Array[] = [];
  while (!reader.done) {
    const field = reader.field();
    if (field.number === number && field.wire === bytesWire) found.push(field.content);
  }
  return found;
}

/** Int64List: its values may come packed, one by one, or mixed. */
function decodeIntegers(list: Uint8Array): number[] {
  const reader = new ProtoReader(list);
  const values: number[] = [];
  while (!reader.done) {
    const field = reader.field();
    if (field.number !== 1) continue;
    if (field.wire === varintWire) values.push(field.value);
    else if (field.wire === bytesWire) {
      const packed = new ProtoReader(field.content);
      while (!packed.done) values.push(packed.varint());
    }
  }
  return values;
}

/** Feature: a oneof, so the last list wins. Undefined when it holds none, as TensorFlow allows. */
function decodeFeature(bytes: Uint8Array): Feature | undefined {
  const reader = new ProtoReader(bytes);
  let feature: Feature | undefined;
  while (!reader.done) {
    const field = reader.field();
    if (field.wire !== bytesWire) continue;
    if (field.number === 1) feature = { kind: 'bytes', values: messages(field.content, 1) };
    if (field.number === 2) feature = { kind: 'float' };
    if (field.number === 3) feature = { kind: 'int64', values: decodeIntegers(field.content) };
  }
  return feature;
}

/**
 * Reads an Example: features in any order, integers packed or not, unknown fields skipped.
 * @returns byte values are views of `bytes`.
 * @throws {ProtoError} when the bytes are no Example.
 */
export function decodeExample(bytes: Uint8Array): Map<string, Feature> {
  const features = new Map<string, Feature>();
  for (const map of messages(bytes, 1)) {
    for (const entry of messages(map, 1)) {
      const key = messages(entry, 1).at(-1) ?? nothing;
      const feature = decodeFeature(messages(entry, 2).at(-1) ?? nothing);
      if (feature) features.set(Buffer.from(key).toString('utf8'), feature);
    }
  }
  return features;
}
