/** The step `augment`: originals plus random variants of them, balanced per class, under a cap. */
import { constants, copyFileSync, writeFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type RunStep, type StepContext, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { type PlannedSource, planAugment } from './augment-plan.ts';
import { type ImageFile, listClassFolders, requireImages } from './class-folders.ts';
import { type BadImage, encodePng, isBadImage, readImage, settleBadImages } from './images.ts';
import { isLineageFolder, lineageFile, lineageHeader, lineageLine } from './lineage.ts';
import { mapOrdered } from './map-ordered.ts';
import { requireApart, writeOutFolder } from './out-folder.ts';
import { Random } from './random.ts';
import { applyVariation, drawVariation, formatVariation } from './variation.ts';

type Args = StepArgs<'augment'>;

/** Reads every image once, so that the plan counts only readable ones. */
async function readable(
  files: readonly ImageFile[],
  folder: string,
  context: StepContext,
): Promise<{ good: ImageFile[]; bad: BadImage[] }> {
  const good: ImageFile[] = [];
  const bad: BadImage[] = [];
  const check = async (file: ImageFile) => {
    const image = await readImage(join(folder, file.path), file.path);
    return isBadImage(image) ? image : file;
  };
  for await (const result of mapOrdered(files, atOnce(context), check)) {
    if ('reason' in result) bad.push(result);
    else good.push(result);
  }
  return { good, bad };
}

const atOnce = ({ threads, signal }: StepContext) => ({ atOnce: 2 * threads, signal });

/**
 * Writes one original and its variants.
 * @returns their lines of lineage.csv, in that order.
 */
async function writeSource(
  source: PlannedSource,
  { from, to, args, signal }: { from: string; to: string; args: Args; signal: AbortSignal },
): Promise<string> {
  const original = join(from, source.path);
  copyFileSync(original, join(to, source.path), constants.COPYFILE_FICLONE);
  let lines = lineageLine(source.path, source.path, 'copy');
  if (source.variants.length === 0) return lines;
  const image = await readImage(original, source.path);
  if (isBadImage(image)) throw new StepError(`${source.path} changed while it was read: ${image.reason}`);
  for (const { number, path } of source.variants) {
    signal.throwIfAborted();
    const random = new Random(args.seed, 'variant', source.path, number);
    const variation = drawVariation(args, random);
    writeFileSync(join(to, path), await encodePng(applyVariation(image.pixels, variation, random)));
    lines += lineageLine(path, source.path, formatVariation(variation));
  }
  return lines;
}

/**
 * Augments. Each variant is drawn from the seed, its source's path and its number alone, so the same input gives the
 * same bytes with any number of threads.
 * @throws {StepError} when there are no classes, a class has no images, the cap is below one image per class, or
 * (by default) a file is no image.
 */
export const run: RunStep<Args> = async (args: Args, context: StepContext) => {
  const from = { folder: resolve(context.directory, args.from), shown: args.from };
  const to = { folder: resolve(context.directory, args.to), shown: args.to };
  requireApart(from, to);
  const found = await listClassFolders(from.folder, from.shown);
  if (args.total < found.classes.length)
    throw new StepError(`total is ${args.total}, but ${from.shown} has ${found.classes.length} classes`);
  requireImages(found.classes, found.files, from.shown);
  const { good, bad } = await readable(found.files, from.folder, context);
  const total = found.files.length + found.bad.length;
  const { unreadable } = args;
  settleBadImages([...found.bad, ...bad], { total, shown: from.shown, unreadable, log: context.log });
  requireImages(found.classes, good, from.shown);

  const plan = planAugment(good, args);
  if (plan.leftOut > 0)
    context.log(`${plan.leftOut} of ${good.length} originals were left out: the cap is ${args.total} images`);
  await writeOutFolder({ ...to, isOurs: (names) => isLineageFolder(to.folder, names) }, async (partial) => {
    for (const folder of new Set(plan.sources.map((source) => dirname(source.path))))
      await mkdir(join(partial, folder), { recursive: true });
    await using lineage = await open(join(partial, lineageFile), 'w');
    await lineage.write(lineageHeader);
    const world = { from: from.folder, to: partial, args, signal: context.signal };
    const write = (source: PlannedSource) => writeSource(source, world);
    for await (const lines of mapOrdered(plan.sources, atOnce(context), write)) await lineage.write(lines);
  });
  context.log(
    `${plan.sources.length + plan.added} images of ${found.classes.length} classes: ${plan.sources.length} originals, ${plan.added} variants`,
  );
};
