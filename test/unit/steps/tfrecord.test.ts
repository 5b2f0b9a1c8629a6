import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StepError } from '../../../core/model/step.ts';
import { maskedCrc32c } from '../../../core/steps/crc32c.ts';
import { encodeExample, type WritableFeature } from '../../../core/steps/example-proto.ts';
import { type ImageExample, readExamples, writeExamples } from '../../../core/steps/tfrecord.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dv-tfrecord-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function readAll(file: string): Promise<ImageExample[]> {
  const examples: ImageExample[] = [];
  for await (const example of readExamples(file)) examples.push(example);
  return examples;
}

const raw = (label: number, pixels: number[]): ImageExample => ({
  label,
  className: `class ${label}`,
  image: Uint8Array.from(pixels),
  name: `${label}/ä.png`,
  height: 1,
  width: pixels.length,
  channels: 1,
  format: 'raw',
});

/** A record around any bytes, framed by hand. */
function record(data: Uint8Array): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(data.length));
  header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc32c(data));
  return Buffer.concat([header, data, footer]);
}

const features = (entries: Record<string, WritableFeature>) =>
  encodeExample(new Map(Object.entries(entries)));
const int64 = (...values: number[]): WritableFeature => ({ kind: 'int64', values });
const bytes = (...values: (string | number[])[]): WritableFeature => ({
  kind: 'bytes',
  values: values.map((value) => Buffer.from(value as string)),
});

async function errorOf(file: string): Promise<string> {
  const error = await readAll(file).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StepError);
  return (error as StepError).message.replace(file, 'FILE');
}

test('what is written is read back, across read-ahead borders', async () => {
  const file = join(folder, 'round/trip.tfrecord');
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          label: fc.nat(),
          className: fc.string({ unit: 'grapheme' }),
          image: fc.uint8Array({ maxLength: 50 }),
          name: fc.string(),
          height: fc.nat(),
          width: fc.nat(),
          channels: fc.constantFrom(1, 3),
          format: fc.constantFrom('png' as const, 'jpeg' as const),
        }),
        { maxLength: 4 },
      ),
      async (examples) => {
        expect(await writeExamples(file, examples)).toBe(examples.length);
        expect(await readAll(file)).toEqual(examples);
      },
    ),
    { numRuns: 30 },
  );
  const big = [700_000, 1, 1_048_576, 3_000_000, 5].map((length, i) =>
    raw(
      i,
      Array.from({ length }, (_, k) => (k * 31 + i) & 255),
    ),
  );
  await writeExamples(file, big);
  const back = await readAll(file);
  expect(back.map((e) => e.image.length)).toEqual(big.map((e) => e.image.length));
  expect(back.every((e, i) => Buffer.compare(e.image, big[i]!.image) === 0)).toBe(true);
});

test('a file of no records is empty and readable', async () => {
  const file = join(folder, 'none.tfrecord');
  expect(await writeExamples(file, [])).toBe(0);
  expect((await readFile(file)).length).toBe(0);
  expect(await readAll(file)).toEqual([]);
});

test('a source that fails leaves the older file and nothing half-written', async () => {
  const own = join(folder, 'atomic');
  const file = join(own, 'a.tfrecord');
  await writeExamples(file, [raw(1, [1])]);
  async function* failing() {
    yield raw(2, [2]);
    throw new Error('no more');
  }
  await expect(writeExamples(file, failing())).rejects.toThrow('no more');
  expect(await readdir(own)).toEqual(['a.tfrecord']);
  expect(await readAll(file)).toEqual([raw(1, [1])]);
});

test('every byte of damage is found, and the record’s offset named', async () => {
  const file = join(folder, 'damaged.tfrecord');
  await writeExamples(file, [raw(0, [1, 2, 3]), raw(1, [4, 5, 6])]);
  const good = await readFile(file);
  const second = good.length / 2;
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at]! ^= 0x10;
    await writeFile(file, bad);
    expect(await errorOf(file)).toContain(`FILE: byte ${at < second ? 0 : second}: `);
  }
  for (let length = 1; length < good.length; length++) {
    if (length === second) continue;
    await writeFile(file, good.subarray(0, length));
    expect(await errorOf(file)).toMatch(
      new RegExp(`^FILE: byte ${length < second ? 0 : second}: .*(file ends)`),
    );
  }
});

test('a length that cannot be is refused before memory is asked for', async () => {
  const file = join(folder, 'huge.tfrecord');
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(2n ** 63n);
  header.writeUInt32LE(maskedCrc32c(header.subarray(0, 8)), 8);
  await writeFile(file, Buffer.concat([header, Buffer.alloc(100)]));
  expect(await errorOf(file)).toMatchInlineSnapshot(
    `"FILE: byte 0: the record should have 9223372036854776000 bytes, but the file ends before"`,
  );
});

test('records of other programs need only a label and an image', async () => {
  const file = join(folder, 'foreign.tfrecord');
  const png = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0];
  await writeFile(
    file,
    record(features({ image_raw: bytes(png), label: int64(4), 'image/source': bytes('x') })),
  );
  expect(await readAll(file)).toEqual([
    {
      label: 4,
      className: '',
      image: Uint8Array.from(png),
      name: '',
      height: 0,
      width: 0,
      channels: 0,
      format: 'png',
    },
  ]);
});

test('a record that is no image says what is wrong with it', async () => {
  const file = join(folder, 'wrong.tfrecord');
  const first = record(features({ label: int64(1), image_raw: bytes([255, 216, 255]) }));
  const messages: string[] = [];
  for (const data of [
    features({ image_raw: bytes('x') }),
    features({ label: int64(1) }),
    features({ label: bytes('seven'), image_raw: bytes('x') }),
    features({ label: int64(1, 2), image_raw: bytes('x') }),
    features({ label: int64(1), image_raw: bytes('x'), format: bytes('bmp') }),
    features({
      label: int64(1),
      image_raw: bytes('xy'),
      height: int64(1),
      width: int64(1),
      channels: int64(1),
    }),
    Buffer.from('not a message'),
  ]) {
    await writeFile(file, Buffer.concat([first, record(data)]));
    messages.push(await errorOf(file));
  }
  expect(messages.join('\n').replaceAll(`byte ${first.length}:`, 'byte SECOND:')).toMatchInlineSnapshot(`
    "FILE: byte SECOND: the record has no label (int64)
    FILE: byte SECOND: the record has no image_raw (bytes)
    FILE: byte SECOND: the record has bytes under label, expected int64
    FILE: byte SECOND: the record has 2 values of int64 under label, expected one
    FILE: byte SECOND: the record has images of format bmp; png, jpeg and raw are known
    FILE: byte SECOND: the record has 2 raw pixel bytes for height 1, width 1, channels 1
    FILE: byte SECOND: the record uses wire type 6, which is none"
  `);
});

test('a file that is not there is named', async () => {
  expect(await errorOf(join(folder, 'missing.tfrecord'))).toBe('FILE does not exist');
});

test('a file written by TensorFlow is read, and writing it again gives the same bytes', async () => {
  const theirs = new URL('../../fixtures/records/tensorflow.tfrecord', import.meta.url).pathname;
  const examples = await readAll(theirs);
  expect(examples.map(({ image, ...rest }) => ({ ...rest, bytes: image.length }))).toMatchInlineSnapshot(`
    [
      {
        "bytes": 6,
        "channels": 3,
        "className": "cat",
        "format": "raw",
        "height": 1,
        "label": 0,
        "name": "cat/a.png",
        "width": 2,
      },
      {
        "bytes": 76,
        "channels": 1,
        "className": "hünd",
        "format": "png",
        "height": 10,
        "label": 300,
        "name": "hünd/b.png",
        "width": 20,
      },
    ]
  `);
  expect([...examples[0]!.image]).toEqual([0, 1, 2, 3, 4, 5]);
  const ours = join(folder, 'ours.tfrecord');
  await writeExamples(ours, examples);
  expect(Buffer.compare(await readFile(ours), await readFile(theirs))).toBe(0);
});
