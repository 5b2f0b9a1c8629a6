import { chmodSync, lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { readTree } from '../../../core/model/tree.ts';
import { type RestoreOptions, restore, restoreObject } from '../../../core/ops/restore.ts';
import { objectPath, readObject } from '../../../core/store/cache.ts';
import { addPaths, checkoutAll, someFiles, states, writeAll } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

const files = { 'd/cats/1': 'one', 'd/cats/2': 'two', 'd/dogs/1': 'wuff', 'd/top': 't', 'f.csv': 'v1' };

/** Tag `v1` and, checked out, a commit in which `d/cats/1`, `d/cats/3` and `f.csv` differ and `d/dogs` is gone. */
async function twoVersions(): Promise<TestRepo> {
  const repo = await testRepo(files);
  await addPaths(repo, 'd', 'f.csv');
  await repo.commit('one');
  await repo.git('tag', 'v1');
  repo.write('d/cats/1', 'ONE');
  repo.write('d/cats/3', 'three');
  repo.remove('d/dogs');
  repo.write('f.csv', 'v2');
  await addPaths(repo, 'd', 'f.csv');
  await repo.commit('two');
  return repo;
}

const run = (repo: TestRepo, paths: string[], options: Partial<RestoreOptions> = {}) =>
  restore(repo.open(), { paths: paths as RepoPath[], ...options });

test('a tracked folder: edits are undone and saved, deleted files come back, new files stay', async () => {
  await using repo = await twoVersions();
  const before = repo.tree('d');
  repo.write('d/cats/1', 'mine');
  repo.remove('d/cats/2');
  repo.write('d/notes', 'n');
  const result = await run(repo, ['d']);
  expect(repo.tree('d')).toEqual({ ...before, 'd/notes': expect.any(String) });
  expect(result.saved).toEqual([{ path: 'd/cats/1', digest: digestOf('mine'), sizeBytes: 4 }]);
  expect(readObject(repo.open(), digestOf('mine')).toString()).toBe('mine');
  expect(result.changed).toEqual([{ path: 'd', created: 1, replaced: 1, deleted: 0 }]);
});

test('a file and a subfolder inside a tracked folder: nothing else is touched', async () => {
  await using repo = await twoVersions();
  repo.write('d/cats/1', 'mine');
  repo.write('d/top', 'mine too');
  repo.remove('d/cats/2');
  await run(repo, ['d/cats']);
  expect(repo.read('d/cats/1')).toBe('ONE');
  expect(repo.read('d/cats/2')).toBe('two');
  expect(repo.read('d/top')).toBe('mine too');
  expect(await states(repo)).toEqual({ d: 'modified +0 -0 ~1', 'f.csv': 'clean' });
  await run(repo, ['d/top', 'd/cats/1']);
  expect(await states(repo)).toEqual({ d: 'clean', 'f.csv': 'clean' });
});

test('what a revision had comes back as an edit: pointers stay, status tells it, a checkout keeps it', async () => {
  await using repo = await twoVersions();
  const pointer = repo.read('d.dv');
  await run(repo, ['d', 'f.csv'], { from: 'v1' });
  expect(repo.tree('d')).toMatchObject({ 'd/dogs/1': expect.any(String) });
  expect(repo.exists('d/cats/3')).toBe(false);
  expect(repo.read('f.csv')).toBe('v1');
  expect(repo.read('d.dv')).toBe(pointer);
  expect(await states(repo)).toEqual({ d: 'modified +1 -1 ~1', 'f.csv': 'modified +0 -0 ~1' });
  expect((await checkoutAll(repo)).changed).toEqual([]);
  expect(repo.read('f.csv')).toBe('v1');
  expect(await states(repo)).toEqual({ d: 'modified +1 -1 ~1', 'f.csv': 'modified +0 -0 ~1' });
  await addPaths(repo, 'd', 'f.csv');
  expect(repo.read('f.csv.dv')).toBe(await repo.git('show', 'v1:f.csv.dv'));
  expect(repo.read('d.dv')).toBe(await repo.git('show', 'v1:d.dv'));
});

test('of a revision only a part: files that it has not are removed there, and nowhere else', async () => {
  await using repo = await twoVersions();
  await run(repo, ['d/cats'], { from: 'v1' });
  expect(repo.exists('d/cats/3')).toBe(false);
  expect(repo.exists('d/dogs')).toBe(false);
  expect(repo.read('d/cats/1')).toBe('one');
  await run(repo, ['d/cats']);
  expect(repo.read('d/cats/3')).toBe('three');
  expect(await states(repo)).toEqual({ d: 'clean', 'f.csv': 'clean' });
});

test('a branch switch after a restore from a revision keeps the restored file and says so', async () => {
  await using repo = await twoVersions();
  await repo.git('branch', 'other', 'v1');
  repo.write('d/cats/1', 'third');
  await addPaths(repo, 'd');
  await repo.commit('three');
  await run(repo, ['d/cats/1'], { from: 'HEAD~1' });
  expect(repo.read('d/cats/1')).toBe('ONE');
  await repo.git('checkout', '-q', 'other');
  expect((await checkoutAll(repo)).kept).toEqual(['d/cats/1']);
  expect(repo.read('d/cats/1')).toBe('ONE');
});

test('data that only the revision tracks comes back, although no pointer stands for it here', async () => {
  await using repo = await twoVersions();
  await repo.git('rm', '-q', 'f.csv.dv');
  rmSync(join(repo.root, 'f.csv'));
  await repo.commit('gone');
  await checkoutAll(repo);
  await run(repo, ['f.csv'], { from: 'v1' });
  expect(repo.read('f.csv')).toBe('v1');
  expect(repo.exists('f.csv.dv')).toBe(false);
});

test('before anything was checked out, one file of a folder can be had alone', async () => {
  await using repo = await twoVersions();
  rmSync(join(repo.root, 'd'), { recursive: true });
  rmSync(repo.open().indexDir, { recursive: true });
  await run(repo, ['d/cats/2']);
  expect(repo.tree('d')).toEqual({ 'd/cats/2': expect.any(String) });
  expect((await checkoutAll(repo)).kept).toEqual([]);
  expect(Object.keys(repo.tree('d'))).toEqual(['d/cats/1', 'd/cats/2', 'd/cats/3', 'd/top']);
});

test('what the cache lacks is named and nothing is changed', async () => {
  await using repo = await twoVersions();
  rmSync(objectPath(repo.open(), digestOf('one')), { force: true });
  repo.write('d/cats/1', 'mine');
  const result = await run(repo, ['d'], { from: 'v1' });
  expect(result.missing).toEqual([{ path: 'd', digests: [digestOf('one')] }]);
  expect(repo.read('d/cats/1')).toBe('mine');
});

test('paths nothing is recorded at are refused', async () => {
  await using repo = await twoVersions();
  await expect(run(repo, ['nope'])).rejects.toMatchObject({ code: 'path-not-tracked' });
  await expect(run(repo, ['d/nope'])).rejects.toMatchObject({ code: 'path-not-recorded' });
  await expect(run(repo, ['d/nope'], { from: 'v1' })).rejects.toMatchObject({ code: 'path-not-recorded' });
  await expect(run(repo, ['f.csv/x'])).rejects.toMatchObject({ code: 'path-not-recorded' });
  await expect(run(repo, ['d'], { from: 'v9' })).rejects.toMatchObject({ code: 'unknown-revision' });
});

test('patterns choose files inside a tracked folder', async () => {
  await using repo = await twoVersions();
  repo.write('d/cats/1', 'mine');
  repo.write('d/cats/2', 'mine');
  repo.write('d/top', 'mine');
  await run(repo, ['d/*/1', 'd/t?p']);
  expect([repo.read('d/cats/1'), repo.read('d/cats/2'), repo.read('d/top')]).toEqual(['ONE', 'mine', 't']);
});

test('an executable bit is restored', async () => {
  await using repo = await testRepo({ 'd/run': 'r', 'd/x': 'x' });
  chmodSync(join(repo.root, 'd/run'), 0o755);
  await addPaths(repo, 'd');
  chmodSync(join(repo.root, 'd/run'), 0o644);
  await run(repo, ['d/run']);
  expect(lstatSync(join(repo.root, 'd/run')).mode & 0o100).toBe(0o100);
  expect(await states(repo)).toEqual({ d: 'clean' });
});

test('a saved object comes back by its first digits, and what it replaces is saved in turn', async () => {
  await using repo = await twoVersions();
  repo.write('d/cats/1', 'mine');
  await run(repo, ['d']);
  const object = digestOf('mine').slice(7, 15);
  repo.write('d/cats/1', 'another');
  const result = await restoreObject(repo.open(), 'd/cats/1' as RepoPath, { object });
  expect(repo.read('d/cats/1')).toBe('mine');
  expect(result.saved).toEqual([{ path: 'd/cats/1', digest: digestOf('another'), sizeBytes: 7 }]);
  expect(await states(repo)).toMatchObject({ d: 'modified +0 -0 ~1' });
});

test('a tree object comes back as a folder, and as a file when asked', async () => {
  await using repo = await twoVersions();
  const digest = /sha256:[0-9a-f]{64}/.exec(await repo.git('show', 'v1:d.dv'))![0];
  await restoreObject(repo.open(), 'old' as RepoPath, { object: digest });
  expect(Object.keys(repo.tree('old'))).toEqual(['old/cats/1', 'old/cats/2', 'old/dogs/1', 'old/top']);
  await restoreObject(repo.open(), 'listing' as RepoPath, { object: digest, as: 'file' });
  expect(repo.read('listing')).toMatch(/^dv-tree 1\n/);
  expect(readTree(digestOf(repo.read('listing')), () => repo.readBytes('listing'))).toHaveLength(4);
});

test('an object over a tracked folder leaves the files alone that it does not list', async () => {
  await using repo = await twoVersions();
  const digest = /sha256:[0-9a-f]{64}/.exec(await repo.git('show', 'v1:d.dv'))![0];
  repo.write('d/notes', 'n');
  await restoreObject(repo.open(), 'd' as RepoPath, { object: digest });
  expect(repo.read('d/cats/1')).toBe('one');
  expect(Object.keys(repo.tree('d'))).toEqual([
    'd/cats/1',
    'd/cats/2',
    'd/cats/3',
    'd/dogs/1',
    'd/notes',
    'd/top',
  ]);
});

test('objects are found by unique digits only', async () => {
  await using repo = await testRepo({ 'd/1': 'one' });
  await addPaths(repo, 'd');
  const { objectsDir } = repo.open();
  const at = (object: string) => restoreObject(repo.open(), 'x' as RepoPath, { object });
  await expect(at('abc')).rejects.toMatchObject({ code: 'usage' });
  await expect(at('../../etc')).rejects.toMatchObject({ code: 'usage' });
  await expect(at('0123456789')).rejects.toMatchObject({ code: 'unknown-object' });
  const digest = digestOf('one');
  const folder = join(objectsDir, digest.slice(7, 9));
  const twin = `${digest.slice(9, 20)}${'0'.repeat(51)}`;
  writeFileSync(join(folder, twin), 'twin');
  expect(readdirSync(folder)).toContain(twin);
  await expect(at(digest.slice(7, 15))).rejects.toMatchObject({ code: 'usage' });
  await at(digest);
  expect(repo.read('x')).toBe('one');
});

test('many edits that were replaced come back with one object', async () => {
  await using repo = await testRepo(someFiles('d', 60));
  await addPaths(repo, 'd');
  const edited = someFiles('d', 30, 'mine ');
  writeAll(repo, edited);
  const before = repo.tree('d');
  const { savedTogether, saved } = await run(repo, ['d']);
  expect(saved).toHaveLength(30);
  expect(savedTogether).toEqual([{ path: 'd', digest: expect.any(String), files: 30 }]);
  expect(await states(repo)).toEqual({ d: 'clean' });
  await restoreObject(repo.open(), 'd' as RepoPath, { object: savedTogether[0]!.digest });
  expect(repo.tree('d')).toEqual(before);
});
