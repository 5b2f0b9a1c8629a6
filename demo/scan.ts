/**
 * A digit as it comes out of a notebook scanner. The digits are real handwriting; all that is in this file is added:
 * where the digit lies on the page, ruled lines, blur, uneven light, speckle, and what makes some scans unreadable.
 */
import type { Random } from '../core/steps/random.ts';

/** Height and width of a scan in pixels. */
export const scanSize = 28;
const middle = (scanSize - 1) / 2;

/** What was done to a digit. Lengths are in pixels, ink is 0 (paper) to 1 (black). */
export interface Damage {
  /** Size of the digit relative to the clean one. */
  readonly scale: number;
  /** Rotation in radians. */
  readonly angle: number;
  readonly shiftX: number;
  readonly shiftY: number;
  /** Ruled lines, which turn with the page. */
  readonly lines?: { readonly spacing: number; readonly offset: number; readonly ink: number };
  /** Standard deviation of a Gaussian blur. */
  readonly blur?: number;
  /** Grey that is added: everywhere, and growing across the width and height. */
  readonly shade?: { readonly everywhere: number; readonly acrossX: number; readonly acrossY: number };
  /** Share of pixels replaced by random grey. */
  readonly speckle?: number;
  /** Why nobody can read the scan; absent when one can. */
  readonly ruin?: 'blotted' | 'faded' | 'smeared';
}

/**
 * Draws the damage of a readable scan: half of them have lines, half speckle, two in five uneven light, one in
 * four blur; none lies quite straight.
 */
export function drawDamage(random: Random): Damage {
  return {
    scale: random.between(0.75, 1.1),
    angle: random.between(-0.3, 0.3),
    shiftX: random.between(-3, 3),
    shiftY: random.between(-3, 3),
    ...(random.chance(0.5)
      ? { lines: { spacing: 9 + random.below(3), offset: random.below(8), ink: random.between(0.6, 0.9) } }
      : {}),
    ...(random.chance(0.25) ? { blur: random.between(0.5, 0.9) } : {}),
    ...(random.chance(0.4)
      ? {
          shade: {
            everywhere: 0.15,
            acrossX: random.between(-0.25, 0.25),
            acrossY: random.between(-0.25, 0.25),
          },
        }
      : {}),
    ...(random.chance(0.5) ? { speckle: 0.06 } : {}),
  };
}

/** Draws the damage of a scan that nobody can read. */
export function drawRuin(random: Random): Damage {
  const ruin = (['blotted', 'faded', 'smeared'] as const)[random.below(3)]!;
  return { ...drawDamage(random), speckle: 0.25, ruin };
}

/**
 * Makes the scan of a digit.
 * @param digit ink, uint8 [28, 28], 0 paper to 255 black.
 * @param random where the speckle comes from.
 * @returns the scan, uint8 [28, 28], 0 black to 255 white, as paper is.
 */
export function renderScan(digit: Uint8Array, damage: Damage, random: Random): Uint8Array {
  let ink = placeOnPage(digit, damage);
  if (damage.ruin === 'smeared') ink = blurred(ink, 5);
  if (damage.ruin === 'blotted') blot(ink, random);
  if (damage.blur) ink = blurred(ink, damage.blur);
  const { shade, speckle = 0 } = damage;
  const scan = new Uint8Array(ink.length);
  for (let i = 0; i < ink.length; i++) {
    let value = ink[i]!;
    if (shade) {
      const x = (i % scanSize) / scanSize;
      const y = Math.floor(i / scanSize) / scanSize;
      value += shade.everywhere + shade.acrossX * x + shade.acrossY * y;
    }
    if (speckle > 0 && random.chance(speckle)) value = random.next();
    scan[i] = Math.round(255 * (1 - Math.min(1, Math.max(0, value))));
  }
  return scan;
}

/** The digit turned, scaled and shifted, and the page's lines under it; between pixels bilinear. */
function placeOnPage(digit: Uint8Array, { scale, angle, shiftX, shiftY, lines, ruin }: Damage): Float64Array {
  const ink = new Float64Array(scanSize * scanSize);
  const cos = Math.cos(angle) / scale;
  const sin = Math.sin(angle) / scale;
  const strength = ruin === 'faded' ? 0.04 : 1;
  for (let y = 0; y < scanSize; y++) {
    for (let x = 0; x < scanSize; x++) {
      const dx = x - middle - shiftX;
      const dy = y - middle - shiftY;
      const sourceX = cos * dx + sin * dy + middle;
      const sourceY = cos * dy - sin * dx + middle;
      const written = strength * inkAt(digit, sourceX, sourceY);
      ink[y * scanSize + x] = Math.max(written, lines ? lineAt(sourceY, lines) : 0);
    }
  }
  return ink;
}

/** Ink of the digit at a point, 0..1; none beyond its frame. */
function inkAt(digit: Uint8Array, x: number, y: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const at = (column: number, row: number) =>
    column < 0 || row < 0 || column >= scanSize || row >= scanSize
      ? 0
      : digit[row * scanSize + column]! / 255;
  const upper = at(left, top) * (left + 1 - x) + at(left + 1, top) * (x - left);
  const lower = at(left, top + 1) * (left + 1 - x) + at(left + 1, top + 1) * (x - left);
  return upper * (top + 1 - y) + lower * (y - top);
}

/** Ink of the page's lines at a height: lines one pixel wide, soft at their edges. */
function lineAt(y: number, { spacing, offset, ink }: NonNullable<Damage['lines']>): number {
  const from = y - offset;
  const distance = Math.abs(from - Math.round(from / spacing) * spacing);
  return ink * Math.max(0, 1 - distance);
}

/** Ink blurred with a Gaussian, first along rows, then along columns; the border goes on beyond itself. */
function blurred(ink: Float64Array, deviation: number): Float64Array {
  const reach = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const pass = (source: Float64Array, along: 'row' | 'column') =>
    source.map((_, i) => {
      const x = i % scanSize;
      const y = Math.floor(i / scanSize);
      let sum = 0;
      for (let k = -reach; k <= reach; k++) {
        const place = Math.min(scanSize - 1, Math.max(0, (along === 'row' ? x : y) + k));
        sum += weights[k + reach]! * source[along === 'row' ? y * scanSize + place : place * scanSize + x]!;
      }
      return sum / total;
    });
  return pass(pass(ink, 'row'), 'column');
}

/** Spills ink over the middle of the page: overlapping discs that cover the digit. */
function blot(ink: Float64Array, random: Random): void {
  const discs = Array.from({ length: 6 }, () => ({
    x: random.between(8, 20),
    y: random.between(8, 20),
    radius: random.between(6, 9),
  }));
  for (let i = 0; i < ink.length; i++) {
    const x = i % scanSize;
    const y = Math.floor(i / scanSize);
    if (discs.some((disc) => Math.hypot(x - disc.x, y - disc.y) < disc.radius)) ink[i] = 0.95;
  }
}
