import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeExample,
  encodeExample,
  ProtoError,
  type WritableFeature,
} from '../../../core/steps/example-proto.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const unhex = (digits: string) => Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');

const feature: fc.Arbitrary<WritableFeature> = fc.oneof(
  fc.record({
    kind: fc.constant('bytes' as const),
    values: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('int64' as const), values: fc.array(fc.maxSafeNat(), { maxLength: 4 }) }),
);

test('whatever is written is read back', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), feature), (features) => {
      const map = new Map(Object.entries(features));
      const back = decodeExample(encodeExample(map));
      expect([...back.keys()].sort()).toEqual([...map.keys()].sort());
      for (const [key, value] of map) {
        const read = back.get(key);
        expect(read?.kind).toBe(value.kind);
        if (!read || read.kind === 'float') throw new Error('unreachable');
        expect(read.values.map(String)).toEqual(value.values.map(String));
      }
    }),
  );
});

test('the bytes are those of TensorFlow’s deterministic serialisation, keys sorted', () => {
  const features = new Map<string, WritableFeature>([
    ['label', { kind: 'int64', values: [300] }],
    ['a', { kind: 'bytes', values: [Buffer.from('xy')] }],
  ]);
  // Made with tf.train.Example(...).SerializeToString(deterministic=True).
  expect(hex(encodeExample(features))).toBe(
    '0a1e' +
      '0a0b' +
      '0a0161' +
      '1206' +
      '0a04' +
      '0a027879' +
      '0a0f' +
      '0a056c6162656c' +
      '1206' +
      '1a04' +
      '0a02ac02',
  );
});

test('integers written one by one are read as packed ones are, negative ones too', () => {
  const entry = unhex('0a056c6162656c 1215 1a13 08ac02 0a0105 08ffffffffffffffffff01 080a');
  const example = Buffer.concat([Buffer.from([0x0a, entry.length + 2, 0x0a, entry.length]), entry]);
  expect(decodeExample(example).get('label')).toEqual({ kind: 'int64', values: [300, 5, -1, 10] });
});

test('unknown fields and float features are skipped', () => {
  const entry = unhex('0a0161 1203 1a0108');
  const float = unhex('0a0166 1208 1206 0a04 0000803f');
  const known = unhex('0a0162 1205 1a03 0a0107');
  const map = Buffer.concat([
    unhex('1001'), // field 2, varint
    Buffer.from([0x0a, float.length]),
    float,
    unhex('7d01020304'), // field 15, fixed32
    unhex('790102030405060708'), // field 15, fixed64
    Buffer.from([0x0a, known.length]),
    known,
  ]);
  const features = decodeExample(Buffer.concat([Buffer.from([0x0a, map.length]), map, unhex('1a0161')]));
  expect(features).toEqual(
    new Map([
      ['f', { kind: 'float' }],
      ['b', { kind: 'int64', values: [7] }],
    ]),
  );
  expect(() => decodeExample(Buffer.concat([unhex('0a09'), unhex('0a07'), entry]))).toThrow(ProtoError);
});

test('bytes that are no Example are refused, never read past their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeExample(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtoError);
      }
    }),
  );
  expect(() => decodeExample(unhex('0aff01'))).toThrow('longer than itself');
  expect(() => decodeExample(unhex('0b'))).toThrow('wire type 3');
});
