import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { run as augment } from '../../../core/steps/augment.ts';
import { decodeImage } from '../../../core/steps/images.ts';
import { Random } from '../../../core/steps/random.ts';
import { applyVariation } from '../../../core/steps/variation.ts';
import { imageFile, stepErrorOf, stepFolder } from '../../support/steps.ts';

type Folder = Awaited<ReturnType<typeof stepFolder>>;

/** Two classes, 5 and 2 images: grey and colour, PNG, JPEG and WebP. */
async function images(): Promise<Folder> {
  const folder = await stepFolder();
  for (let i = 0; i < 4; i++) await folder.write(`raw/cat/${i}.png`, await imageFile(i));
  await folder.write('raw/cat/photo.jpg', await imageFile(5, 'jpeg', { channels: 3, height: 6, width: 10 }));
  await folder.write('raw/dog/a.webp', await imageFile(6, 'webp', { channels: 3 }));
  await folder.write('raw/dog/b, c.png', await imageFile(7));
  return folder;
}

const args = { from: 'raw', to: 'out', total: 20, noise: 0.02, seed: 3 };

async function perClass(folder: Folder): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of (await folder.files('out')).keys())
    if (name.includes('/')) counts[name.split('/')[0]!] = (counts[name.split('/')[0]!] ?? 0) + 1;
  return counts;
}

async function lineage(folder: Folder): Promise<{ output: string; source: string; operations: string }[]> {
  const lines = (await folder.read('out/lineage.csv')).toString().split('\r\n');
  expect(lines[0]).toBe('output,source,operations');
  expect(lines.at(-1)).toBe('');
  return lines.slice(1, -1).map((line) => {
    const fields = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) =>
      m[1]!.replace(/^"(.*)"$/, '$1'),
    );
    return { output: fields[0]!, source: fields[1]!, operations: fields[2]! };
  });
}

test('every class is filled up to its share of the cap, originals unchanged', async () => {
  await using folder = await images();
  const log = await folder.run('augment', augment, args);
  expect(await perClass(folder)).toEqual({ cat: 10, dog: 10 });
  const out = await folder.files('out');
  for (const [name, bytes] of await folder.files('raw')) expect(out.get(name)).toEqual(bytes);
  expect(log).toEqual(['20 images of 2 classes: 7 originals, 13 variants']);
});

test('variants are images of their source’s size and colours, and no two are the same', async () => {
  await using folder = await images();
  await folder.run('augment', augment, args);
  const seen = new Set<string>();
  for (const { output, source } of await lineage(folder)) {
    const bytes = await folder.read(`out/${output}`);
    seen.add(bytes.toString('latin1'));
    const { height, width, channels } = (await decodeImage(await folder.read(`raw/${source}`))).pixels;
    expect((await decodeImage(bytes)).pixels).toMatchObject({ height, width, channels });
  }
  expect(seen.size).toBe(20);
});

test('the same seed gives the same bytes on any number of threads; another seed, others', async () => {
  await using folder = await images();
  await folder.run('augment', augment, args, { threads: 1 });
  const first = await folder.files('out');
  await folder.run('augment', augment, args, { threads: 5 });
  expect(await folder.files('out')).toEqual(first);
  await folder.run('augment', augment, { ...args, seed: 4 });
  const other = await folder.files('out');
  expect([...other.keys()]).not.toEqual([]);
  const name = [...first.keys()].find((key) => key.includes('-aug-') && other.has(key))!;
  expect(other.get(name)).not.toEqual(first.get(name));
});

test('the order of the directory and the other images do not change a variant', async () => {
  await using folder = await images();
  await folder.run('augment', augment, args);
  const first = await folder.files('out');
  await folder.write('raw/cat/00.png', await imageFile(20));
  await folder.write('raw/emu/1.png', await imageFile(21));
  await folder.run('augment', augment, { ...args, total: 30 });
  const second = await folder.files('out');
  const shared = [...first.keys()].filter((name) => name.includes('-aug-') && second.has(name));
  expect(shared.length).toBeGreaterThan(8);
  for (const name of shared) expect(second.get(name)).toEqual(first.get(name));
});

test('lineage names source and operations of every image, exactly enough to make it again', async () => {
  await using folder = await images();
  await folder.run('augment', augment, { ...args, noise: 0 });
  const lines = await lineage(folder);
  expect(lines.map((line) => line.output).sort()).toEqual(
    [...(await folder.files('out')).keys()].filter((name) => name !== 'lineage.csv'),
  );
  const variants = lines.filter((line) => line.operations !== 'copy');
  expect(variants.length).toBe(13);
  expect(
    lines.filter((line) => line.operations === 'copy').every((line) => line.output === line.source),
  ).toBe(true);
  for (const { output, source, operations } of variants) {
    const [rotate, zoom, crop, brightness] = operations.split(' ').map((part) => part.split('=')[1]!);
    const [left, top, right, bottom] = crop!.split('/').map(Number);
    const { pixels } = await decodeImage(await folder.read(`raw/${source}`));
    const again = applyVariation(
      pixels,
      {
        rotate: Number(rotate),
        zoom: Number(zoom),
        crop: { left: left!, top: top!, right: right!, bottom: bottom! },
        brightness: Number(brightness),
        noise: 0,
      },
      new Random('unused'),
    );
    const made = await decodeImage(await folder.read(`out/${output}`));
    expect(Buffer.compare(made.pixels.data, again.data)).toBe(0);
  }
});

test('more originals than the cap: a seeded sample, and it is said', async () => {
  await using folder = await images();
  const log = await folder.run('augment', augment, { ...args, total: 6 });
  expect(await perClass(folder)).toEqual({ cat: 3, dog: 3 });
  expect(log).toEqual([
    '2 of 7 originals were left out: the cap is 6 images',
    '6 images of 2 classes: 5 originals, 1 variants',
  ]);
});

test('without balance the classes keep their proportions', async () => {
  await using folder = await images();
  await folder.run('augment', augment, { ...args, total: 21, balance: false });
  expect(await perClass(folder)).toEqual({ cat: 15, dog: 6 });
});

test('a photo taken sideways gives upright variants', async () => {
  await using folder = await stepFolder();
  const sideways = await sharp(await imageFile(1, 'jpeg', { height: 4, width: 12, channels: 3 }))
    .withMetadata({ orientation: 6 })
    .toBuffer();
  await folder.write('raw/a/x.jpg', sideways);
  await folder.run('augment', augment, { ...args, total: 2 });
  const { pixels } = await decodeImage(await folder.read('out/a/x-aug-0001.png'));
  expect([pixels.height, pixels.width]).toEqual([12, 4]);
});

test('an empty class, a bad file, a cap below the classes and a stranger’s folder are named', async () => {
  await using folder = await images();
  const message = (change: object = {}) =>
    stepErrorOf(folder.run('augment', augment, { ...args, ...change }));
  await mkdir(folder.at('raw/emu'));
  expect(await message()).toBe('the class emu of raw has no images');
  await folder.write('raw/emu/words.txt', 'words');
  expect(await message()).toBe(
    '1 of 8 files in raw cannot be read as images:\n  emu/words.txt: not an image',
  );
  expect(await message({ unreadable: 'skip' })).toBe('the class emu of raw has no images');
  await folder.write('raw/emu/e.png', await imageFile(8));
  const log = await folder.run('augment', augment, { ...args, unreadable: 'skip', total: 9 });
  expect(log[0]).toBe('1 of 9 files in raw cannot be read as images and were left out:');
  expect(await perClass(folder)).toEqual({ cat: 5, dog: 2, emu: 2 });
  expect(await message({ total: 2 })).toBe('total is 2, but raw has 3 classes');
  await folder.write('mine/a/x.png', 'x');
  expect(await message({ to: 'mine', unreadable: 'skip' })).toBe(
    'mine holds files that this step did not write; they were kept',
  );
});

test('a stopped step leaves the older output and nothing else', async () => {
  await using folder = await images();
  await folder.run('augment', augment, args);
  const before = await folder.files('.');
  const controller = new AbortController();
  const stopped = folder.run(
    'augment',
    augment,
    { ...args, seed: 9, total: 2000 },
    { signal: controller.signal },
  );
  const outcome = expect(stopped).rejects.toThrow('stopped');
  while (!existsSync(folder.at('.out.partial/lineage.csv'))) await new Promise(setImmediate);
  controller.abort(new Error('stopped'));
  await outcome;
  expect(await folder.files('.')).toEqual(before);
});
