import { mkdir, rm, symlink } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { run as convert } from '../../../core/steps/convert.ts';
import { decodeImage } from '../../../core/steps/images.ts';
import { type ImageExample, readExamples } from '../../../core/steps/tfrecord.ts';
import { imageFile, stepErrorOf, stepFolder } from '../../support/steps.ts';

type Folder = Awaited<ReturnType<typeof stepFolder>>;

async function records(folder: Folder, path: string): Promise<ImageExample[]> {
  const examples: ImageExample[] = [];
  for await (const example of readExamples(folder.at(path))) examples.push(example);
  return examples;
}

/** Three classes: a grey PNG, a colour JPEG and one in a subfolder; a WebP; and what systems leave behind. */
async function animals(): Promise<Folder> {
  const folder = await stepFolder();
  await folder.write('raw/cat/b.png', await imageFile(1));
  await folder.write('raw/cat/a.jpg', await imageFile(2, 'jpeg', { channels: 3, height: 5, width: 9 }));
  await folder.write('raw/dog/night/c.png', await imageFile(3));
  await folder.write('raw/Ant/d.webp', await imageFile(4, 'webp', { channels: 3 }));
  await folder.write('raw/cat/.DS_Store', 'x');
  await folder.write('raw/cat/Thumbs.db', 'x');
  await folder.write('raw/.hidden/e.png', 'x');
  await folder.write('raw/lineage.csv', 'x');
  return folder;
}

const one = 'records/data-00000-of-00001.tfrecord';

test('images become records in order of class and name, labels follow classes.txt', async () => {
  await using folder = await animals();
  const log = await folder.run('convert', convert, { from: 'raw', to: 'records' });
  expect((await folder.read('records/classes.txt')).toString()).toBe('Ant\ncat\ndog\n');
  expect([...(await folder.files('records')).keys()]).toEqual([
    'classes.txt',
    'data-00000-of-00001.tfrecord',
  ]);
  const examples = await records(folder, one);
  expect(examples.map(({ image, ...rest }) => Object.values(rest).join(' '))).toMatchInlineSnapshot(`
    [
      "0 Ant Ant/d.webp 8 8 3 png",
      "1 cat cat/a.jpg 5 9 3 jpeg",
      "1 cat cat/b.png 8 8 1 png",
      "2 dog dog/night/c.png 8 8 1 png",
    ]
  `);
  expect(log).toMatchInlineSnapshot(`
    [
      "4 images of 3 classes, 1 kB, in 1 record file",
    ]
  `);
});

test('PNG and JPEG bytes are kept as they are; others become PNG of the same pixels', async () => {
  await using folder = await animals();
  await folder.run('convert', convert, { from: 'raw', to: 'records' });
  const [webp, jpeg, png] = await records(folder, one);
  expect(Buffer.compare(jpeg!.image, await folder.read('raw/cat/a.jpg'))).toBe(0);
  expect(Buffer.compare(png!.image, await folder.read('raw/cat/b.png'))).toBe(0);
  const before = await decodeImage(await folder.read('raw/Ant/d.webp'));
  const after = await decodeImage(webp!.image);
  expect(after.storedAs).toBe('png');
  expect(Buffer.compare(after.pixels.data, before.pixels.data)).toBe(0);
});

test('size and channels are what was asked for', async () => {
  await using folder = await animals();
  await folder.run('convert', convert, { from: 'raw', to: 'records', size: [4, 6], channels: 3 });
  for (const example of await records(folder, one)) {
    expect(example).toMatchObject({ height: 4, width: 6, channels: 3, format: 'png' });
    expect((await decodeImage(example.image)).pixels).toMatchObject({ height: 4, width: 6, channels: 3 });
  }
});

test('the same images give the same bytes, on one thread or four', async () => {
  await using folder = await animals();
  await folder.run('convert', convert, { from: 'raw', to: 'records', shards: 2 }, { threads: 1 });
  const first = await folder.files('records');
  await folder.run('convert', convert, { from: 'raw', to: 'records', shards: 2 }, { threads: 4 });
  expect(await folder.files('records')).toEqual(first);
  expect([...first.keys()]).toEqual([
    'classes.txt',
    'data-00000-of-00002.tfrecord',
    'data-00001-of-00002.tfrecord',
  ]);
  const names = await Promise.all(
    [0, 1].map((i) => records(folder, `records/data-0000${i}-of-00002.tfrecord`)),
  );
  expect(names.map((shard) => shard.map((example) => example.name))).toEqual([
    ['Ant/d.webp', 'cat/b.png'],
    ['cat/a.jpg', 'dog/night/c.png'],
  ]);
  // Fewer files than before: none of the older set stays behind.
  await folder.run('convert', convert, { from: 'raw', to: 'records' });
  expect([...(await folder.files('records')).keys()]).toEqual([
    'classes.txt',
    'data-00000-of-00001.tfrecord',
  ]);
});

test('listed classes give the labels, and must be those of the folders', async () => {
  await using folder = await animals();
  await folder.run('convert', convert, { from: 'raw', to: 'records', classes: ['dog', 'cat', 'Ant'] });
  expect((await records(folder, one)).map((e) => `${e.className} ${e.label}`)).toEqual([
    'Ant 2',
    'cat 1',
    'cat 1',
    'dog 0',
  ]);
  const message = (classes: string[]) =>
    stepErrorOf(folder.run('convert', convert, { from: 'raw', to: 'records', classes }));
  expect(await message(['dog', 'Ant'])).toBe('raw has class folders that `classes` does not list: cat');
  expect(await message(['dog', 'Ant', 'cat', 'emu'])).toBe('the class emu of raw has no images');
  expect(await message(['dog', 'Ant', 'cat', 'dog'])).toBe('the class dog is listed twice under `classes`');
});

test('files that are no images fail the step by name, and nothing is written', async () => {
  await using folder = await animals();
  await folder.write('raw/dog/notes.txt', 'a note');
  await folder.write('raw/cat/empty.png', '');
  await folder.write('raw/cat/half.png', (await imageFile(9)).subarray(0, 80));
  await symlink('nowhere', folder.at('raw/Ant/gone.png'));
  expect(
    await stepErrorOf(folder.run('convert', convert, { from: 'raw', to: 'records' })),
  ).toMatchInlineSnapshot(`
    "4 of 8 files in raw cannot be read as images:
      Ant/gone.png: a link that leads nowhere
      cat/empty.png: an empty file
      cat/half.png: damaged or cut short
      dog/notes.txt: not an image"
  `);
  expect([...(await folder.files('.')).keys()].filter((name) => !name.startsWith('raw/'))).toEqual([]);
});

test('with `unreadable: skip` they are left out and said', async () => {
  await using folder = await animals();
  for (let i = 0; i < 25; i++) await folder.write(`raw/dog/note-${String(i).padStart(2, '0')}.txt`, 'a note');
  const log = await folder.run('convert', convert, { from: 'raw', to: 'records', unreadable: 'skip' });
  expect((await records(folder, one)).length).toBe(4);
  expect([log[0], log[1], log[20], log[21], log[22]]).toMatchInlineSnapshot(`
    [
      "25 of 29 files in raw cannot be read as images and were left out:",
      "  dog/note-00.txt: not an image",
      "  dog/note-19.txt: not an image",
      "  … and 5 more",
      "4 images of 3 classes, 1 kB, in 1 record file",
    ]
  `);
  await rm(folder.at('raw/dog/night'), { recursive: true });
  const all = folder.run('convert', convert, { from: 'raw', to: 'records', unreadable: 'skip' });
  expect(await stepErrorOf(all)).toBe('the class dog of raw has no images');
  expect((await records(folder, one)).length).toBe(4);
});

test('folders that cannot be converted say why', async () => {
  await using folder = await stepFolder();
  const message = (from: string, to = 'records') => stepErrorOf(folder.run('convert', convert, { from, to }));
  await folder.write('flat/a.png', await imageFile(1));
  await folder.write('ok/a/a.png', await imageFile(1));
  await mkdir(folder.at('ok/empty'));
  await folder.write('mine/thesis.txt', 'x');
  expect([
    await message('missing'),
    await message('flat/a.png'),
    await message('flat'),
    await message('ok'),
    await message('ok', 'ok/a/records'),
    await message('ok', '.'),
  ]).toMatchInlineSnapshot(`
    [
      "missing does not exist",
      "flat/a.png is not a folder",
      "flat has no class folders",
      "the class empty of ok has no images",
      "ok/a/records and ok overlap: a step cannot write into what it reads",
      ". and ok overlap: a step cannot write into what it reads",
    ]
  `);
  await rm(folder.at('ok/empty'), { recursive: true });
  expect(await message('ok', 'mine')).toBe('mine holds files that this step did not write; they were kept');
  expect((await folder.read('mine/thesis.txt')).toString()).toBe('x');
});

test('links to files are read, as a cache may put them in place of files', async () => {
  await using folder = await stepFolder();
  await folder.write('cache/x', await imageFile(1));
  await mkdir(folder.at('raw/a'), { recursive: true });
  await symlink('../../cache/x', folder.at('raw/a/1.png'));
  await folder.run('convert', convert, { from: 'raw', to: 'records' });
  expect((await records(folder, one)).map((e) => e.name)).toEqual(['a/1.png']);
});

test('a stopped step leaves the older output and nothing else', async () => {
  await using folder = await animals();
  await folder.run('convert', convert, { from: 'raw', to: 'records' });
  const before = await folder.files('.');
  const signal = AbortSignal.abort(new Error('stopped'));
  await folder.write('raw/cat/new.png', await imageFile(7));
  await expect(folder.run('convert', convert, { from: 'raw', to: 'records' }, { signal })).rejects.toThrow(
    'stopped',
  );
  await rm(folder.at('raw/cat/new.png'));
  expect(await folder.files('.')).toEqual(before);
});
