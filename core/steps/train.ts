/** The step `train`: records in, a model and its history out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type RunStep, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { classDifference } from './nn/classes.ts';
import { openCompute } from './nn/compute.ts';
import { decimals, toCsv } from './nn/csv.ts';
import { holdOut, type Split } from './nn/hold-out.ts';
import { type ImageSet, type LabelledImage, readImages } from './nn/images.ts';
import { writeModel } from './nn/model-file.ts';
import { Network } from './nn/network.ts';
import { unitRange } from './nn/preprocessing.ts';
import { leastSize, resnet50 } from './nn/resnet50.ts';
import { type Epoch, trainNetwork } from './nn/training.ts';
import { initialWeights } from './nn/weights.ts';

/** The images to train on and to validate on. */
async function readSplit(
  args: StepArgs<'train'>,
  directory: string,
  signal: AbortSignal,
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
  return toCsv([
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy', 'learning_rate'],
    ...epochs.map(({ epoch, loss, accuracy, validation, learningRate }) => [
      epoch,
      decimals(loss),
      decimals(accuracy),
      validation ? decimals(validation.loss) : '',
      validation ? decimals(validation.accuracy) : '',
      learningRate,
    ]),
  ]);
}

/**
 * Trains a network on records and writes `model.json`, `weights.safetensors` and `history.csv`. The same records
 * and arguments give the same bytes on the same machine, on any number of threads.
 * @throws {StepError} on bad records or arguments, and when training diverges.
 */
export const run: RunStep<StepArgs<'train'>> = async (args, context) => {
  const { epochs, batch, learningRate, optimizer, seed } = args;
  if (Math.min(...args.size) < leastSize)
    throw new StepError(
      `size is ${args.size.join(' × ')}; ${args.model} needs ${leastSize} × ${leastSize} at least`,
    );
  // Before the images are read: a wrong layer name must not cost that time.
  resnet50(1, args.until);

  const { classes, training, validation } = await readSplit(args, context.directory, context.signal);
  const empty = classes.filter((_, label) => !training.some((image) => image.label === label));
  if (empty.length > 0)
    throw new StepError(
      `${args.data} has no images of ${empty.join(', ')}`,
      'add images of the class, or leave it out of classes.txt',
    );
  context.log(
    `${training.length} images to train on, ${validation.length} to validate on, ${classes.length} classes`,
  );

  const compute = await openCompute(args.backend);
  const architecture = resnet50(classes.length, args.until);
  const network = new Network(architecture, initialWeights(architecture, seed), compute);
  const preprocessing = unitRange(args.size);
  try {
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

    const out = resolve(context.directory, args.out);
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'history.csv'), toHistory(history));
    await writeModel(
      out,
      {
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
      },
      weights,
    );
  } finally {
    network.dispose();
  }
};

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** One line about an epoch. */
function describe(epoch: Epoch, epochs: number, speed: number): string {
  const figures = ({ loss, accuracy }: { loss: number; accuracy: number }) =>
    `loss ${loss.toFixed(3)}, accuracy ${percent(accuracy)}`;
  const validation = epoch.validation ? `; validation ${figures(epoch.validation)}` : '';
  return `epoch ${epoch.epoch}/${epochs}: ${figures(epoch)}${validation}; ${speed.toFixed(0)} images/s`;
}
