import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classTargets, planAugment } from '../../../core/steps/augment-plan.ts';

const balanced = (counts: number[], total: number) => classTargets(counts, { total, balance: true });
const proportional = (counts: number[], total: number) => classTargets(counts, { total, balance: false });
const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

const files = (counts: Record<string, number>) =>
  Object.entries(counts).flatMap(([className, count]) =>
    Array.from({ length: count }, (_, i) => ({ className, path: `${className}/${i}.png` })),
  );

test('balanced classes all get the same number', () => {
  expect(balanced([110, 90, 20], 3000)).toEqual([1000, 1000, 1000]);
  expect(balanced([1, 1, 1], 10)).toEqual([3, 3, 3]);
});

test('a class with more originals than its share keeps them while all fit, and the others share the rest', () => {
  expect(balanced([60, 10, 5], 100)).toEqual([60, 20, 20]);
  expect(balanced([50, 40, 5], 100)).toEqual([50, 40, 10]);
  expect(balanced([50, 45, 5], 100)).toEqual([50, 45, 5]);
});

test('more originals than the cap: every class goes to its share of the cap', () => {
  expect(balanced([900, 100, 20], 300)).toEqual([100, 100, 100]);
});

test('unbalanced classes keep their proportions, and none vanishes', () => {
  expect(proportional([60, 30, 10], 1000)).toEqual([600, 300, 100]);
  expect(proportional([1000, 1, 1], 10)).toEqual([8, 1, 1]);
});

test('no plan goes above the cap or leaves a class empty', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
      fc.nat(200),
      fc.boolean(),
      fc.nat(5),
      (counts, more, balance, seed) => {
        const total = counts.length + more;
        const targets = classTargets(counts, { total, balance });
        expect(sum(targets)).toBeLessThanOrEqual(total);
        expect(Math.min(...targets)).toBeGreaterThanOrEqual(1);
        const originals = sum(counts);
        if (originals <= total)
          for (const [i, target] of targets.entries()) expect(target).toBeGreaterThanOrEqual(counts[i]!);
        const input = files(Object.fromEntries(counts.map((count, i) => [`c${i}`, count])));
        const plan = planAugment(input, { total, balance, seed });
        for (const [i, target] of targets.entries()) {
          const own = plan.sources.filter((source) => source.path.startsWith(`c${i}/`));
          expect(own.length + sum(own.map((source) => source.variants.length))).toBe(target);
          const uses = own.map((source) => source.variants.length);
          expect(Math.max(...uses) - Math.min(...uses)).toBeLessThanOrEqual(1);
        }
        expect(plan.leftOut).toBe(originals - plan.sources.length);
        expect(plan.added).toBe(sum(targets) - plan.sources.length);
        const paths = plan.sources.flatMap((source) => [source.path, ...source.variants.map((v) => v.path)]);
        expect(new Set(paths).size).toBe(paths.length);
      },
    ),
  );
});

test('another seed leaves out other originals', () => {
  const input = files({ a: 100 });
  const kept = (seed: number) =>
    planAugment(input, { total: 10, balance: true, seed }).sources.map((s) => s.path);
  expect(kept(1)).toEqual(kept(1));
  expect(kept(1)).not.toEqual(kept(2));
});

test('one original more leaves nearly all other decisions as they were', () => {
  const kept = (count: number) =>
    planAugment(files({ a: count }), { total: 50, balance: true, seed: 1 }).sources.map((s) => s.path);
  const before = new Set(kept(100));
  expect(kept(101).filter((path) => before.has(path)).length).toBeGreaterThanOrEqual(49);
});

test('names of variants never meet names that are there, whatever the case', () => {
  const input = ['a/x.png', 'a/X.jpg', 'a/x-aug-0001.png', 'a/X-AUG-0002.PNG', 'a/.y/z.tar.gz'].map(
    (path) => ({
      className: 'a',
      path,
    }),
  );
  const { sources } = planAugment(input, { total: 12, balance: true, seed: 1 });
  const names = sources.flatMap((source) => [source.path, ...source.variants.map((variant) => variant.path)]);
  expect(names.length).toBe(12);
  expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(12);
  expect(names).toContain('a/X-aug-0003.png');
  expect(names).toContain('a/.y/z.tar-aug-0001.png');
});
