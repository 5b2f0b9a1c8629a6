import { mkdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { flushFiles, flushFolders } from '../../../core/store/flush.ts';
import { temporaryFolder } from '../../support/git-folder.ts';

test.each([0, 1, 16, 17, 100])('%i files and folders are flushed', async (count) => {
  using folder = temporaryFolder();
  const files = Array.from({ length: count }, (_, i) => folder.write(`f${i}`, 'x'));
  const folders = files.map((file) => `${file}.d`);
  for (const each of folders) mkdirSync(each);
  await flushFiles(folder.path, files);
  await flushFolders(folder.path, folders);
});

test('what is not there cannot be flushed, and that is said', async () => {
  using folder = temporaryFolder();
  await expect(flushFiles(folder.path, [folder.at('gone')])).rejects.toThrow(/ENOENT/);
  await expect(flushFolders(folder.path, [folder.at('gone')])).rejects.toThrow(/ENOENT/);
  // As many as are flushed at once: the folder that names their file system is gone.
  const many = Array.from({ length: 20 }, () => folder.at('gone/file'));
  await expect(flushFiles(folder.at('gone'), many)).rejects.toThrow(/ENOENT/);
});
