import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import {
  cachePackColumnBytes,
  cachePackTailBytes,
  formatCachePackColumns,
  parseCachePackColumns,
} from '../../../core/model/cache-pack.ts';
import { digestOf, hexOf } from '../../../core/model/digest.ts';
import { anyDigest } from '../../support/arbitraries.ts';
import { packOf } from '../../support/cache-packs.ts';

/** Reads a pack as dv does: the tail, then the columns. */
function read(pack: Buffer) {
  const columns = cachePackColumnBytes(pack.subarray(-cachePackTailBytes), 'p');
  return parseCachePackColumns(pack.subarray(pack.length - columns), pack.length, 'p');
}

test('the bytes of a pack’s end are these', () => {
  const digests = [digestOf('meow\n'), digestOf('')];
  expect(formatCachePackColumns({ digests, offsets: [0, 258], lengths: [5, 0] }).toString('hex')).toBe(
    [
      '9d43655794b4902c30a67f88056c846fd7f548e690727c57249c48d0d9961406',
      'b0f0d8ff8cc965a7b70b07e0c6b4c028f132597196ae9c70c620cb9e41344106',
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '0000000002010000',
      '0500000000000000',
      '02000000',
      Buffer.from('dv-objs1').toString('hex'),
    ].join(''),
  );
});

test('what is written is read back', () => {
  const object = fc.record({ digest: anyDigest, offset: fc.nat(1 << 28), length: fc.nat((1 << 20) - 1) });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 50 }), (objects) => {
      const rows = {
        digests: objects.map(({ digest }) => digest),
        offsets: objects.map(({ offset }) => offset),
        lengths: objects.map(({ length }) => length),
      };
      const columns = formatCachePackColumns(rows);
      expect(cachePackColumnBytes(columns.subarray(-cachePackTailBytes), 'p')).toBe(columns.length);
      const found = parseCachePackColumns(columns, columns.length + (1 << 28) + (1 << 20), 'p');
      expect(found.digests.toString('hex')).toBe(rows.digests.map(hexOf).join(''));
      expect([...found.offsets]).toEqual(rows.offsets);
      expect([...found.lengths]).toEqual(rows.lengths);
    }),
  );
});

test('a pack written as the text says is read, an empty one too', () => {
  expect(read(packOf([])).lengths).toHaveLength(0);
  const { digests, offsets, lengths } = read(packOf(['a', '', 'ccc']));
  expect(digests.toString('hex')).toBe(['a', '', 'ccc'].map((text) => hexOf(digestOf(text))).join(''));
  expect([[...offsets], [...lengths]]).toEqual([
    [0, 1, 1],
    [1, 0, 3],
  ]);
});

test('an end that is none, or that of a later version, is told apart', () => {
  const code = (end: string) => {
    try {
      cachePackColumnBytes(Buffer.concat([Buffer.alloc(4), Buffer.from(end)]), 'p');
    } catch (error) {
      if (isDvError(error)) return error.code;
      throw error;
    }
    return 'read';
  };
  expect(['dv-objs1', 'dv-objs2', 'dv-objs0', 'dv-objsX', 'dv-obj', 'dv-objs1x'].map(code)).toEqual([
    'read',
    'newer-format',
    'invalid-file',
    'invalid-file',
    'invalid-file',
    'invalid-file',
  ]);
});

test('a bit that changed anywhere in the columns is noticed', () => {
  const pack = packOf(['aaaa', 'bbbb']);
  expect(read(pack).isWhole()).toBe(true);
  // The tail says how much is read; of the rest, no bit may differ.
  for (let at = 8; at < pack.length - cachePackTailBytes; at++) {
    const other = Buffer.from(pack);
    other[at]! ^= 4;
    expect(read(other).isWhole(), `byte ${at}`).toBe(false);
  }
});

test('a row that leads outside makes its own object a damaged one, and no other', () => {
  const pack = packOf(['aaaa', 'bbbb']);
  // The second offset: it ends 4 (offset) + 8 (lengths) + 12 (tail) bytes before the end.
  pack.writeUInt32LE(5, pack.length - 12 - 8 - 4);
  const { offsets, lengths } = read(pack);
  expect([offsets[0], lengths[0]]).toEqual([0, 4]);
  expect(offsets[1]! + lengths[1]!).toBeLessThanOrEqual(8);
});
