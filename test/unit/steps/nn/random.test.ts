import { describe, expect, test } from 'vitest';
import { holdOut } from '../../../../core/steps/nn/hold-out.ts';
import { evenBatches } from '../../../../core/steps/nn/images.ts';
import { random, shuffled } from '../../../../core/steps/nn/random.ts';

describe('random numbers', () => {
  test('are the same for the same seed and purpose, and others for others', () => {
    const take = (seed: number, purpose: string) => {
      const draw = random(seed, purpose);
      return Array.from({ length: 5 }, draw);
    };
    expect(take(1, 'a')).toEqual(take(1, 'a'));
    expect(take(1, 'a')).not.toEqual(take(2, 'a'));
    expect(take(1, 'a')).not.toEqual(take(1, 'b'));
  });

  test('are the ones they were: a changed generator would change every result', () => {
    const draw = random(1, 'shuffle 1');
    expect([draw(), draw(), draw()]).toMatchInlineSnapshot(`
      [
        0.7056128287222236,
        0.5448461365886033,
        0.46534287417307496,
      ]
    `);
  });

  test('fill 0 to 1 evenly', () => {
    const draw = random(3, 'histogram');
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[Math.floor(draw() * 10)]! += 1;
    // Five standard deviations of a count: 5 · √(100,000 · 0.1 · 0.9) = 474.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(474);
  });

  test('put items in every order equally often', () => {
    const draw = random(3, 'orders');
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffled(['a', 'b', 'c'], draw).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe('held out images', () => {
  const items = (counts: number[]) =>
    counts.flatMap((count, label) => Array.from({ length: count }, (_, id) => ({ label, id })));
  const perLabel = (list: { label: number }[], labels: number) =>
    Array.from({ length: labels }, (_, label) => list.filter((item) => item.label === label).length);

  test('are the share of each class', () => {
    const { training, validation } = holdOut(items([100, 50, 10]), 0.2, 1);
    expect(perLabel(validation, 3)).toEqual([20, 10, 2]);
    expect(perLabel(training, 3)).toEqual([80, 40, 8]);
  });

  test('are at least one of two and never all', () => {
    expect(perLabel(holdOut(items([1, 2, 3]), 0.1, 1).validation, 3)).toEqual([0, 1, 1]);
    expect(perLabel(holdOut(items([1, 2, 3]), 0.9, 1).validation, 3)).toEqual([0, 1, 2]);
    expect(holdOut(items([5, 5]), 0, 1).validation).toEqual([]);
  });

  test('are others with another seed, and both parts keep their order', () => {
    const all = items([40, 40]);
    const { training, validation } = holdOut(all, 0.25, 1);
    expect(holdOut(all, 0.25, 1)).toEqual({ training, validation });
    expect(holdOut(all, 0.25, 2).validation).not.toEqual(validation);
    for (const part of [training, validation])
      expect(part).toEqual([...part].sort((a, b) => all.indexOf(a) - all.indexOf(b)));
  });
});

test('batches differ in size by at most one', () => {
  for (const [count, largest] of [
    [1, 32],
    [32, 32],
    [33, 32],
    [100, 7],
    [600, 32],
  ] as const) {
    const items = Array.from({ length: count }, (_, i) => i);
    const batches = evenBatches(items, largest);
    expect(batches.flat()).toEqual(items);
    const sizes = batches.map((batch) => batch.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(largest);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    expect(batches).toHaveLength(Math.ceil(count / largest));
  }
});
