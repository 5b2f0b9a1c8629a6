/** A folder of records as `convert` writes it: `data-00000-of-00002.tfrecord`, …, and `classes.txt`. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { StepError } from '../model/step.ts';

/** Name of the file that lists the classes, one a line; the line's index from 0 is the label. */
export const classesFile = 'classes.txt';

const recordName = /^data-(\d{5,})-of-(\d{5,})\.tfrecord$/;

/** Whether a file name is that of a record file. */
export const isRecordName = (name: string) => recordName.test(name);

/** The name of record file `index` (from 0) of `count`. */
export function recordFileName(index: number, count: number): string {
  const digits = (n: number) => String(n).padStart(5, '0');
  return `data-${digits(index)}-of-${digits(count)}.tfrecord`;
}

/** What is in a folder of records. */
export interface RecordFolder {
  /** Class names; a class's index is its label. */
  readonly classes: readonly string[];
  /** Paths of the record files, in order, each `folder` joined with a name. */
  readonly files: readonly string[];
}

/**
 * Lists a folder written by `convert`.
 * @throws {StepError} when the folder or its classes are missing, or a record file of the set is.
 */
export async function readRecordFolder(folder: string): Promise<RecordFolder> {
  const hint = 'records are written by the step convert';
  const absent = (path: string) => (error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR')
      throw new StepError(`${path} does not exist`, hint);
    throw error;
  };
  const names = (await readdir(folder).catch(absent(folder))).filter(isRecordName).sort();
  const first = names[0];
  if (first === undefined) throw new StepError(`${folder} holds no record files (data-*.tfrecord)`, hint);
  const count = Number(recordName.exec(first)?.[2]);
  const expected = Array.from({ length: count }, (_, index) => recordFileName(index, count));
  const missing = expected.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new StepError(`${folder} lacks ${missing.slice(0, 20).join(', ')}`, hint);
  const extra = names.filter((name) => !expected.includes(name));
  if (extra.length > 0)
    throw new StepError(`${folder} holds ${extra[0]}, which does not belong to the set of ${first}`, hint);

  const path = join(folder, classesFile);
  const text = await readFile(path, 'utf8').catch(absent(path));
  const classes = text.split(/\r?\n/);
  if (classes.at(-1) === '') classes.pop();
  if (classes.length === 0) throw new StepError(`${path} names no classes`, hint);
  const twice = classes.find((name, index) => classes.indexOf(name) !== index);
  if (twice !== undefined)
    throw new StepError(`${path} names the class ${JSON.stringify(twice)} twice`, hint);
  return { classes, files: expected.map((name) => join(folder, name)) };
}
