/** The step `convert`: a folder with one subfolder per class → TFRecord files and a list of the classes. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type RunStep, type StepContext, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { type ClassFolders, type ImageFile, listClassFolders, requireImages } from './class-folders.ts';
import {
  type BadImage,
  encodePng,
  isBadImage,
  type PixelOptions,
  readImage,
  settleBadImages,
} from './images.ts';
import { mapOrdered } from './map-ordered.ts';
import { requireApart, writeOutFolder } from './out-folder.ts';
import { classesFile, isRecordName, recordFileName } from './records.ts';
import { type ImageExample, writeExamples } from './tfrecord.ts';

type Args = StepArgs<'convert'>;

/**
 * The class names in label order.
 * @throws {StepError} when the wanted names are not those of the folders.
 */
function labelOrder(found: ClassFolders, { from, classes }: Args): readonly string[] {
  const unwritable = found.classes.find((name) => /[\r\n]/.test(name));
  if (unwritable !== undefined)
    throw new StepError(
      `the class folder ${JSON.stringify(unwritable)} of ${from} has a line end in its name`,
    );
  if (!classes) return found.classes;
  const twice = classes.find((name, index) => classes.indexOf(name) !== index);
  if (twice !== undefined) throw new StepError(`the class ${twice} is listed twice under \`classes\``);
  const unlisted = found.classes.filter((name) => !classes.includes(name));
  if (unlisted.length > 0)
    throw new StepError(
      `${from} has class folders that \`classes\` does not list: ${unlisted.slice(0, 20).join(', ')}`,
    );
  return classes;
}

/** Reads one file and makes its record. The bytes stay as they are when they already are what is asked for. */
async function toExample(
  file: ImageFile,
  label: number,
  folder: string,
  options: PixelOptions,
): Promise<ImageExample | BadImage> {
  const image = await readImage(join(folder, file.path), file.path, options);
  if (isBadImage(image)) return image;
  const { height, width, channels } = image.pixels;
  const stored = image.storedAs
    ? { image: image.bytes, format: image.storedAs }
    : { image: await encodePng(image.pixels), format: 'png' as const };
  return { label, className: file.className, name: file.path, height, width, channels, ...stored };
}

const formatBytes = (bytes: number) =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * Converts. Images are taken in order of class and path and dealt out to the record files in turn, so that
 * each holds every class; the same images give the same bytes.
 * @throws {StepError} when there are no classes, a class has no images, or (by default) a file is no image.
 */
export const run: RunStep<Args> = async (args: Args, context: StepContext) => {
  const from = { folder: resolve(context.directory, args.from), shown: args.from };
  const to = { folder: resolve(context.directory, args.to), shown: args.to };
  requireApart(from, to);
  const found = await listClassFolders(from.folder, from.shown);
  const classes = labelOrder(found, args);
  requireImages(classes, found.files, from.shown);
  const labels = new Map(classes.map((name, label) => [name, label]));
  const options: PixelOptions = {
    ...(args.size ? { size: args.size } : {}),
    ...(args.channels ? { channels: args.channels } : {}),
  };
  const bad: BadImage[] = [...found.bad];
  const written: Pick<ImageFile, 'className'>[] = [];
  let bytes = 0;

  /** The records of one file; what cannot be read is set aside. */
  async function* examples(shard: number) {
    const files = found.files.filter((_, index) => index % args.shards === shard);
    const read = (file: ImageFile) => toExample(file, labels.get(file.className)!, from.folder, options);
    for await (const result of mapOrdered(
      files,
      { atOnce: 2 * context.threads, signal: context.signal },
      read,
    )) {
      if ('reason' in result) bad.push(result);
      else {
        written.push(result);
        bytes += result.image.length;
        yield result;
      }
    }
  }

  const isOurs = (names: readonly string[]) =>
    names.every((name) => isRecordName(name) || name === classesFile);
  await writeOutFolder({ ...to, isOurs }, async (partial) => {
    for (let shard = 0; shard < args.shards; shard++)
      await writeExamples(join(partial, recordFileName(shard, args.shards)), examples(shard));
    const total = found.files.length + found.bad.length;
    settleBadImages(bad, { total, shown: from.shown, unreadable: args.unreadable, log: context.log });
    requireImages(classes, written, from.shown);
    await writeFile(join(partial, classesFile), classes.map((name) => `${name}\n`).join(''));
  });
  context.log(
    `${written.length} images of ${classes.length} classes, ${formatBytes(bytes)}, in ${args.shards} record ${args.shards === 1 ? 'file' : 'files'}`,
  );
};
