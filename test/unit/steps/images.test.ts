import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage, encodePng, ImageError, isBadImage, readImage } from '../../../core/steps/images.ts';
import { imageFile, pattern } from '../../support/steps.ts';

const reasonOf = (bytes: Uint8Array) =>
  decodeImage(bytes).then(
    () => 'readable',
    (error: unknown) => {
      expect(error).toBeInstanceOf(ImageError);
      return (error as ImageError).message;
    },
  );

test('what is written as PNG is read back, grey and colour', async () => {
  for (const channels of [1, 3] as const) {
    const pixels = { ...pattern(3, { height: 5, width: 7, channels }), channels };
    const png = await encodePng(pixels);
    const back = await decodeImage(png);
    expect(back.storedAs).toBe('png');
    expect({ ...back.pixels, data: [...back.pixels.data] }).toEqual({ ...pixels, data: [...pixels.data] });
    expect(Buffer.compare(png, await encodePng(pixels))).toBe(0);
  }
});

test('only a plain PNG or JPEG counts as stored as it is', async () => {
  const stored = async (bytes: Uint8Array, options = {}) => (await decodeImage(bytes, options)).storedAs;
  expect(await stored(await imageFile(1, 'png'))).toBe('png');
  expect(await stored(await imageFile(1, 'jpeg'))).toBe('jpeg');
  expect(await stored(await imageFile(1, 'jpeg', { channels: 3 }))).toBe('jpeg');
  expect(await stored(await imageFile(1, 'png', { channels: 4 }))).toBe(undefined);
  expect(await stored(await imageFile(1, 'webp', { channels: 3 }))).toBe(undefined);
  expect(await stored(await imageFile(1, 'tiff'))).toBe(undefined);
  const png = await imageFile(1, 'png');
  expect(await stored(png, { size: [8, 8], channels: 1 })).toBe('png');
  expect(await stored(png, { size: [8, 9] })).toBe(undefined);
  expect(await stored(png, { channels: 3 })).toBe(undefined);
  const deep = await sharp(
    Uint16Array.from({ length: 16 }, (_, i) => i * 4000),
    {
      raw: { height: 4, width: 4, channels: 1 },
    },
  )
    .toColourspace('grey16')
    .png()
    .toBuffer();
  expect((await sharp(deep).metadata()).depth).toBe('ushort');
  const read = await decodeImage(deep);
  expect(read.storedAs).toBe(undefined);
  expect([...read.pixels.data.slice(0, 3)]).toEqual([0, 15, 31]);
});

test('a photo taken sideways is turned upright', async () => {
  // Three pixels, dark to bright from left to right; orientation 6 means "turn a quarter clockwise to view".
  const row = await sharp(Uint8Array.from([0, 120, 255]), { raw: { height: 1, width: 3, channels: 1 } })
    .toColourspace('b-w')
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const { pixels, storedAs } = await decodeImage(row, { channels: 1 });
  expect({ ...pixels, data: [...pixels.data] }).toEqual({
    data: [0, 120, 255],
    height: 3,
    width: 1,
    channels: 1,
  });
  expect(storedAs).toBe(undefined);
});

test('transparent parts become white', async () => {
  const half = await sharp(Uint8Array.from([10, 20, 30, 255, 10, 20, 30, 0]), {
    raw: { height: 1, width: 2, channels: 4 },
  })
    .png()
    .toBuffer();
  const { pixels } = await decodeImage(half);
  expect([...pixels.data]).toEqual([10, 20, 30, 255, 255, 255]);
});

test('sizes are height first, channels are converted', async () => {
  const colour = await imageFile(2, 'png', { height: 6, width: 10, channels: 3 });
  const { pixels } = await decodeImage(colour, { size: [3, 5], channels: 1 });
  expect({ ...pixels, data: pixels.data.length }).toEqual({ height: 3, width: 5, channels: 1, data: 15 });
  const grey = await decodeImage(await imageFile(2), { channels: 3 });
  expect(grey.pixels.data.length).toBe(8 * 8 * 3);
  expect(grey.pixels.data[0]).toBe(grey.pixels.data[2]);
});

test('bytes that are no image say why', async () => {
  const png = await imageFile(1, 'png', { height: 50, width: 50 });
  const jpeg = await imageFile(1, 'jpeg', { height: 50, width: 50 });
  const flipped = Buffer.from(png);
  flipped[png.length >> 1]! ^= 0xff;
  expect({
    empty: await reasonOf(new Uint8Array(0)),
    text: await reasonOf(Buffer.from('hello, I am text')),
    svg: await reasonOf(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>')),
    'half a PNG': await reasonOf(png.subarray(0, png.length >> 1)),
    'half a JPEG': await reasonOf(jpeg.subarray(0, jpeg.length >> 1)),
    'the head of a PNG': await reasonOf(png.subarray(0, 30)),
    'a PNG with a wrong byte': await reasonOf(flipped),
  }).toMatchInlineSnapshot(`
    {
      "a PNG with a wrong byte": "damaged or cut short",
      "empty": "an empty file",
      "half a JPEG": "damaged or cut short",
      "half a PNG": "damaged or cut short",
      "svg": "svg, which has no pixels to learn from",
      "text": "not an image",
      "the head of a PNG": "damaged or cut short",
    }
  `);
});

test('a file that is gone is a bad image, not a crash', async () => {
  const result = await readImage('/nowhere/a.png', 'cat/a.png');
  expect(isBadImage(result) && result).toEqual({ path: 'cat/a.png', reason: 'no longer there' });
});
