import { expect, test } from 'vitest';
import { run as convert } from '../../../core/steps/convert.ts';
import { run as extract } from '../../../core/steps/extract.ts';
import { decodeImage } from '../../../core/steps/images.ts';
import { type ImageExample, writeExamples } from '../../../core/steps/tfrecord.ts';
import { imageFile, stepErrorOf, stepFolder } from '../../support/steps.ts';

const example = (name: string, more: Partial<ImageExample> = {}): ImageExample => ({
  label: 0,
  className: 'a',
  image: Uint8Array.from([1, 2]),
  name,
  height: 1,
  width: 2,
  channels: 1,
  format: 'jpeg',
  ...more,
});

test('what convert kept as it was comes back byte for byte under its name', async () => {
  await using folder = await stepFolder();
  await folder.write('raw/cat/b.png', await imageFile(1));
  await folder.write('raw/cat/deep/a.JPEG', await imageFile(2, 'jpeg'));
  await folder.write('raw/dog/b.png', await imageFile(3, 'png', { channels: 3 }));
  await folder.run('convert', convert, { from: 'raw', to: 'records', shards: 2 });
  const log = await folder.run('extract', extract, { from: 'records', to: 'back' });
  const back = await folder.files('back');
  expect(back.get('lineage.csv')?.toString()).toBe(
    [
      'output,source,operations',
      'cat/b.png,data-00000-of-00002.tfrecord#0,extract',
      'dog/b.png,data-00000-of-00002.tfrecord#1,extract',
      'cat/deep/a.JPEG,data-00001-of-00002.tfrecord#0,extract',
      '',
    ].join('\r\n'),
  );
  back.delete('lineage.csv');
  expect(back).toEqual(await folder.files('raw'));
  expect(log).toEqual(['3 images of 2 classes']);
  // Again over its own output, and records from it are the same.
  await folder.run('extract', extract, { from: 'records', to: 'back' });
  await folder.run('convert', convert, { from: 'back', to: 'again', shards: 2 });
  expect(await folder.files('again')).toEqual(await folder.files('records'));
});

test('names get the extension of their format, and none replaces another', async () => {
  await using folder = await stepFolder();
  await folder.write('records/classes.txt', 'a\n');
  await writeExamples(folder.at('records/data-00000-of-00001.tfrecord'), [
    example('a/x.webp'),
    example('a/x.jpg'),
    example(''),
    example('/elsewhere/y.tif', { format: 'raw', image: Uint8Array.from([7, 200]) }),
  ]);
  await folder.run('extract', extract, { from: 'records', to: 'back' });
  const back = await folder.files('back');
  expect([...back.keys()]).toEqual(['a/image.jpg', 'a/x-2.jpg', 'a/x.jpg', 'a/y.png', 'lineage.csv']);
  expect([...(await decodeImage(back.get('a/y.png')!)).pixels.data]).toEqual([7, 200]);
});

test('records that would write outside the folder are refused', async () => {
  await using folder = await stepFolder();
  const message = async (classes: string, record: ImageExample) => {
    await folder.write('records/classes.txt', classes);
    await writeExamples(folder.at('records/data-00000-of-00001.tfrecord'), [record]);
    return stepErrorOf(folder.run('extract', extract, { from: 'records', to: 'back' }));
  };
  expect([
    await message('a\n', example('a/../../x.png')),
    await message('a\n', example('a/.git/config')),
    await message('a\n', example('..')),
    await message('a\n', example('a/b\\..\\c.png')),
    await message('../a\n', example('x.png')),
    await message('a\n', example('a/x.png', { label: 1 })),
    await message('a\n', example('a/x.png', { format: 'raw', channels: 2, width: 1 })),
  ]).toMatchInlineSnapshot(`
    [
      "record data-00000-of-00001.tfrecord#0 of records has the name "a/../../x.png", which cannot be a file name",
      "record data-00000-of-00001.tfrecord#0 of records has the name "a/.git/config", which cannot be a file name",
      "record data-00000-of-00001.tfrecord#0 of records has the name "..", which cannot be a file name",
      "record data-00000-of-00001.tfrecord#0 of records has the name "a/b\\\\..\\\\c.png", which cannot be a file name",
      "records has a class "../a", which cannot be a folder name",
      "record data-00000-of-00001.tfrecord#0 of records has label 1, but there are 1 classes",
      "record data-00000-of-00001.tfrecord#0 of records has raw pixels of 1×1×2; 1 or 3 channels can be written",
    ]
  `);
  expect([...(await folder.files('.')).keys()].filter((name) => !name.startsWith('records/'))).toEqual([]);
});
