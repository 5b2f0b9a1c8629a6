import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRecordFolder, recordFileName } from '../../../core/steps/records.ts';
import { stepErrorOf, stepFolder } from '../../support/steps.ts';

test('the files and classes of a folder are listed in order', async () => {
  await using folder = await stepFolder();
  await folder.write('r/classes.txt', 'b\na\n');
  for (const index of [2, 0, 1]) await folder.write(`r/${recordFileName(index, 3)}`, '');
  await folder.write('r/notes.txt', '');
  expect(await readRecordFolder(folder.at('r'))).toEqual({
    classes: ['b', 'a'],
    files: [0, 1, 2].map((index) => join(folder.at('r'), `data-0000${index}-of-00003.tfrecord`)),
  });
});

test('what is missing or does not belong is named', async () => {
  await using folder = await stepFolder();
  const message = async () =>
    (await stepErrorOf(readRecordFolder(folder.at('r')))).replaceAll(folder.directory, '.');
  const messages = [await message()];
  await folder.write('r/x', '');
  messages.push(await message());
  await folder.write('r/data-00000-of-00002.tfrecord', '');
  messages.push(await message());
  await folder.write('r/data-00001-of-00002.tfrecord', '');
  messages.push(await message());
  await folder.write('r/classes.txt', '');
  messages.push(await message());
  await folder.write('r/classes.txt', 'a\nb\na\n');
  messages.push(await message());
  await folder.write('r/data-00000-of-00001.tfrecord', '');
  messages.push(await message());
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "./r does not exist
    ./r holds no record files (data-*.tfrecord)
    ./r lacks data-00001-of-00002.tfrecord
    ./r/classes.txt does not exist
    ./r/classes.txt names no classes
    ./r/classes.txt names the class "a" twice
    ./r holds data-00000-of-00002.tfrecord, which does not belong to the set of data-00000-of-00001.tfrecord"
  `);
});
