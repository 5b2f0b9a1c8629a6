/** How images become the numbers a network sees. Kept in model.json, so that a model is used as it was trained. */
import sharp from 'sharp';
import { StepError } from '../../model/step.ts';
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
 * Decodes an image and brings it to RGB of a size: stretched with a Lanczos kernel, transparent parts on white.
 * @param record what to call the image in a message.
 * @returns uint8 [height, width, 3].
 * @throws {StepError} when the bytes are not an image.
 */
export async function toPixels(
  example: ImageExample,
  [height, width]: readonly [number, number],
  record: string,
): Promise<Uint8Array> {
  const { image, format, channels } = example;
  if (format === 'raw' && channels === 3 && example.height === height && example.width === width)
    return image;
  if (format === 'raw' && (channels < 1 || channels > 4))
    throw new StepError(`${record} has ${channels} channels; 1 to 4 are known`);
  const raw = { height: example.height, width: example.width, channels: channels as 1 | 2 | 3 | 4 };
  try {
    const { data, info } = await sharp(image, format === 'raw' ? { raw } : {})
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .resize(width, height, { fit: 'fill' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels`);
    return data;
  } catch (error) {
    throw new StepError(`${record} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
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
