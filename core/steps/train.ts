/** The step `train`: records in, a model and its history out. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type RunStep, type StepContext, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { csvLine } from './csv.ts';
import { classDifference } from './nn/classes.ts';
import { openCompute } from './nn/compute.ts';
import { decimals } from './nn/decimals.ts';
import { holdOut, type Split } from './nn/hold-out.ts';
import { type ImageSet, type LabelledImage, readImages } from './nn/images.ts';
import { type ModelDescription, modelFiles, writeModel } from './nn/model-file.ts';
import { Network } from './nn/network.ts';
import { unitRange } from './nn/preprocessing.ts';
import { leastSize, resnet50 } from './nn/resnet50.ts';
import { type Epoch, trainNetwork } from './nn/training.ts';
import { initialWeights } from './nn/weights.ts';
import { requireApart, writeOutFolder } from './out-folder.ts';

type Args = StepArgs<'train'>;

const historyFile = 'history.csv';
const outFiles = [historyFile, ...modelFiles];

/** The images to train on and to validate on. */
async function readSplit(
  args: Args,
  { directory, signal }: StepContext,
): Promise<Split<LabelledImage> & Pick<ImageSet, 'classes'>> {
  const { classes, images } = await readImages(resolve(directory, args.data), args.size, signal);
  if (args.validation === undefined) return { classes, ...holdOut(images, args.validationShare, args.seed) };
  const other = await readImages(resolve(directory, args.validation), args.size, signal);
  const difference = classDifference(classes, other.classes);
  if (difference)
    throw new StepError(
      `${args.validation} has other classes than ${args.data}: ${difference}`,
      'convert both with the same classes',
    );
  return { classes, training: [...images], validation: [...other.images] };
}

function toHistory(epochs: readonly Epoch[]): string {
  const lines = epochs.map(({ epoch, loss, accuracy, validation, learningRate }) =>
    csvLine([
      epoch,
      decimals(loss),
      decimals(accuracy),
      validation ? decimals(validation.loss) : '',
      validation ? decimals(validation.accuracy) : '',
      learningRate,
    ]),
  );
  return csvLine(['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy', 'learning_rate']) + lines.join('');
}

/** Checks what can be checked before the images are read. */
function requireSense({ size, model, until }: Args): void {
  if (Math.min(...size) < leastSize)
    throw new StepError(`size is ${size.join(' × ')}; ${model} needs ${leastSize} × ${leastSize} at least`);
  resnet50(1, until);
}

/** Checks that every class has images to learn from. */
function requireEveryClass(
  classes: readonly string[],
  images: readonly LabelledImage[],
  shown: string,
): void {
  const labels = new Set(images.map(({ label }) => label));
  const empty = classes.filter((_, label) => !labels.has(label));
  if (empty.length > 0)
    throw new StepError(
      `${shown} has no images of ${empty.join(', ')}`,
      'add images of the class, or leave it out of classes.txt',
    );
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** One line about an epoch. */
function describe(epoch: Epoch, epochs: number, speed: number): string {
  const figures = ({ loss, accuracy }: { loss: number; accuracy: number }) =>
    `loss ${loss.toFixed(3)}, accuracy ${percent(accuracy)}`;
  const validation = epoch.validation ? `; validation ${figures(epoch.validation)}` : '';
  return `epoch ${epoch.epoch}/${epochs}: ${figures(epoch)}${validation}; ${speed.toFixed(0)} images/s`;
}

/**
 * Trains a network on records and writes `model.json`, `weights.safetensors` and `history.csv`. The same records
 * and arguments give the same bytes on the same machine, on any number of threads.
 * @throws {StepError} on bad records or arguments, and when training diverges.
 */
export const run: RunStep<Args> = async (args: Args, context: StepContext) => {
  const { epochs, batch, learningRate, optimizer, seed } = args;
  const at = (shown: string) => ({ folder: resolve(context.directory, shown), shown });
  requireSense(args);
  for (const shown of [args.data, ...(args.validation === undefined ? [] : [args.validation])])
    requireApart(at(shown), at(args.out));
  const { classes, training, validation } = await readSplit(args, context);
  requireEveryClass(classes, training, args.data);
  context.log(
    `${training.length} images to train on, ${validation.length} to validate on, ${classes.length} classes`,
  );

  const compute = await openCompute(args.backend, context.threads);
  const architecture = resnet50(classes.length, args.until);
  const preprocessing = unitRange(args.size);
  using network = new Network(architecture, initialWeights(architecture, seed), compute);
  const { weights, best, history } = await trainNetwork(network, compute, {
    training,
    validation,
    preprocessing,
    epochs,
    batch,
    learningRate,
    seed,
    signal: context.signal,
    onEpoch: (epoch, speed) => context.log(describe(epoch, epochs, speed)),
  });
  if (best.validation)
    context.log(`kept epoch ${best.epoch}: validation accuracy ${percent(best.validation.accuracy)}`);

  const model: ModelDescription = {
    architecture: architecture.name,
    until: architecture.until,
    classes: [...classes],
    preprocessing,
    training: {
      images: training.length,
      validationImages: validation.length,
      epochs,
      batch,
      learningRate,
      optimizer,
      backend: compute.backend,
      seed,
    },
    best: { epoch: best.epoch, ...(best.validation && { validation: best.validation }) },
  };
  const isOurs = (names: readonly string[]) => names.every((name) => outFiles.includes(name));
  await writeOutFolder({ ...at(args.out), isOurs }, async (partial) => {
    await writeFile(join(partial, historyFile), toHistory(history));
    await writeModel(partial, model, weights);
  });
};
