/** Trains a network: epochs of shuffled batches, Adam, and the weights of the best epoch. */
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { StepError } from '../../model/step.ts';
import { Random } from '../random.ts';
import { evenBatches, type LabelledImage, toBatch, toTensor } from './images.ts';
import type { Network } from './network.ts';
import type { AdamSettings, Compute, Optimizer } from './ops.ts';
import { largestIndex, predict } from './predict.ts';
import type { Preprocessing } from './preprocessing.ts';
import type { Weights } from './weights.ts';

/** Adam as Keras sets it up. */
export const adamSettings: AdamSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

/**
 * Training images over which the statistics of batch normalisation are measured after each epoch, at most. More
 * hardly change them: Wu and Johnson 2021, arXiv:2105.07576, section 3.3.
 */
export const statisticsImages = 1024;

/** Figures of one epoch. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss over the epoch's images, each as it was before its step. */
  readonly loss: number;
  /** Share of the epoch's images predicted rightly before their step. */
  readonly accuracy: number;
  /** After the epoch, over the validation images; undefined when there are none. */
  readonly validation?: { readonly loss: number; readonly accuracy: number };
  readonly learningRate: number;
}

/** What training gives. */
export interface Trained {
  /** Weights after the best epoch. */
  readonly weights: Weights;
  /** The epoch of the highest validation accuracy, of equals that of the lowest validation loss; the last one
   * when there are no validation images. */
  readonly best: Epoch;
  readonly history: readonly Epoch[];
}

export interface TrainingOptions {
  readonly training: readonly LabelledImage[];
  /** May be empty. */
  readonly validation: readonly LabelledImage[];
  readonly preprocessing: Preprocessing;
  readonly epochs: number;
  /** Most images per step. */
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Told of each epoch when it is over; `speed` is training images per second. */
  onEpoch(epoch: Epoch, speed: number): void;
}

/** One step: loss and number of images predicted rightly, before the weights change. */
function step(
  network: Network,
  optimizer: Optimizer,
  images: readonly LabelledImage[],
  { preprocessing, learningRate }: TrainingOptions,
): { loss: number; right: number } {
  return tf.tidy(() => {
    const { loss, probabilities, gradients } = network.gradients(toBatch(images, preprocessing));
    optimizer.apply(gradients, learningRate);
    const { classes } = network.architecture;
    const numbers = probabilities.dataSync<'float32'>();
    probabilities.dispose();
    const right = images.filter(
      ({ label }, index) => largestIndex(numbers.subarray(index * classes, (index + 1) * classes)) === label,
    ).length;
    return { loss: loss.dataSync<'float32'>()[0]!, right };
  });
}

/** The batches of some images, each made when it is asked for. */
function* inputs(images: readonly LabelledImage[], { batch, preprocessing }: TrainingOptions) {
  for (const part of evenBatches(images, batch)) yield toTensor(part, preprocessing);
}

/** Whether an epoch is better than the best so far. */
function isBetter(epoch: Epoch, best: Epoch | undefined): boolean {
  if (!best?.validation || !epoch.validation) return true;
  const gain = epoch.validation.accuracy - best.validation.accuracy;
  return gain > 0 || (gain === 0 && epoch.validation.loss < best.validation.loss);
}

const diverged = (what: string) => new StepError(`training diverged: ${what}`, 'lower learningRate');

/** Trains on every image once, in an order of the epoch's own. */
async function trainEpoch(
  epoch: number,
  network: Network,
  compute: Compute,
  optimizer: Optimizer,
  options: TrainingOptions,
): Promise<{ loss: number; accuracy: number }> {
  const { training, batch, seed, signal } = options;
  let loss = 0;
  let right = 0;
  const order = new Random(seed, 'shuffle', epoch).shuffled(training);
  for (const [index, images] of evenBatches(order, batch).entries()) {
    await turn();
    signal.throwIfAborted();
    const result = compute.timed(() => step(network, optimizer, images, options));
    if (!Number.isFinite(result.loss))
      throw diverged(`the loss of epoch ${epoch}, step ${index + 1} is ${result.loss}`);
    loss += result.loss * images.length;
    right += result.right;
  }
  return { loss: loss / training.length, accuracy: right / training.length };
}

/** A copy of the weights, which are numbers. */
function takeWeights(network: Network, epoch: number): Weights {
  const weights = network.weights();
  for (const [name, values] of weights)
    if (!values.every(Number.isFinite)) throw diverged(`${name} is not a number after epoch ${epoch}`);
  return weights;
}

/**
 * Trains a network in place.
 * @throws {StepError} when the loss or a weight is no longer a number.
 */
export async function trainNetwork(
  network: Network,
  compute: Compute,
  options: TrainingOptions,
): Promise<Trained> {
  const { training, validation, preprocessing, epochs, batch, learningRate, seed, signal } = options;
  using optimizer = compute.adam(network.trained, adamSettings);
  const measured = new Random(seed, 'statistics').shuffled(training).slice(0, statisticsImages);
  const history: Epoch[] = [];
  let best: { epoch: Epoch; weights: Weights } | undefined;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const started = performance.now();
    const trained = await trainEpoch(epoch, network, compute, optimizer, options);
    const speed = training.length / ((performance.now() - started) / 1000);

    await turn();
    signal.throwIfAborted();
    network.measureStatistics(inputs(measured, options));
    const scored =
      validation.length > 0
        ? await predict(network, validation, { preprocessing, batch, signal })
        : undefined;
    const record: Epoch = {
      epoch,
      ...trained,
      ...(scored && { validation: { loss: scored.loss, accuracy: scored.accuracy } }),
      learningRate,
    };
    history.push(record);
    if (isBetter(record, best?.epoch)) best = { epoch: record, weights: takeWeights(network, epoch) };
    options.onEpoch(record, speed);
  }
  if (!best) throw new Error('no epochs');
  return { weights: best.weights, best: best.epoch, history };
}
