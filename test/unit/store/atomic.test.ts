import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import { systemCode } from '../../../core/errors.ts';
import { flushFolder, makeFolder, temporaryName, writeFileAtomic } from '../../../core/store/atomic.ts';
import { temporaryFolder } from '../../support/git-folder.ts';
import { canMountSmallDisk, smallDisk } from '../../support/small-disk.ts';

test('a file is written with the folders above it, and replaced', () => {
  using folder = temporaryFolder();
  const file = folder.at('a/b/c.txt');
  for (const content of ['first', 'second, longer', '', Buffer.from([0, 255])]) {
    writeFileAtomic(file, content);
    expect(readFileSync(file)).toEqual(Buffer.from(content));
  }
  writeFileAtomic(file, 'third', { durable: false });
  expect(readFileSync(file, 'utf8')).toBe('third');
  expect(readdirSync(folder.at('a/b'))).toEqual(['c.txt']);
});

test('names as long as the file system allows can be written', () => {
  using folder = temporaryFolder();
  for (const name of ['x'.repeat(255), 'é'.repeat(127), '\u{1f600}'.repeat(63)]) {
    writeFileAtomic(folder.at(name), 'content');
    expect(readFileSync(folder.at(name), 'utf8')).toBe('content');
  }
});

test('a replaced file keeps its permissions', () => {
  using folder = temporaryFolder();
  const file = folder.write('f', 'old');
  for (const mode of [0o600, 0o664, 0o755]) {
    chmodSync(file, mode);
    writeFileAtomic(file, 'new');
    expect(statSync(file).mode & 0o777).toBe(mode);
  }
});

test('a link is replaced, not followed', () => {
  using folder = temporaryFolder();
  const outside = folder.write('outside', 'theirs');
  mkdirSync(folder.at('work'));
  symlinkSync(outside, folder.at('work/f'));
  writeFileAtomic(folder.at('work/f'), 'ours');
  expect(readFileSync(outside, 'utf8')).toBe('theirs');
  expect(() => readlinkSync(folder.at('work/f'))).toThrow();
});

test('where it cannot be written, what was there stays and nothing is left over', () => {
  using folder = temporaryFolder();
  folder.write('taken/inside', 'kept');
  expect(() => writeFileAtomic(folder.at('taken'), 'x')).toThrow();
  expect(readFileSync(folder.at('taken/inside'), 'utf8')).toBe('kept');
  folder.write('file', 'kept');
  expect(() => writeFileAtomic(folder.at('file/below'), 'x')).toThrow();
  expect(readFileSync(folder.at('file'), 'utf8')).toBe('kept');
  expect(readdirSync(folder.path).sort()).toEqual(['file', 'taken']);
});

test.skipIf(!canMountSmallDisk())('on a full disk the old content stays', () => {
  using disk = smallDisk(64)!;
  const file = disk.write('pointer.dv', 'old content');
  let code: string | undefined;
  try {
    writeFileAtomic(file, Buffer.alloc(200_000));
  } catch (error) {
    code = systemCode(error);
  }
  expect(code).toBe('ENOSPC');
  expect(readFileSync(file, 'utf8')).toBe('old content');
  expect(readdirSync(disk.path)).toEqual(['pointer.dv']);
});

test.skipIf(process.getuid?.() === 0)('in a read-only folder the old content stays', () => {
  using folder = temporaryFolder();
  const file = folder.write('sub/f', 'old');
  chmodSync(folder.at('sub'), 0o555);
  expect(() => writeFileAtomic(file, 'new')).toThrow(/EACCES/);
  chmodSync(folder.at('sub'), 0o755);
  expect(readFileSync(file, 'utf8')).toBe('old');
});

test('folders are made as far as they are not there; a file in the way is told', () => {
  using folder = temporaryFolder();
  for (let i = 0; i < 2; i++) makeFolder(folder.at('a/b/c'));
  expect(statSync(folder.at('a/b/c')).isDirectory()).toBe(true);
  folder.write('file');
  expect(() => makeFolder(folder.at('file'))).toThrow(/EEXIST/);
  expect(() => makeFolder(folder.at('file/below'))).toThrow(/ENOTDIR/);
});

test('temporary names do not repeat', () => {
  const names = new Set(Array.from({ length: 1000 }, temporaryName));
  expect(names.size).toBe(1000);
});

test('a folder that is gone cannot be flushed, and that is said', () => {
  using folder = temporaryFolder();
  flushFolder(folder.path);
  expect(() => flushFolder(folder.at('gone'))).toThrow(/ENOENT/);
  expect(existsSync(folder.at('gone'))).toBe(false);
});
