/** Images: encoded bytes to pixels and back, and what to say of those that cannot be read. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { systemCode } from '../errors.ts';
import { StepError } from '../model/step.ts';
import { decodePlainPng, encodePlainPng, smallImageBytes } from './png.ts';

// Several images are worked on at once, so one alone need not use several threads; and none is read twice.
sharp.concurrency(1);
sharp.cache(false);

/** The pixels of an image: uint8 [height, width, channels], 0..255; 1 channel is grey, 3 are RGB. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** What an image is to be brought to. */
export interface PixelOptions {
  /** Height and width to resize to, without keeping the proportions; by default as it is. */
  readonly size?: readonly [height: number, width: number];
  /** Grey or RGB; by default as it is. */
  readonly channels?: 1 | 3;
}

/** An image that was read. */
export interface DecodedImage {
  readonly pixels: Pixels;
  /**
   * Its format, when its bytes as they are stand for exactly these pixels to any reader: a PNG or JPEG of 8 bits,
   * grey or RGB, upright, without transparency. Otherwise undefined.
   */
  readonly storedAs: 'png' | 'jpeg' | undefined;
}

/** A file that cannot be read as an image. */
export interface BadImage {
  readonly path: string;
  /** Half a sentence: `not an image`. */
  readonly reason: string;
}

/** Bytes that are no readable image; the message is half a sentence about why. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** Formats that hold pixels. Others that sharp could draw (SVG, PDF) have no pixels of their own. */
const readable = new Set(['png', 'jpeg', 'webp', 'gif', 'tiff', 'heif']);

/** What sharp and libvips say, in words for people. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/unsupported image format/i.test(message)) return 'not an image';
  if (/pixel limit/i.test(message)) return 'larger than 268 megapixels';
  if (
    /premature end|read error|truncated|bad seek|not enough data|corrupt header|unknown error/i.test(message)
  )
    return 'damaged or cut short';
  return `damaged: ${message.split('\n')[0]}`;
}

const isAsWanted = ({ height, width, channels }: Pixels, options: PixelOptions) =>
  (options.channels ?? channels) === channels &&
  (options.size === undefined || (options.size[0] === height && options.size[1] === width));

/**
 * Reads an image. It is turned upright when its EXIF data say how, laid on white where it is transparent, and
 * brought to 8 bits; of an animation the first frame is taken.
 * @param bytes any of PNG, JPEG, WebP, GIF, TIFF, AVIF.
 * @throws {ImageError} when the bytes are no image, or a damaged one.
 */
export async function decodeImage(bytes: Uint8Array, options: PixelOptions = {}): Promise<DecodedImage> {
  if (bytes.length === 0) throw new ImageError('an empty file');
  const plain = decodePlainPng(bytes);
  if (plain && isAsWanted(plain, options)) return { pixels: plain, storedAs: 'png' };
  try {
    const input = sharp(bytes, { failOn: 'error' });
    const found = await input.metadata();
    if (!readable.has(found.format))
      throw new ImageError(`${found.format}, which has no pixels to learn from`);
    const isGrey = found.space === 'b-w' || found.space === 'grey16';
    const channels = options.channels ?? (isGrey ? 1 : 3);
    let image = input.autoOrient();
    if (found.hasAlpha) image = image.flatten({ background: '#ffffff' });
    if (options.size) image = image.resize({ height: options.size[0], width: options.size[1], fit: 'fill' });
    image = image.toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`sharp gave ${info.channels} channels for ${channels}`);
    const pixels: Pixels = { data, height: info.height, width: info.width, channels };
    const same =
      (found.format === 'png' || found.format === 'jpeg') &&
      found.depth === 'uchar' &&
      (found.space === 'b-w' || found.space === 'srgb') &&
      !found.hasAlpha &&
      (found.orientation ?? 1) === 1 &&
      channels === (isGrey ? 1 : 3) &&
      info.height === found.height &&
      info.width === found.width;
    return { pixels, storedAs: same ? (found.format as 'png' | 'jpeg') : undefined };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError(explain(error), { cause: error });
  }
}

/**
 * Writes pixels as PNG: 8 bits, grey or RGB, nothing but the pixels, and the same bytes for the same pixels.
 */
export async function encodePng(pixels: Pixels): Promise<Uint8Array> {
  const { data, height, width, channels } = pixels;
  if (data.length <= smallImageBytes) return encodePlainPng(pixels);
  return sharp(data, { raw: { height, width, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png({ compressionLevel: 6, adaptiveFiltering: false, palette: false, progressive: false })
    .toBuffer();
}

/** An image file that was read, with its bytes. */
export interface ReadImage extends DecodedImage {
  readonly bytes: Uint8Array;
}

/**
 * Reads and decodes an image file.
 * @returns the image, or why the file is none.
 */
export async function readImage(
  file: string,
  path: string,
  options?: PixelOptions,
): Promise<ReadImage | BadImage> {
  let bytes: Uint8Array;
  try {
    // Synchronous: a step's process has nothing else to do meanwhile, and this is five times faster on small files.
    bytes = readFileSync(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { path, reason: 'no longer there' };
    if (systemCode(error) === 'EACCES') return { path, reason: 'not allowed to be read' };
    throw error;
  }
  try {
    return { bytes, ...(await decodeImage(bytes, options)) };
  } catch (error) {
    if (error instanceof ImageError) return { path, reason: error.message };
    throw error;
  }
}

/** Whether a file turned out to be unreadable. */
export const isBadImage = (result: ReadImage | BadImage): result is BadImage => 'reason' in result;

const mostNamed = 20;

/** The bad files in order of path, one a line, at most twenty and the count of the rest. */
function listBad(bad: readonly BadImage[]): string[] {
  const sorted = [...bad].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const rest = bad.length - mostNamed;
  return [
    ...sorted.slice(0, mostNamed).map(({ path, reason }) => `  ${path}: ${reason}`),
    ...(rest > 0 ? [`  … and ${rest} more`] : []),
  ];
}

/**
 * Deals with files that cannot be read: fails, or says which are left out.
 * @param total how many files there are, the bad ones included.
 * @param shown the folder as the user wrote it.
 * @throws {StepError} naming the files, when they are to fail.
 */
export function settleBadImages(
  bad: readonly BadImage[],
  {
    total,
    shown,
    unreadable,
    log,
  }: { total: number; shown: string; unreadable: 'fail' | 'skip'; log(line: string): void },
): void {
  if (bad.length === 0) return;
  const head = `${bad.length} of ${total} files in ${shown} cannot be read as images`;
  if (unreadable === 'fail')
    throw new StepError(
      [`${head}:`, ...listBad(bad)].join('\n'),
      'remove or mend them, or set `unreadable: skip`',
    );
  log(`${head} and were left out:`);
  for (const line of listBad(bad)) log(line);
}
