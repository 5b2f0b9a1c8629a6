import { expect, test } from 'vitest';
import { Random } from '../../../core/steps/random.ts';

const take = (random: Random, count: number) => Array.from({ length: count }, () => random.next());

test('the numbers of a seed never change: outputs made with it would', () => {
  const random = new Random(1, 'pinned');
  expect([random.uint32(), random.uint32(), random.uint32()]).toMatchInlineSnapshot(`
    [
      422679178,
      1235657229,
      1878752637,
    ]
  `);
});

test('streams differ by any part, and parts are not run together', () => {
  const streams = [
    new Random(1, 'ab', 'c'),
    new Random(1, 'a', 'bc'),
    new Random(2, 'ab', 'c'),
    new Random('1', 'ab', 'c'),
  ].map((random) => take(random, 3).join());
  expect(new Set(streams).size).toBe(4);
});

test('numbers are spread evenly, and normal ones have mean 0 and deviation 1', () => {
  const random = new Random(7);
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]++;
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  const normal = Array.from({ length: 100_000 }, () => random.normal());
  const mean = normal.reduce((a, b) => a + b) / normal.length;
  const variance = normal.reduce((a, b) => a + (b - mean) ** 2, 0) / normal.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(variance).toBeCloseTo(1, 1);
  expect(normal.every(Number.isFinite)).toBe(true);
});

test('shuffling keeps the items, and every place is as likely', () => {
  const counts = new Array(4).fill(0);
  for (let seed = 0; seed < 4000; seed++) {
    const shuffled = new Random(seed).shuffled(['a', 'b', 'c', 'd']);
    expect([...shuffled].sort()).toEqual(['a', 'b', 'c', 'd']);
    counts[shuffled.indexOf('a')]++;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(120);
});
