import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StepError } from '../../../../core/model/step.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../../core/steps/nn/safetensors.ts';

const arrays = [
  { name: 'a/kernel', shape: [2, 1], values: Float32Array.of(1, -2.5) },
  { name: 'a/bias', shape: [1], values: Float32Array.of(0.1) },
];

test('the bytes are those of the format', () => {
  const bytes = encodeSafetensors(arrays);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  expect(headerBytes % 8).toBe(0);
  expect(bytes.toString('utf8', 8, 8 + headerBytes).trimEnd()).toBe(
    '{"a/kernel":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},' +
      '"a/bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}',
  );
  expect(bytes.subarray(8 + headerBytes).toString('hex')).toBe('0000803f000020c0cdcccc3d');
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc.record({
          name: fc.oneof(fc.constantFrom('prototype', 'constructor'), fc.stringMatching(/^[a-z_/]{1,9}$/)),
          values: fc.float32Array({ maxLength: 20 }),
        }),
        { selector: ({ name }) => name, maxLength: 5 },
      ),
      (generated) => {
        const given = generated.map(({ name, values }) => ({ name, shape: [values.length], values }));
        const read = new Map(decodeSafetensors(encodeSafetensors(given), 'w').map((a) => [a.name, a]));
        expect(read.size).toBe(given.length);
        for (const array of given) expect(read.get(array.name)).toEqual(array);
      },
    ),
    { numRuns: 50 },
  );
});

describe('a damaged file is refused', () => {
  const good = encodeSafetensors(arrays);
  const withHeader = (json: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, Buffer.from(json), Buffer.alloc(12)]);
  };
  const longer = Buffer.concat([good, Buffer.alloc(4)]);
  const farHeader = Buffer.from(good);
  farHeader.writeBigUInt64LE(2n ** 63n, 0);
  test.each<[string, Buffer, string]>([
    ['empty', Buffer.alloc(0), 'too short'],
    ['cut in the header', good.subarray(0, 30), 'ends within its header'],
    ['a header length beyond the file', farHeader, 'ends within its header'],
    ['cut in the numbers', good.subarray(0, -4), 'ends within a/bias'],
    ['too long', longer, '4 bytes after its last array'],
    ['not JSON', withHeader('{"a":'), 'not JSON'],
    ['another type', withHeader('{"a":{"dtype":"F16","shape":[6],"data_offsets":[0,12]}}'), 'float32'],
    ['a gap', withHeader('{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'), 'offsets 4 to 12'],
    ['another shape', withHeader('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}'), 'do not fit'],
  ])('%s', (_, bytes, message) => {
    const read = () => decodeSafetensors(bytes, 'out/weights.safetensors');
    expect(read).toThrow(StepError);
    expect(read).toThrow(message);
    expect(read).toThrow('out/weights.safetensors');
  });
});

test('metadata of other programs is skipped', () => {
  const json = '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}';
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const bytes = Buffer.concat([length, Buffer.from(json), Buffer.alloc(12)]);
  expect(decodeSafetensors(bytes, 'w')).toEqual([{ name: 'a', shape: [3], values: new Float32Array(3) }]);
});
