/** Runs a network over images as it is used. */
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { evenBatches, type LabelledImage, toBatch } from './images.ts';
import type { Network } from './network.ts';
import type { Preprocessing } from './preprocessing.ts';

/** What a network makes of one image. */
export interface Prediction {
  readonly image: LabelledImage;
  /** Index of the most probable class; the first of equals. */
  readonly predicted: number;
  /** Of each class; sums to 1. */
  readonly probabilities: Float32Array;
}

/** What a network makes of a set of images. */
export interface Predictions {
  /** Mean of −ln(probability of the right class). */
  readonly loss: number;
  /** Share of images predicted rightly. */
  readonly accuracy: number;
  /** In the order of the images. */
  readonly predictions: readonly Prediction[];
}

/** The index of the largest number; the first of equals. */
export function largestIndex(numbers: Float32Array): number {
  let largest = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! > numbers[largest]!) largest = i;
  return largest;
}

export interface PredictOptions {
  readonly preprocessing: Preprocessing;
  /** Most images at a time. */
  readonly batch: number;
  readonly signal: AbortSignal;
}

/** Predicts each of at least one image, with the network's stored statistics. */
export async function predict(
  network: Network,
  images: readonly LabelledImage[],
  { preprocessing, batch, signal }: PredictOptions,
): Promise<Predictions> {
  const { classes } = network.architecture;
  using inference = network.infer();
  const predictions: Prediction[] = [];
  let loss = 0;
  let right = 0;
  for (const part of evenBatches(images, batch)) {
    await turn();
    signal.throwIfAborted();
    const result = tf.tidy(() => {
      const inputs = toBatch(part, preprocessing);
      const losses = network.loss(inference.score(inputs.images), inputs.labels);
      return {
        loss: losses.loss.dataSync<'float32'>()[0]!,
        probabilities: losses.probabilities.dataSync<'float32'>(),
      };
    });
    loss += result.loss * part.length;
    part.forEach((image, index) => {
      const probabilities = result.probabilities.slice(index * classes, (index + 1) * classes);
      const predicted = largestIndex(probabilities);
      if (predicted === image.label) right++;
      predictions.push({ image, predicted, probabilities });
    });
  }
  return { loss: loss / images.length, accuracy: right / images.length, predictions };
}
