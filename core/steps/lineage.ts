/**
 * `lineage.csv`: for each image that a step wrote, which image it was made from and how. Paths are relative to the
 * folder that holds it and to the step's input folder, with forward slashes.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { csvLine } from './csv.ts';

/** Name of the file. */
export const lineageFile = 'lineage.csv';

/** Its first line. */
export const lineageHeader = csvLine(['output', 'source', 'operations']);

/** One line of it. */
export function lineageLine(output: string, source: string, operations: string): string {
  return csvLine([output, source, operations]);
}

/** Whether a folder with these names in it was written by a step that keeps lineage. */
export async function isLineageFolder(folder: string, names: readonly string[]): Promise<boolean> {
  if (!names.includes(lineageFile)) return false;
  await using handle = await open(join(folder, lineageFile), 'r');
  const head = Buffer.alloc(lineageHeader.length);
  await handle.read(head, 0, head.length, 0);
  return head.toString() === lineageHeader;
}
