/** One random variant of an image: which changes, how they are written down, and their effect on the pixels. */
import type { StepArgs } from '../model/steps.ts';
import type { Pixels } from './images.ts';
import type { Random } from './random.ts';

/** The changes that make a variant, in the order they take effect. */
export interface Variation {
  /** Degrees counter-clockwise, about the centre. */
  readonly rotate: number;
  /** Factor about the centre: above 1 the picture grows and its borders are lost. */
  readonly zoom: number;
  /** Shares of the width and height cut off at each border; the rest is spread over the whole again. */
  readonly crop: {
    readonly left: number;
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
  };
  /** Relative change: 0.1 makes every value a tenth larger, as far as white. */
  readonly brightness: number;
  /** Standard deviation of the noise, as a share of full scale. */
  readonly noise: number;
}

/** What to draw variations from; the arguments of the step `augment` of these names. */
export type VariationRanges = Pick<StepArgs<'augment'>, 'rotate' | 'zoom' | 'crop' | 'brightness' | 'noise'>;

/** To four decimals: what `lineage.csv` says is exactly what was done. */
const rounded = (value: number) => Math.round(value * 1e4) / 1e4 + 0;

/** Draws a variation. */
export function drawVariation(ranges: VariationRanges, random: Random): Variation {
  const rotate = rounded(random.between(-ranges.rotate, ranges.rotate));
  const zoom = rounded(random.between(ranges.zoom[0], ranges.zoom[1]));
  /** A share of one axis, split at random between its two ends. */
  const cut = () => {
    const share = random.between(0, ranges.crop);
    const first = random.between(0, share);
    return [rounded(first), rounded(share - first)] as const;
  };
  const [left, right] = cut();
  const [top, bottom] = cut();
  const brightness = rounded(random.between(-ranges.brightness, ranges.brightness));
  return { rotate, zoom, crop: { left, top, right, bottom }, brightness, noise: ranges.noise };
}

/**
 * Writes a variation as `rotate=-3.2 zoom=1.05 crop=0.01/0/0.02/0.05 brightness=0.1 noise=0.02`, the cuts being
 * left, top, right, bottom; noise only when there is any.
 */
export function formatVariation({ rotate, zoom, crop, brightness, noise }: Variation): string {
  const { left, top, right, bottom } = crop;
  return [
    `rotate=${rotate}`,
    `zoom=${zoom}`,
    `crop=${left}/${top}/${right}/${bottom}`,
    `brightness=${brightness}`,
    ...(noise > 0 ? [`noise=${noise}`] : []),
  ].join(' ');
}

/**
 * Makes the variant of an image, of the same size.
 *
 * Rotation, zoom and crop are one affine map, so that the picture is resampled once and not blurred thrice.
 * Values between pixels are bilinear; beyond the border the nearest border pixel goes on, because a mean or black
 * filling would put corners into the variants that no scan has.
 * @param random where the noise comes from; not used without noise.
 */
export function applyVariation(image: Pixels, variation: Variation, random: Random): Pixels {
  const { data, height, width, channels } = image;
  const result = new Uint8ClampedArray(data.length);
  const { crop, zoom } = variation;
  const angle = (variation.rotate / 180) * Math.PI;
  const cos = Math.cos(angle) / zoom;
  const sin = Math.sin(angle) / zoom;
  const factor = 1 + variation.brightness;
  const stepX = 1 - crop.left - crop.right;
  const stepY = 1 - crop.top - crop.bottom;
  const noise = variation.noise * 255;
  let at = 0;
  for (let y = 0; y < height; y++) {
    // Offsets from the centre, in pixels; y points down, so counter-clockwise on screen is (x, y) → (cos x + sin y, cos y − sin x).
    const offsetY = crop.top * height + (y + 0.5) * stepY - height / 2;
    for (let x = 0; x < width; x++) {
      const offsetX = crop.left * width + (x + 0.5) * stepX - width / 2;
      const sourceX = clamp(cos * offsetX - sin * offsetY + width / 2 - 0.5, width - 1);
      const sourceY = clamp(sin * offsetX + cos * offsetY + height / 2 - 0.5, height - 1);
      const left = Math.floor(sourceX);
      const top = Math.floor(sourceY);
      const shareX = sourceX - left;
      const shareY = sourceY - top;
      const a = (top * width + left) * channels;
      const right = left + 1 < width ? channels : 0;
      const below = top + 1 < height ? width * channels : 0;
      for (let channel = 0; channel < channels; channel++) {
        const p = a + channel;
        const upper = data[p]! + (data[p + right]! - data[p]!) * shareX;
        const lower = data[p + below]! + (data[p + below + right]! - data[p + below]!) * shareX;
        const value = (upper + (lower - upper) * shareY) * factor;
        result[at++] = noise > 0 ? value + random.normal() * noise : value;
      }
    }
  }
  return { data: new Uint8Array(result.buffer), height, width, channels };
}

/** The value brought into 0..most. */
function clamp(value: number, most: number): number {
  if (value < 0) return 0;
  return Math.min(value, most);
}
