/** Labelled images in memory, read from a folder of records; and batches of them on a backend. */
import { basename } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { StepError } from '../../model/step.ts';
import { readRecordFolder } from '../records.ts';
import { type ImageExample, readExamples } from '../tfrecord.ts';
import type { Batch } from './network.ts';
import { type Preprocessing, toPixels, writeInput } from './preprocessing.ts';

/** An image ready to be used. */
export interface LabelledImage {
  /** Name of the source image, or the record file and the index in it, from 0, when the record has no name. */
  readonly name: string;
  /** Index of the class. */
  readonly label: number;
  /** uint8 [height, width, 3]. */
  readonly pixels: Uint8Array;
}

/** Images with the classes their labels are indices of. */
export interface ImageSet {
  readonly classes: readonly string[];
  readonly images: readonly LabelledImage[];
}

/** Images decoded at the same time. */
const together = 64;

/**
 * Reads all images of a folder of records, in order. They are held as bytes: height · width · 3 each.
 * @param size height and width they are brought to.
 * @throws {StepError} when the folder, a record or an image cannot be read, when there is no image, or when a
 * label has no class.
 */
export async function readImages(
  folder: string,
  size: readonly [number, number],
  signal: AbortSignal,
): Promise<ImageSet> {
  const { classes, files } = await readRecordFolder(folder);
  const images: LabelledImage[] = [];
  let waiting: { example: ImageExample; file: string; index: number }[] = [];
  const drain = async () => {
    signal.throwIfAborted();
    images.push(...(await Promise.all(waiting.map(prepare))));
    waiting = [];
  };
  const prepare = async ({ example, file, index }: (typeof waiting)[number]): Promise<LabelledImage> => {
    const { label, name } = example;
    const record = `${file}: record ${index}${name ? ` (${name})` : ''}`;
    if (label >= classes.length)
      throw new StepError(`${record} has label ${label}, but there are ${classes.length} classes`);
    const pixels = await toPixels(example, size, record);
    return { label, name: name || `${basename(file)}#${index}`, pixels };
  };
  for (const file of files) {
    let index = 0;
    for await (const example of readExamples(file)) {
      waiting.push({ example, file, index: index++ });
      if (waiting.length >= together) await drain();
    }
  }
  await drain();
  if (images.length === 0) throw new StepError(`${folder} holds no images`);
  return { classes, images };
}

/** Puts images on the backend; the caller disposes them. */
export function toBatch(images: readonly LabelledImage[], preprocessing: Preprocessing): Batch {
  return {
    images: toTensor(images, preprocessing),
    labels: tf.tensor1d(
      images.map((image) => image.label),
      'int32',
    ),
  };
}

/** The images alone: float32 [batch, height, width, 3]; the caller disposes it. */
export function toTensor(images: readonly LabelledImage[], preprocessing: Preprocessing): tf.Tensor4D {
  const [height, width] = preprocessing.size;
  const each = height * width * 3;
  const numbers = new Float32Array(images.length * each);
  images.forEach(({ pixels }, index) => {
    writeInput(pixels, preprocessing, numbers, index * each);
  });
  return tf.tensor4d(numbers, [images.length, height, width, 3]);
}

/**
 * Cuts items into batches whose sizes differ by at most one: no last batch of a few images, whose statistics
 * would mean little.
 * @param largest no batch is larger.
 */
export function evenBatches<Item>(items: readonly Item[], largest: number): Item[][] {
  const count = Math.ceil(items.length / largest);
  const start = (batch: number) => Math.floor((items.length * batch) / count);
  return Array.from({ length: count }, (_, batch) => items.slice(start(batch), start(batch + 1)));
}
