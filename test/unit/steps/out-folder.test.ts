import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requireApart, writeOutFolder } from '../../../core/steps/out-folder.ts';
import { stepErrorOf, stepFolder } from '../../support/steps.ts';

const systemError = (code: string) => Object.assign(new Error(`${code}: of the system`), { code });

test('what a killed run left is removed, and the older output stays until the new one is whole', async () => {
  await using folder = await stepFolder();
  const out = { folder: folder.at('out'), shown: 'out', isOurs: () => true };
  await folder.write('out/old', 'old');
  await folder.write('.out.partial/half', 'half');
  await writeOutFolder(out, async (partial) => {
    expect(await readdir(partial)).toEqual([]);
    await writeFile(join(partial, 'new'), 'new');
    expect(await readdir(folder.at('out'))).toEqual(['old']);
  });
  expect([...(await folder.files('.')).keys()]).toEqual(['out/new']);
});

test('a full disk and a read-only folder are said, and leave the older output', async () => {
  await using folder = await stepFolder();
  const out = { folder: folder.at('out'), shown: 'build/out', isOurs: () => true };
  await folder.write('out/old', 'old');
  const failing = (code: string) =>
    stepErrorOf(
      writeOutFolder(out, async (partial) => {
        await writeFile(join(partial, 'new'), 'new');
        throw systemError(code);
      }),
    );
  expect(await failing('ENOSPC')).toBe('no space left on the disk that holds build/out; nothing was written');
  expect(await failing('EROFS')).toBe('build/out cannot be written here; nothing was written');
  await expect(writeOutFolder(out, () => Promise.reject(systemError('EIO')))).rejects.toThrow('EIO');
  expect([...(await folder.files('.')).keys()]).toEqual(['out/old']);
});

test('a file in the place of the folder is kept', async () => {
  await using folder = await stepFolder();
  await folder.write('out', 'a file');
  const out = { folder: folder.at('out'), shown: 'out', isOurs: () => true };
  expect(await stepErrorOf(writeOutFolder(out, async () => {}))).toBe(
    'out is a file; expected a folder to write to',
  );
});

test('input and output may lie side by side, not inside each other', () => {
  const place = (folder: string) => ({ folder, shown: folder });
  requireApart(place('/w/data'), place('/w/data2'));
  requireApart(place('/w/..data'), place('/w/out'));
  for (const [from, to] of [
    ['/w/a', '/w/a'],
    ['/w/a', '/w/a/b'],
    ['/w/a/b', '/w/a'],
    ['/w/..a', '/w'],
  ] as const)
    expect(() => requireApart(place(from), place(to))).toThrow('overlap');
});
