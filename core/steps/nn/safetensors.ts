/**
 * Files of named float32 arrays in the safetensors format: uint64 little-endian length of a JSON header, the
 * header, the numbers little-endian in the order of their offsets.
 * Source: https://github.com/huggingface/safetensors#format
 */
import * as v from 'valibot';
import { StepError } from '../../model/step.ts';

/** A named array. */
export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const entrySchema = v.strictObject({
  dtype: v.literal('F32'),
  shape: v.array(size),
  data_offsets: v.tuple([size, size]),
});

const swapped = new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1;

/** The bytes of numbers, little-endian whatever the machine is. */
function toBytes(values: Float32Array): Uint8Array {
  if (!swapped) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.from(values.slice().buffer).swap32();
}

/** Writes arrays, in the order given, as the bytes of a safetensors file. */
export function encodeSafetensors(arrays: readonly NamedArray[]): Buffer {
  let offset = 0;
  const entries = arrays.map(({ name, shape, values }) => {
    const begin = offset;
    offset += values.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }] as const;
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  // Padded with spaces, as the format asks, so that the numbers begin at a multiple of 8 bytes.
  const header = Buffer.from(json + ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...arrays.map(({ values }) => toBytes(values))]);
}

/**
 * Reads the arrays of a safetensors file, in the order of their offsets.
 * @param file for messages.
 * @throws {StepError} when the bytes are not a complete safetensors file of float32 arrays.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): NamedArray[] {
  const damaged = (what: string) =>
    new StepError(`${file}: ${what}`, 'the file is damaged; run the stage that wrote it again');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 8) throw damaged('is too short for a safetensors file');
  const headerBytes = Number(buffer.readBigUInt64LE(0));
  if (headerBytes > buffer.length - 8) throw damaged('ends within its header');
  const data = buffer.subarray(8 + headerBytes);

  let json: unknown;
  try {
    json = JSON.parse(buffer.toString('utf8', 8, 8 + headerBytes));
  } catch {
    throw damaged('has a header that is not JSON');
  }
  if (typeof json !== 'object' || json === null) throw damaged('has a header that is not a JSON object');
  const entries = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => {
      const entry = v.safeParse(entrySchema, value);
      if (!entry.success) throw damaged(`${name} is not described as a float32 array`);
      return [name, entry.output] as const;
    })
    .sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]);
  let expected = 0;
  const arrays = entries.map(([name, { shape, data_offsets }]) => {
    const [begin, end] = data_offsets;
    const count = shape.reduce((product, length) => product * length, 1);
    if (begin !== expected || end - begin !== count * 4)
      throw damaged(`${name} has offsets ${begin} to ${end}, which do not fit its shape or the array before`);
    if (end > data.length) throw damaged(`ends within ${name}`);
    expected = end;
    const copy = Buffer.from(data.subarray(begin, end));
    if (swapped) copy.swap32();
    return { name, shape, values: new Float32Array(new Uint8Array(copy).buffer) };
  });
  if (expected !== data.length) throw damaged(`has ${data.length - expected} bytes after its last array`);
  return arrays;
}
