import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { HeldFolders } from '../../../core/store/held-folders.ts';
import { readFiles } from '../../../core/store/read-files.ts';
import { type WriteTask, writeFiles } from '../../../core/store/write-files.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';

const onLinux = process.platform === 'linux';
/** How folders are gone through: held open where that can be done, and by their paths elsewhere. */
const ways = onLinux ? [{ byPath: false }, { byPath: true }] : [{ byPath: true }];

/** A task that writes so many files, all with the content `x`, into `work/d/cls`. */
async function writing(folder: TemporaryFolder, count: number, byPath: boolean): Promise<WriteTask> {
  const cache = { objectsDir: folder.at('objects'), temporaryDir: folder.at('tmp') };
  const writer = new CacheWriter(cache);
  const digest = writer.put(Buffer.from('x'));
  await writer.commit();
  writer.discard();
  return {
    kind: 'write',
    root: folder.at('work'),
    folder: 'd' as RepoPath,
    names: Array.from({ length: count }, (_, i) => `cls/${i}`).join('\0'),
    objectsDir: cache.objectsDir,
    digests: Array.from({ length: count }, () => digest),
    sizes: Array.from({ length: count }, () => 1),
    modes: Array.from({ length: count }, () => '-' as const),
    replace: Array.from({ length: count }, () => false),
    link: 'copy',
    byPath,
  };
}

describe.each(ways)('with byPath: $byPath', ({ byPath }) => {
  test('folders are entered, made and left in any order', () => {
    using folder = temporaryFolder();
    using held = new HeldFolders(folder.path, { byPath });
    for (const path of ['a/b/c', 'a/b', 'a/bc', '', 'a', 'z/y', 'a/b/c', 'a/b/d']) {
      writeFileSync(`${held.make(path)}/file`, path);
    }
    expect(readdirSync(folder.path, { recursive: true }).sort()).toEqual(
      ['a', 'a/b', 'a/b/c', 'a/b/c/file', 'a/b/d', 'a/b/d/file', 'a/b/file', 'a/bc', 'a/bc/file', 'a/file']
        .concat(['file', 'z', 'z/y', 'z/y/file'])
        .sort(),
    );
    expect(() => held.at('a/none')).toThrow('ENOENT');
    expect(() => held.at('a/file/x')).toThrow('ENOTDIR');
  });

  test('a link is not entered, wherever on the way it is', () => {
    using folder = temporaryFolder();
    folder.write('outside/deep/file', 'x');
    mkdirSync(folder.at('work'));
    symlinkSync('../outside', folder.at('work/link'));
    using held = new HeldFolders(folder.at('work'), { byPath });
    for (const path of ['link', 'link/deep']) {
      expect(() => held.at(path)).toThrow('link is a link to ../outside, outside what is tracked');
      expect(() => held.make(path)).toThrow('link is a link');
    }
    const read = { kind: 'read', root: folder.at('work'), folder: 'link' as RepoPath } as const;
    expect(readFiles({ ...read, names: 'deep/file' }).digests).toEqual([undefined]);
  });

  test('files are not written through a link, and each is named', async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at('work/d'), { recursive: true });
    mkdirSync(folder.at('outside'));
    symlinkSync(folder.at('outside'), folder.at('work/d/cls'));
    const { reasons } = writeFiles(await writing(folder, 2, byPath));
    expect(reasons.map(([i, reason]) => [i, reason.replace(folder.path, '')])).toEqual([
      [0, 'd/cls is a link to /outside, outside what is tracked'],
      [1, 'd/cls is a link to /outside, outside what is tracked'],
    ]);
    expect(readdirSync(folder.at('outside'))).toEqual([]);
  });

  test('a folder that takes the place of the one that was entered is told', () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at('a/b'), { recursive: true });
    using held = new HeldFolders(folder.path, { byPath });
    const base = held.at('a/b');
    expect(held.isSame('a/b')).toBe(true);
    renameSync(folder.at('a'), folder.at('old'));
    mkdirSync(folder.at('a/b'), { recursive: true });
    writeFileSync(`${base}/file`, 'x');
    // Either the name is one in the folder that was entered, or it is known not to be.
    expect(held.isSame('a/b')).toBe(!byPath);
    expect(readdirSync(folder.at('old/b'))).toEqual(byPath ? [] : ['file']);
  });
});

test.runIf(onLinux)(
  'a folder that is swapped for a link again and again never leads a write outside',
  async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at('work/d/cls'), { recursive: true });
    mkdirSync(folder.at('outside'));
    symlinkSync(folder.at('outside'), folder.at('work/d/link'));
    const task = await writing(folder, 60, false);
    const swap = `const { renameSync } = require('node:fs'); process.chdir(process.argv[1]);
    for (;;) { renameSync('cls', 'real'); renameSync('link', 'cls'); renameSync('cls', 'link'); renameSync('real', 'cls'); }`;
    // While the folder is away, dv makes it again; the swapping then ends with an error, which is as good as being stopped.
    const swapper = () => spawn(process.execPath, ['-e', swap, folder.at('work/d')], { stdio: 'ignore' });
    let written = 0;
    for (let round = 0; round < 3; round++) {
      rmSync(folder.at('work/d/real'), { recursive: true, force: true });
      const child = swapper();
      const ended = new Promise((resolve) => child.on('close', resolve));
      for (let i = 0; i < 8; i++) {
        const { reasons } = writeFiles({
          ...task,
          names: task.names.replaceAll('cls/', `cls/${round}-${i}-`),
        });
        written += 60 - reasons.length;
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      child.kill('SIGKILL');
      await ended;
      rmSync(folder.at('work/d'), { recursive: true });
      mkdirSync(folder.at('work/d/cls'), { recursive: true });
      symlinkSync(folder.at('outside'), folder.at('work/d/link'));
    }
    expect(readdirSync(folder.at('outside'))).toEqual([]);
    expect(written).toBeGreaterThan(0);
  },
);
