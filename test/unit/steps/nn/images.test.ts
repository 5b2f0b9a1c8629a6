import { describe, expect, test } from 'vitest';
import { holdOut } from '../../../../core/steps/nn/hold-out.ts';
import { evenBatches } from '../../../../core/steps/nn/images.ts';

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
