import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { decodeImage } from '../../../core/steps/images.ts';
import { countChanges, type DigitScan, fullSizes, planDigits, quickSizes } from '../../../demo/digits.ts';
import { applyChanges, readDigits, writeScans } from '../../../demo/write-digits.ts';
import { stepFolder } from '../../support/steps.ts';

const plan = planDigits(42, fullSizes);
const perDigit = (scans: readonly DigitScan[], of: 'digit' | 'filedUnder' = 'digit') =>
  Array.from({ length: 10 }, (_, digit) => scans.filter((scan) => scan[of] === digit).length);

test('version 1 is uneven, partly mislabelled and partly unreadable', () => {
  expect(perDigit(plan.v1)).toEqual([110, 90, 80, 70, 60, 55, 45, 40, 30, 20]);
  expect(plan.v1.filter((scan) => scan.digit !== scan.filedUnder).length).toBe(72);
  expect(plan.v1.filter((scan) => scan.damage.ruin).length).toBe(30);
});

test('version 2 is rightly labelled, readable, and has enough of every digit', () => {
  expect(plan.v2.every((scan) => scan.digit === scan.filedUnder && !scan.damage.ruin)).toBe(true);
  expect(Math.min(...perDigit(plan.v2))).toBe(80);
  expect(countChanges(plan.changes)).toMatchInlineSnapshot(`
    {
      "add": 260,
      "drop": 30,
      "relabel": 72,
    }
  `);
});

test('the test set is even, rightly labelled, damaged like the training set, and shares no digit with it', () => {
  expect(perDigit(plan.test)).toEqual(new Array(10).fill(100));
  expect(plan.test.every((scan) => scan.digit === scan.filedUnder && !scan.damage.ruin)).toBe(true);
  const lined = (scans: readonly DigitScan[]) =>
    scans.filter((scan) => scan.damage.lines).length / scans.length;
  expect(Math.abs(lined(plan.test) - lined(plan.v1))).toBeLessThan(0.08);
  const source = (scan: DigitScan) => `${scan.digit} ${scan.source}`;
  const tested = new Set(plan.test.map(source));
  expect(tested.size).toBe(1000);
  const trained = [...plan.v1, ...plan.v2].map(source);
  expect(trained.filter((key) => tested.has(key))).toEqual([]);
});

test('names say nothing about the digit, and lie in the folder of the class', () => {
  for (const scans of [plan.test, plan.v1, plan.v2]) {
    const numbers = scans.map((scan) => {
      const [, folder, number] = /^(\d)\/scan-(\d{5})\.png$/.exec(scan.path)!;
      expect(Number(folder)).toBe(scan.filedUnder);
      return { number: Number(number), digit: scan.digit };
    });
    expect(new Set(numbers.map(({ number }) => number)).size).toBe(scans.length);
    // In order of number, neighbours are of the same digit about as rarely as chance has it.
    const inOrder = numbers.sort((a, b) => a.number - b.number);
    const alike = inOrder.filter(({ digit }, i) => i > 0 && digit === inOrder[i - 1]!.digit).length;
    expect(alike / scans.length).toBeLessThan(0.2);
  }
});

test('the same seed gives the same plan, another seed another', () => {
  expect(planDigits(42, fullSizes)).toEqual(plan);
  expect(planDigits(43, fullSizes).v1).not.toEqual(plan.v1);
  const quick = planDigits(42, quickSizes);
  expect([quick.v1.length, quick.test.length, Math.min(...perDigit(quick.v2))]).toEqual([200, 200, 27]);
});

test('the changes turn the files of version 1 into those of version 2', async () => {
  await using folder = await stepFolder();
  const source = { digits: await readDigits(), seed: 42 };
  const quick = planDigits(42, quickSizes);
  await writeScans(folder.at('train'), quick.v1, source);
  const before = await folder.files('train');
  expect([...before.keys()]).toEqual(quick.v1.map((scan) => scan.path));
  await applyChanges(folder.at('train'), quick.changes, source);
  const after = await folder.files('train');
  await writeScans(folder.at('other'), quick.v2, source);
  expect(after).toEqual(await folder.files('other'));
  // Moved and kept files are the same bytes under another or the same name.
  const moved = quick.changes.find((change) => change.kind === 'relabel')!;
  expect(after.get(moved.to)).toEqual(before.get(moved.from));
  for (const bytes of after.values()) {
    const { pixels } = await decodeImage(bytes);
    expect(pixels).toMatchObject({ height: 28, width: 28, channels: 1 });
  }
  await rm(folder.at('other'), { recursive: true });
});

test('a scan shows its digit, dark on light paper, unless it is ruined', async () => {
  await using folder = await stepFolder();
  const digits = await readDigits();
  const straight = { scale: 1, angle: 0, shiftX: 0, shiftY: 0 };
  const scan = (name: string, damage: object): DigitScan => ({
    path: `5/${name}.png`,
    digit: 5,
    source: 3,
    filedUnder: 5,
    damage: { ...straight, ...damage },
  });
  const scans = [
    scan('clean', {}),
    scan('blotted', { ruin: 'blotted' }),
    scan('faded', { ruin: 'faded' }),
    scan('smeared', { ruin: 'smeared' }),
  ];
  await writeScans(folder.directory, scans, { digits, seed: 1 });
  const original = digits[5]![3]!;
  /** How much the ink of a scan goes with that of the digit: correlation over all pixels. */
  const likeness = async (name: string) => {
    const { data } = (await decodeImage(await folder.read(`5/${name}.png`))).pixels;
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    const [a, b] = [mean(original), mean(data)];
    let [up, da, db] = [0, 0, 0];
    for (let i = 0; i < 784; i++) {
      up += (original[i]! - a) * (b - data[i]!);
      da += (original[i]! - a) ** 2;
      db += (data[i]! - b) ** 2;
    }
    return up / Math.sqrt(da * db);
  };
  expect(await likeness('clean')).toBeGreaterThan(0.999);
  expect(await likeness('blotted')).toBeLessThan(0.6);
  expect(await likeness('smeared')).toBeLessThan(0.8);
  const faded = (await decodeImage(await folder.read('5/faded.png'))).pixels.data;
  expect(Math.min(...faded)).toBeGreaterThan(240);
});
