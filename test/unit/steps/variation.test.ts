import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Pixels } from '../../../core/steps/images.ts';
import { Random } from '../../../core/steps/random.ts';
import {
  applyVariation,
  drawVariation,
  formatVariation,
  type Variation,
} from '../../../core/steps/variation.ts';
import { pattern } from '../../support/steps.ts';

const none: Variation = {
  rotate: 0,
  zoom: 1,
  crop: { left: 0, top: 0, right: 0, bottom: 0 },
  brightness: 0,
  noise: 0,
};

const apply = (image: Pixels, change: Partial<Variation>) =>
  applyVariation(image, { ...none, ...change }, new Random('test'));

const grey = (rows: number[][]): Pixels => ({
  data: Uint8Array.from(rows.flat()),
  height: rows.length,
  width: rows[0]!.length,
  channels: 1,
});

/** Grey pixels as rows. */
function rows({ data, height, width }: Pixels): number[][] {
  return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);
}

const square = grey([
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 9],
]);

test('no change changes nothing, in grey and colour', () => {
  for (const channels of [1, 3] as const) {
    const image = { ...pattern(1, { height: 6, width: 9, channels }), channels };
    expect(apply(image, {})).toEqual(image);
  }
});

test('a positive angle turns counter-clockwise', () => {
  expect(rows(apply(square, { rotate: 90 }))).toEqual([
    [3, 6, 9],
    [2, 5, 8],
    [1, 4, 7],
  ]);
  expect(rows(apply(square, { rotate: -90 }))).toEqual([
    [7, 4, 1],
    [8, 5, 2],
    [9, 6, 3],
  ]);
  expect(rows(apply(square, { rotate: 180 }))).toEqual([
    [9, 8, 7],
    [6, 5, 4],
    [3, 2, 1],
  ]);
});

test('the colours of a pixel stay together', () => {
  const image: Pixels = { data: Uint8Array.from([1, 2, 3, 10, 20, 30]), height: 1, width: 2, channels: 3 };
  expect([...apply(image, { rotate: 180 }).data]).toEqual([10, 20, 30, 1, 2, 3]);
});

test('zooming in shows the middle larger, zooming out continues the border', () => {
  const image = grey([
    [0, 0, 0, 0],
    [0, 80, 80, 0],
    [0, 80, 80, 0],
    [0, 0, 0, 0],
  ]);
  expect(rows(apply(image, { zoom: 4 }))[0]).toEqual([80, 80, 80, 80]);
  const edge = grey([[9, 9, 50, 50, 9, 9]]);
  expect(rows(apply(edge, { zoom: 0.5 }))).toEqual([[9, 9, 30, 30, 9, 9]]);
});

test('a crop cuts the borders off and fills the frame with the rest', () => {
  const image = grey([[10, 20, 30, 40]]);
  expect(rows(apply(image, { crop: { left: 0.5, top: 0, right: 0, bottom: 0 } }))).toEqual([
    [28, 32, 38, 40],
  ]);
  expect(rows(apply(image, { crop: { left: 0, top: 0, right: 0.5, bottom: 0 } }))).toEqual([
    [10, 12, 18, 22],
  ]);
});

test('brightness multiplies, as far as white', () => {
  expect(rows(apply(grey([[0, 100, 200]]), { brightness: 0.5 }))).toEqual([[0, 150, 255]]);
  expect(rows(apply(grey([[0, 100, 200]]), { brightness: -0.5 }))).toEqual([[0, 50, 100]]);
});

test('noise has the deviation asked for', () => {
  const image: Pixels = { data: new Uint8Array(40_000).fill(128), height: 200, width: 200, channels: 1 };
  const { data } = apply(image, { noise: 0.05 });
  const mean = data.reduce((a, b) => a + b) / data.length;
  const deviation = Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length);
  expect(mean).toBeCloseTo(128, 0);
  expect(deviation).toBeCloseTo(0.05 * 255, 0);
});

test('every change drawn is within its range, and written as it was done', () => {
  fc.assert(
    fc.property(
      fc.record({
        rotate: fc.double({ min: 0, max: 180, noNaN: true }),
        zoom: fc
          .tuple(fc.double({ min: 0.1, max: 4, noNaN: true }), fc.double({ min: 0.1, max: 4, noNaN: true }))
          .map(([a, b]): [number, number] => (a < b ? [a, b] : [b, a])),
        crop: fc.double({ min: 0, max: 0.5, noNaN: true }),
        brightness: fc.double({ min: 0, max: 1, noNaN: true }),
        noise: fc.constantFrom(0, 0.1),
      }),
      fc.nat(),
      (ranges, seed) => {
        const drawn = drawVariation(ranges, new Random(seed));
        const slack = 1e-4;
        expect(Math.abs(drawn.rotate)).toBeLessThanOrEqual(ranges.rotate + slack);
        expect(drawn.zoom).toBeGreaterThanOrEqual(ranges.zoom[0] - slack);
        expect(drawn.zoom).toBeLessThanOrEqual(ranges.zoom[1] + slack);
        expect(drawn.crop.left + drawn.crop.right).toBeLessThanOrEqual(ranges.crop + slack);
        expect(drawn.crop.top + drawn.crop.bottom).toBeLessThanOrEqual(ranges.crop + slack);
        expect(Math.abs(drawn.brightness)).toBeLessThanOrEqual(ranges.brightness + slack);
        const written = Object.fromEntries(
          formatVariation(drawn)
            .split(' ')
            .map((part) => part.split('=')),
        );
        expect(written).toEqual({
          rotate: String(drawn.rotate),
          zoom: String(drawn.zoom),
          crop: [drawn.crop.left, drawn.crop.top, drawn.crop.right, drawn.crop.bottom].join('/'),
          brightness: String(drawn.brightness),
          ...(ranges.noise ? { noise: '0.1' } : {}),
        });
      },
    ),
  );
});
