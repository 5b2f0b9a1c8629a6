/** The step `extract`: TFRecord files → a folder with one subfolder per class, the way back from `convert`. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { systemCode } from '../errors.ts';
import { type RunStep, type StepContext, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { encodePng } from './images.ts';
import { isLineageFolder, lineageFile, lineageHeader, lineageLine } from './lineage.ts';
import { requireApart, writeOutFolder } from './out-folder.ts';
import { readRecordFolder } from './records.ts';
import { type ImageExample, readExamples } from './tfrecord.ts';

type Args = StepArgs<'extract'>;

const extensions = { png: ['.png'], jpeg: ['.jpg', '.jpeg'], raw: ['.png'] } as const;

/** Whether a name from a record can be a file or folder name: records may come from strangers. */
function isSafeName(name: string): boolean {
  return (
    name !== '' && name !== '.' && name !== '..' && !/[\0-\x1f\\/:]/.test(name) && !/^\.git$/i.test(name)
  );
}

/** Path of an image below its class folder: the name it had, with an extension that fits its format. */
function pathInClass(example: ImageExample, className: string, where: string): string {
  const inClass = example.name.startsWith(`${className}/`);
  const name = inClass ? example.name.slice(className.length + 1) : example.name.split('/').at(-1)!;
  const parts = (name === '' ? 'image' : name).split('/');
  if (!parts.every(isSafeName))
    throw new StepError(`${where} has the name ${JSON.stringify(example.name)}, which cannot be a file name`);
  const path = parts.join('/');
  const fitting: readonly string[] = extensions[example.format];
  const extension = extname(path);
  if (fitting.includes(extension.toLowerCase())) return path;
  return `${path.slice(0, path.length - extension.length)}${fitting[0]}`;
}

/** The bytes of an image file. */
async function encoded(example: ImageExample, where: string): Promise<Uint8Array> {
  if (example.format !== 'raw') return example.image;
  const { image: data, height, width, channels } = example;
  if ((channels !== 1 && channels !== 3) || height === 0 || width === 0)
    throw new StepError(
      `${where} has raw pixels of ${height}×${width}×${channels}; 1 or 3 channels can be written`,
    );
  return encodePng({ data, height, width, channels });
}

/** Writes a new file below `folder`, counting on (`a-2.png`) where the name is taken; gives back the name. */
async function writeNew(folder: string, path: string, bytes: Uint8Array): Promise<string> {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  await mkdir(dirname(join(folder, path)), { recursive: true });
  for (let count = 1; ; count++) {
    const name = count === 1 ? path : `${stem}-${count}${extension}`;
    try {
      await writeFile(join(folder, name), bytes, { flag: 'wx' });
      return name;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
  }
}

/**
 * Extracts. What `convert` stored as it was comes back byte for byte under its name; `lineage.csv` says from which
 * record each image came, as `data-00000-of-00001.tfrecord#3` (counted from 0).
 * @throws {StepError} when a record file is damaged, or a label or name in it cannot be.
 */
export const run: RunStep<Args> = async (args: Args, context: StepContext) => {
  const from = { folder: resolve(context.directory, args.from), shown: args.from };
  const to = { folder: resolve(context.directory, args.to), shown: args.to };
  requireApart(from, to);
  const { classes, files } = await readRecordFolder(from.folder);
  const unsafe = classes.find((name) => !isSafeName(name));
  if (unsafe !== undefined)
    throw new StepError(`${from.shown} has a class ${JSON.stringify(unsafe)}, which cannot be a folder name`);
  let count = 0;
  await writeOutFolder({ ...to, isOurs: (names) => isLineageFolder(to.folder, names) }, async (partial) => {
    for (const name of classes) await mkdir(join(partial, name));
    await using lineage = await open(join(partial, lineageFile), 'w');
    await lineage.write(lineageHeader);
    for (const file of files) {
      let index = 0;
      for await (const example of readExamples(file)) {
        context.signal.throwIfAborted();
        const source = `${basename(file)}#${index++}`;
        const where = `record ${source} of ${from.shown}`;
        const className = classes[example.label];
        if (className === undefined)
          throw new StepError(`${where} has label ${example.label}, but there are ${classes.length} classes`);
        const path = pathInClass(example, className, where);
        const written = await writeNew(join(partial, className), path, await encoded(example, where));
        await lineage.write(lineageLine(`${className}/${written}`, source, 'extract'));
        count++;
      }
    }
  });
  context.log(`${count} images of ${classes.length} classes`);
};
