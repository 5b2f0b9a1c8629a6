import fc from 'fast-check';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { Pixels } from '../../../core/steps/images.ts';
import { decodePlainPng, encodePlainPng } from '../../../core/steps/png.ts';
import { imageFile, pattern } from '../../support/steps.ts';

const plain = (pixels: Pixels | undefined) => pixels && { ...pixels, data: [...pixels.data] };

const image: fc.Arbitrary<Pixels> = fc
  .record({
    height: fc.integer({ min: 1, max: 12 }),
    width: fc.integer({ min: 1, max: 12 }),
    channels: fc.constantFrom(1 as const, 3 as const),
    // Small steps from pixel to pixel make an encoder choose all five filters.
    steps: fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 20, maxLength: 20 }),
  })
  .map(({ height, width, channels, steps }) => {
    let value = 100;
    const data = Uint8Array.from({ length: height * width * channels }, (_, i) => {
      value += steps[(i * 7 + (i >> 3)) % 20]!;
      return value;
    });
    return { data, height, width, channels };
  });

const toSharp = ({ data, height, width, channels }: Pixels) =>
  sharp(data, { raw: { height, width, channels } }).toColourspace(channels === 1 ? 'b-w' : 'srgb');

test('what is written, sharp reads; what sharp writes, filters included, is read', async () => {
  const filters = new Set<boolean>();
  await fc.assert(
    fc.asyncProperty(image, fc.boolean(), async (pixels, adaptiveFiltering) => {
      filters.add(adaptiveFiltering);
      const ours = encodePlainPng(pixels);
      expect(plain(decodePlainPng(ours))).toEqual(plain(pixels));
      const read = await sharp(ours, { failOn: 'warning' })
        .toColourspace(pixels.channels === 1 ? 'b-w' : 'srgb')
        .raw()
        .toBuffer();
      expect([...read]).toEqual([...pixels.data]);
      const theirs = await toSharp(pixels).png({ adaptiveFiltering }).toBuffer();
      expect(plain(decodePlainPng(theirs))).toEqual(plain(pixels));
    }),
  );
  expect(filters.size).toBe(2);
});

test('what is not small and plain is left to sharp', async () => {
  const pixels: Pixels = { ...pattern(1), channels: 1 };
  expect(decodePlainPng(await toSharp(pixels).png().toBuffer())).toBeDefined();
  const others = {
    transparent: await imageFile(1, 'png', { channels: 4 }),
    interlaced: await toSharp(pixels).png({ progressive: true }).toBuffer(),
    palette: await toSharp(pixels).png({ palette: true }).toBuffer(),
    'with EXIF data': await toSharp(pixels).withMetadata({ orientation: 6 }).png().toBuffer(),
    large: await imageFile(1, 'png', { height: 300, width: 300 }),
    jpeg: await imageFile(1, 'jpeg'),
    nothing: Buffer.alloc(0),
  };
  for (const [name, bytes] of Object.entries(others))
    expect([name, decodePlainPng(bytes)]).toEqual([name, undefined]);
});

test('every cut and every wrong byte is noticed', async () => {
  const good = Buffer.from(encodePlainPng({ ...pattern(2), channels: 1 }));
  for (let at = 0; at < good.length; at++) {
    expect(decodePlainPng(good.subarray(0, at))).toBe(undefined);
    const bad = Buffer.from(good);
    bad[at]! ^= 1;
    expect(decodePlainPng(bad)).toBe(undefined);
  }
});
