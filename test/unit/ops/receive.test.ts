import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { joinGapBytes, planRanges, rangeBytes, type Wanted } from '../../../core/ops/transfer/receive.ts';

const wanted = (pack: string, offset: number, length: number): Wanted => ({
  digest: digestOf(`${pack} ${offset}`),
  sizeBytes: length,
  place: { pack, offset, length, encoding: 0 },
});

test('neighbours come in one range, over small gaps only', () => {
  const ranges = planRanges([
    wanted('a', 100, 50),
    wanted('a', 0, 100),
    wanted('a', 150 + joinGapBytes, 10),
    wanted('a', 161 + 2 * joinGapBytes, 10),
    wanted('b', 7, 3),
  ]);
  expect(ranges.map(({ pack, offset, length, objects }) => [pack, offset, length, objects.length])).toEqual([
    ['a', 0, 160 + joinGapBytes, 3],
    ['a', 161 + 2 * joinGapBytes, 10, 1],
    ['b', 7, 3, 1],
  ]);
});

test('every object lies whole in one range of bounded length, whatever the order', () => {
  const object = fc.record({
    pack: fc.constantFrom('a', 'b'),
    offset: fc.integer({ min: 0, max: 64 << 20 }),
    length: fc.integer({ min: 0, max: 8 << 20 }),
  });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 40 }), (places) => {
      const objects = places.map(({ pack, offset, length }) => wanted(pack, offset, length));
      const ranges = planRanges(objects);
      expect(ranges.flatMap((range) => range.objects)).toHaveLength(objects.length);
      for (const range of ranges) {
        expect(range.length).toBeLessThanOrEqual(rangeBytes);
        for (const { place } of range.objects) {
          expect(place.pack).toBe(range.pack);
          expect(place.offset).toBeGreaterThanOrEqual(range.offset);
          expect(place.offset + place.length).toBeLessThanOrEqual(range.offset + range.length);
        }
      }
    }),
  );
});
