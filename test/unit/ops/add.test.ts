import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DvErrorCode, isDvError } from '../../../core/errors.ts';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { objectPath } from '../../../core/store/cache.ts';
import { capture } from '../../../core/store/capture.ts';
import { addPaths, someFiles, states } from '../../support/data.ts';
import { mainScript, testRepo } from '../../support/repo.ts';

/** The code and message an operation fails with. */
async function failure(work: Promise<unknown>): Promise<[DvErrorCode, string]> {
  try {
    await work;
  } catch (error) {
    if (isDvError(error)) return [error.code, error.message];
    throw error;
  }
  throw new Error('expected a failure');
}

test('a folder is tracked by a pointer, an ignore line and objects, all staged', async () => {
  await using repo = await testRepo({ 'data/train/b/2.txt': 'two', 'data/train/a/1.txt': 'one' });
  await addPaths(repo, 'data/train');
  expect(repo.read('data/train.dv')).toMatchInlineSnapshot(`
    "version: 1
    kind: tree
    digest: sha256:15f90870c333f5133926ef476d7933b099589f4a9b0fca656f2aefc510a86737
    files: 2
    bytes: 6
    "
  `);
  expect(repo.read('data/.gitignore')).toBe('/train\n');
  expect(await repo.git('status', '--short')).toBe('A  data/.gitignore\nA  data/train.dv\n');
  const object = objectPath(repo.open(), digestOf('one'));
  expect(statSync(object).mode & 0o777).toBe(0o444);
  expect(await states(repo)).toEqual({ 'data/train': 'clean' });
});

test('a single file is tracked', async () => {
  await using repo = await testRepo({ 'model.bin': 'weights' });
  await addPaths(repo, 'model.bin');
  expect(repo.read('model.bin.dv')).toBe(
    `version: 1\nkind: file\ndigest: ${digestOf('weights')}\nbytes: 7\n`,
  );
  expect(await states(repo)).toEqual({ 'model.bin': 'clean' });
});

test('adding again reads only what changed, and gives the pointer a fresh add would give', async () => {
  await using repo = await testRepo(someFiles('data', 300));
  await addPaths(repo, 'data');
  // Past the step of the file system's clock, within which a change could not be seen.
  await new Promise((resolve) => setTimeout(resolve, 60));
  await states(repo);
  repo.write('data/class-0/00003.txt', 'changed');
  repo.remove('data/class-1/00001.txt');
  const again = await addPaths(repo, 'data');
  expect(again.added[0]?.filesRead).toBeLessThan(300);
  const incremental = repo.read('data.dv');
  await using fresh = await testRepo({ ...someFiles('data', 300), 'data/class-0/00003.txt': 'changed' });
  fresh.remove('data/class-1/00001.txt');
  await addPaths(fresh, 'data');
  expect(incremental).toBe(fresh.read('data.dv'));
});

test('a change of the same size within one tick of the clock is seen', async () => {
  await using repo = await testRepo({ 'data/a.txt': 'aaaa' });
  for (let round = 0; round < 30; round++) {
    repo.write('data/a.txt', `${1000 + round}`);
    await addPaths(repo, 'data');
    const before = repo.read('data.dv');
    repo.write('data/a.txt', `${2000 + round}`);
    await addPaths(repo, 'data');
    expect(repo.read('data.dv')).not.toBe(before);
  }
});

test('executable bits, links inside the folder, empty and oddly named files are kept', async () => {
  await using repo = await testRepo({
    'd/empty': '',
    'd/with space\n%.txt': 'x',
    'd/ü/😀': 'y',
    'd/.hidden': 'z',
  });
  repo.write('d/run.sh', '#!/bin/sh\n', { executable: true });
  symlinkSync('run.sh', join(repo.root, 'd/link'));
  await addPaths(repo, 'd');
  expect(await states(repo)).toEqual({ d: 'clean' });
  chmodSync(join(repo.root, 'd/run.sh'), 0o644);
  expect(await states(repo)).toEqual({ d: 'modified +0 -0 ~1' });
});

test('.dvcignore keeps files out', async () => {
  await using repo = await testRepo({
    '.dvcignore': '*.tmp\n',
    'd/a.txt': 'a',
    'd/b.tmp': 'b',
    'd/s/.dvcignore': '/no\n',
    'd/s/no': 'n',
    'd/s/yes': 'y',
  });
  await addPaths(repo, 'd');
  expect(repo.read('d.dv')).toContain('files: 3\n');
});

test('what cannot be tracked is refused, and nothing is changed', async () => {
  await using repo = await testRepo({ 'code/a.py': 'a', 'data/train/x': 'x', 'data/other/y': 'y' });
  await addPaths(repo, 'data/train');
  await repo.commit('code');
  repo.write('code/new.txt', 'n');
  symlinkSync('/etc', join(repo.root, 'etc'));
  const before = [repo.tree(), await repo.git('status', '--short')];
  const found = [];
  for (const path of ['missing', 'code', 'data/train/x', 'data', 'etc', 'etc/hosts', 'data/train.dv']) {
    found.push(await failure(addPaths(repo, path)));
  }
  expect(found).toMatchInlineSnapshot(`
    [
      [
        "path-missing",
        "missing does not exist",
      ],
      [
        "path-tracked-by-git",
        "code/a.py is tracked by git; a file belongs either to git or to dv",
      ],
      [
        "path-inside-tracked",
        "data/train/x is inside data/train, which dv already tracks as one",
      ],
      [
        "path-contains-tracked",
        "data contains data/train, which dv already tracks on its own",
      ],
      [
        "unsafe-link",
        "etc is a link to /etc, outside what is tracked",
      ],
      [
        "unsafe-link",
        "etc is a link to /etc, outside what is tracked",
      ],
      [
        "usage",
        "data/train.dv is a pointer; git tracks it",
      ],
    ]
  `);
  expect([repo.tree(), await repo.git('status', '--short')]).toEqual(before);
});

test('an empty folder is refused', async () => {
  await using repo = await testRepo({ 'd/.dvcignore': '*\n' });
  expect((await failure(addPaths(repo, 'd')))[0]).toBe('nothing-to-add');
  expect(repo.exists('d.dv')).toBe(false);
});

test('a link that leads out of the folder is named, the rest is recorded', async () => {
  await using repo = await testRepo({ 'd/a': 'a' });
  symlinkSync('../../secret', join(repo.root, 'd/out'));
  const result = await addPaths(repo, 'd');
  expect(result.failures).toMatchInlineSnapshot(`
    [
      {
        "path": "d/out",
        "reason": "it is a link to ../../secret: its target is outside the tracked folder",
      },
    ]
  `);
  expect(repo.read('d.dv')).toContain('files: 1\n');
});

test('with dv.autostage=false git’s index is left alone', async () => {
  await using repo = await testRepo({ 'd/a': 'a' });
  await repo.git('config', 'dv.autostage', 'false');
  await addPaths(repo, 'd');
  expect(await repo.git('status', '--short')).toBe('?? .gitignore\n?? d.dv\n');
});

test('killed at any moment, adding again gives the pointer of an undisturbed run', async () => {
  await using calm = await testRepo(someFiles('data', 1500, 'x'));
  await calm.dvOk('add', 'data');
  const expected = calm.read('data.dv');
  await using repo = await testRepo(someFiles('data', 1500, 'x'));
  for (const delayMs of [70, 110, 150, 200, 260, 330]) {
    const child = spawn(process.execPath, [mainScript, 'add', 'data'], { cwd: repo.root, env: repo.env });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    child.kill('SIGKILL');
    await ended;
    if (repo.exists('data.dv')) expect(repo.read('data.dv')).toBe(expected);
  }
  await repo.dvOk('add', 'data');
  expect(repo.read('data.dv')).toBe(expected);
  expect(await states(repo)).toEqual({ data: 'clean' });
  const { temporaryDir } = repo.open();
  expect(existsSync(temporaryDir) ? readdirSync(temporaryDir).length : 0).toBeLessThanOrEqual(6);
});

test('two at once both end well, with the same pointer', async () => {
  await using repo = await testRepo(someFiles('data', 600));
  const [a, b] = await Promise.all([repo.dv('add', 'data'), repo.dv('add', 'data')]);
  expect([a.status, b.status]).toEqual([0, 0]);
  expect(await states(repo)).toEqual({ data: 'clean' });
});

test('a lock of a process that is gone does not stand in the way', async () => {
  await using repo = await testRepo({ 'd/a': 'a' });
  const { hostname } = await import('node:os');
  repo.write(
    '.git/dv/lock',
    JSON.stringify({ host: hostname(), pid: 2 ** 22 + 1, command: 'dv add', token: 't' }),
  );
  await addPaths(repo, 'd');
  expect(repo.exists('.git/dv/lock')).toBe(false);
});

test('looking at changed data again reads only what changed', async () => {
  await using repo = await testRepo(someFiles('data', 300));
  await addPaths(repo, 'data');
  repo.write('data/class-0/00003.txt', 'changed');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const look = () => capture(repo.open(), 'data' as RepoPath, { store: false });
  await look();
  const again = await look();
  expect(again.filesRead).toBe(1);
  expect(await states(repo)).toEqual({ data: 'modified +0 -0 ~1' });
});

test('a lost stat index is built again by the next look', async () => {
  await using repo = await testRepo(someFiles('data', 30));
  await addPaths(repo, 'data');
  rmSync(repo.open().indexDir, { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 60));
  const look = () => capture(repo.open(), 'data' as RepoPath, { store: false });
  expect((await look()).filesRead).toBe(30);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect((await look()).filesRead).toBe(0);
});

test('files that changed their names with each other are seen, and so is a listing that is gone', async () => {
  await using repo = await testRepo({ 'data/a.txt': 'one', 'data/b.txt': 'two' });
  await addPaths(repo, 'data');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const look = () => capture(repo.open(), 'data' as RepoPath, { store: false });
  const { pointer } = await look();
  expect((await look()).entries.map(({ path }) => path)).toEqual(['a.txt', 'b.txt']);
  renameSync(join(repo.root, 'data/a.txt'), join(repo.root, 'data/c.txt'));
  renameSync(join(repo.root, 'data/b.txt'), join(repo.root, 'data/a.txt'));
  renameSync(join(repo.root, 'data/c.txt'), join(repo.root, 'data/b.txt'));
  expect((await look()).pointer.digest).not.toBe(pointer.digest);
  rmSync(objectPath(repo.open(), pointer.digest));
  expect((await look()).filesRead).toBe(2);
});

test('many paths at once: one of them cannot be read, the others are recorded', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `d${i % 3}/f${i}.bin`);
  await using repo = await testRepo(Object.fromEntries(names.map((name) => [name, name])));
  mkdirSync(join(repo.root, 'only-unreadable'));
  symlinkSync('/etc/passwd', join(repo.root, 'only-unreadable/x'));
  const result = await addPaths(repo, ...names, 'only-unreadable');
  expect(result.added.map(({ path }) => path)).toEqual(names);
  expect(result.failures).toMatchObject([{ path: 'only-unreadable/x' }]);
  for (const name of names) expect(repo.read(`${name}.dv`)).toContain(digestOf(name));
  expect(repo.read('d0/.gitignore').split('\n').length).toBe(15);
  expect((await repo.git('status', '--short')).split('\n').filter(Boolean).length).toBe(names.length + 4);
  expect(Object.values(await states(repo)).every((state) => state === 'clean')).toBe(true);
});

test('an object that is gone from the cache is stored again, also after a look at an unchanged cache', async () => {
  await using repo = await testRepo(someFiles('data', 30));
  await addPaths(repo, 'data');
  repo.write('data/class-0/00003.txt', 'changed');
  const again = await addPaths(repo, 'data');
  expect(again.added[0]?.filesRead).toBeLessThanOrEqual(30);
  const path = objectPath(repo.open(), digestOf('changed'));
  rmSync(path);
  await addPaths(repo, 'data');
  expect(existsSync(path)).toBe(true);
});
