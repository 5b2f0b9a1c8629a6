/** How images become the numbers a network sees. Kept in model.json, so that a model is used as it was trained. */
import { StepError } from '../../model/step.ts';
import { decodeImage, encodePng, ImageError } from '../images.ts';
import type { ImageExample } from '../tfrecord.ts';

/** Preprocessing of images: brought to RGB and to a size, then each channel to (pixel − mean) / deviation. */
export interface Preprocessing {
  /** Height and width in pixels. */
  readonly size: readonly [height: number, width: number];
  /** Subtracted from red, green and blue, of 0..255. */
  readonly mean: readonly [number, number, number];
  /** What they are divided by. */
  readonly deviation: readonly [number, number, number];
}

/** Pixels to −1..1. */
export function unitRange(size: readonly [number, number]): Preprocessing {
  return { size, mean: [127.5, 127.5, 127.5], deviation: [127.5, 127.5, 127.5] };
}

/**
 * Decodes an image and brings it to RGB of a size, as `convert` does.
 * @param record what to call the image in a message.
 * @returns uint8 [height, width, 3].
 * @throws {StepError} when the bytes are not an image.
 */
export async function toPixels(
  example: ImageExample,
  size: readonly [height: number, width: number],
  record: string,
): Promise<Uint8Array> {
  try {
    return (await decodeImage(await encoded(example), { size, channels: 3 })).pixels.data;
  } catch (error) {
    if (error instanceof ImageError) throw new StepError(`${record} cannot be read: ${error.message}`);
    throw error;
  }
}

/** The image in a format that can be decoded. */
async function encoded({ image, format, height, width, channels }: ImageExample): Promise<Uint8Array> {
  if (format !== 'raw') return image;
  if (channels !== 1 && channels !== 3) throw new ImageError(`raw pixels of ${channels} channels`);
  return encodePng({ data: image, height, width, channels });
}

/** Writes an image's numbers at `offset`: float32 [height, width, 3]. */
export function writeInput(
  pixels: Uint8Array,
  { mean, deviation }: Preprocessing,
  out: Float32Array,
  offset: number,
): void {
  for (let i = 0; i < pixels.length; i += 3) {
    for (let channel = 0; channel < 3; channel++)
      out[offset + i + channel] = (pixels[i + channel]! - mean[channel]!) / deviation[channel]!;
  }
}
