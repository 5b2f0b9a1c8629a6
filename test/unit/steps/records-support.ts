import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../../../core/steps/random.ts';
import { recordFileName } from '../../../core/steps/records.ts';
import { type ImageExample, writeExamples } from '../../../core/steps/tfrecord.ts';

/** Writes a folder of records as `convert` does. */
export async function writeRecords(
  folder: string,
  classes: readonly string[],
  examples: readonly ImageExample[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeExamples(join(folder, recordFileName(0, 1)), examples);
  await writeFile(join(folder, 'classes.txt'), classes.map((name) => `${name}\n`).join(''));
}

/**
 * Images that are easy to tell apart: stripes across, stripes down, a chequered board, with noise on them.
 * @param each images per class.
 */
export function patterns(each: number, purpose: string, size = 32): ImageExample[] {
  const random = new Random(1, purpose);
  return Array.from({ length: each * 3 }, (_, index): ImageExample => {
    const label = index % 3;
    const image = new Uint8Array(size * size * 3);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const across = (y >> 2) % 2;
        const down = (x >> 2) % 2;
        const dark = [across, down, across ^ down][label]!;
        for (let c = 0; c < 3; c++) image[(y * size + x) * 3 + c] = dark * 100 + 50 + random.below(50);
      }
    return {
      label,
      className: patternNames[label]!,
      image,
      name: `${patternNames[label]}/${index}.png`,
      height: size,
      width: size,
      channels: 3,
      format: 'raw',
    };
  });
}

/** The classes of `patterns`. */
export const patternNames = ['across', 'down', 'squares'];
