/**
 * The demo's data: three versions of a training set of scanned digits and one test set, planned from a seed. Values
 * only; write-digits.ts makes the files.
 *
 * The story is that of most data sets. Version 1 is what was collected: some classes have few images, some images
 * lie in the wrong folder, some cannot be read. Version 2 is the same after somebody went through it by hand. (Version 3
 * is what the pipeline's `augment` makes of version 2.) The test set is never touched.
 */
import { Random } from '../core/steps/random.ts';
import { type Damage, drawDamage, drawRuin } from './scan.ts';

/** How much data. */
export interface DigitSizes {
  /** Images of version 1. */
  readonly train: number;
  /** Images of the test set, a tenth of each digit. */
  readonly test: number;
  /** How many images of each digit version 2 has at least. */
  readonly fillTo: number;
}

/** The demo in full. */
export const fullSizes: DigitSizes = { train: 600, test: 1000, fillTo: 80 };
/** For a first look, and for continuous integration. */
export const quickSizes: DigitSizes = { train: 200, test: 200, fillTo: 27 };

/** One scan. */
export interface DigitScan {
  /** Where it lies: the folder is the digit it is filed under, the name says nothing about it: `3/scan-00042.png`. */
  readonly path: string;
  /** The digit that was written. */
  readonly digit: number;
  /** Which of the handwritten ones of this digit it is. */
  readonly source: number;
  /** The digit it is filed under; in version 1 not always the one written. */
  readonly filedUnder: number;
  readonly damage: Damage;
}

/** One thing that was done by hand between version 1 and 2. */
export type FileChange =
  | { readonly kind: 'relabel'; readonly from: string; readonly to: string }
  | { readonly kind: 'drop'; readonly path: string; readonly reason: NonNullable<Damage['ruin']> }
  | { readonly kind: 'add'; readonly scan: DigitScan };

/** The data of the demo. */
export interface DigitPlan {
  readonly seed: number;
  readonly test: readonly DigitScan[];
  readonly v1: readonly DigitScan[];
  readonly v2: readonly DigitScan[];
  /** What leads from version 1 to 2, in order of path. */
  readonly changes: readonly FileChange[];
}

/** How many images of each digit are used at most; the rarest in the source, the five, has 863. */
export const sourcesPerDigit = 860;

const digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** How uneven version 1 is: images per digit, of 600. */
const unevenCounts = [110, 90, 80, 70, 60, 55, 45, 40, 30, 20];
const wrongShare = 0.12;
const unreadableShare = 0.05;
/** Number of the test set's first scan: far from the training set's. */
const firstTestScan = 90_001;

const scanPath = (digit: number, scan: number) => `${digit}/scan-${String(scan).padStart(5, '0')}.png`;
const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);

/** Whole numbers in the given proportions that add up to `total`: rounded down, the largest remainders up. */
function shareOut(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (weight * total) / sum);
  const counts = exact.map(Math.floor);
  const missing = total - counts.reduce((a, b) => a + b, 0);
  const order = exact
    .map((value, i) => ({ i, rest: value - Math.floor(value) }))
    .sort((a, b) => b.rest - a.rest);
  for (const { i } of order.slice(0, missing)) counts[i]! += 1;
  return counts;
}

/**
 * Plans the demo's data. The same seed and sizes give the same plan.
 * @param sizes `test` and what version 2 needs of a digit together at most 860.
 */
export function planDigits(seed: number, sizes: DigitSizes): DigitPlan {
  const random = new Random(seed, 'digits');
  const unused = digits.map(() => random.shuffled(Array.from({ length: sourcesPerDigit }, (_, i) => i)));
  const take = (digit: number) => {
    const source = unused[digit]!.pop();
    if (source === undefined) throw new Error(`more than ${sourcesPerDigit} images of ${digit} are needed`);
    return { digit, source };
  };
  /** New images, so many of each digit, in random order. */
  const collect = (counts: readonly number[]) =>
    random.shuffled(digits.flatMap((digit) => Array.from({ length: counts[digit]! }, () => take(digit))));

  const test = collect(
    shareOut(
      sizes.test,
      digits.map(() => 1),
    ),
  ).map(({ digit, source }, i): DigitScan => {
    const path = scanPath(digit, firstTestScan + i);
    return { path, digit, source, filedUnder: digit, damage: drawDamage(random) };
  });

  const collected = collect(shareOut(sizes.train, unevenCounts));
  const unreadable = Math.round(unreadableShare * sizes.train);
  const wrong = Math.round(wrongShare * sizes.train);
  // The order of what was collected is random, so the first so many are as good as any; names follow another order.
  const numbers = random.shuffled(collected.map((_, i) => i + 1));
  const v1 = collected.map(({ digit, source }, i): DigitScan => {
    const isRuined = i < unreadable;
    const isWrong = i >= unreadable && i < unreadable + wrong;
    const filedUnder = isWrong ? (digit + 1 + random.below(9)) % 10 : digit;
    const damage = isRuined ? drawRuin(random) : drawDamage(random);
    return { path: scanPath(filedUnder, numbers[i]!), digit, source, filedUnder, damage };
  });

  const kept = v1.flatMap((scan, i): DigitScan[] =>
    scan.damage.ruin ? [] : [{ ...scan, path: scanPath(scan.digit, numbers[i]!), filedUnder: scan.digit }],
  );
  const lacking = digits.map((digit) =>
    Math.max(0, sizes.fillTo - kept.filter((scan) => scan.digit === digit).length),
  );
  const added = collect(lacking).map(({ digit, source }, i): DigitScan => {
    const path = scanPath(digit, sizes.train + 1 + i);
    return { path, digit, source, filedUnder: digit, damage: drawDamage(random) };
  });

  const fixes = v1.flatMap((scan, i): FileChange[] => {
    const { path, digit, filedUnder, damage } = scan;
    if (damage.ruin) return [{ kind: 'drop', path, reason: damage.ruin }];
    return filedUnder === digit ? [] : [{ kind: 'relabel', from: path, to: scanPath(digit, numbers[i]!) }];
  });
  const additions = added.map((scan): FileChange => ({ kind: 'add', scan }));
  const pathOf = (change: FileChange) =>
    change.kind === 'add' ? change.scan.path : change.kind === 'drop' ? change.path : change.from;
  return {
    seed,
    test: test.sort(byPath),
    v1: v1.sort(byPath),
    v2: [...kept, ...added].sort(byPath),
    changes: [...fixes, ...additions].sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1)),
  };
}

/** How many changes there are of each kind. */
export function countChanges(changes: readonly FileChange[]): Record<FileChange['kind'], number> {
  const counts = { relabel: 0, drop: 0, add: 0 };
  for (const change of changes) counts[change.kind]++;
  return counts;
}
