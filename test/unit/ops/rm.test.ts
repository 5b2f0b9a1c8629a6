import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { readTree } from '../../../core/model/tree.ts';
import { add } from '../../../core/ops/add.ts';
import { type RemoveOptions, rm } from '../../../core/ops/rm.ts';
import { hasObject, readObject } from '../../../core/store/cache.ts';
import { loadStatIndex } from '../../../core/store/stat-index.ts';
import { addPaths, checkoutAll, someFiles, states } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

const remove = (repo: TestRepo, path: string, options: Partial<RemoveOptions> = {}) =>
  rm(repo.open(), [path as RepoPath], { cached: false, force: false, ...options });

async function removable(): Promise<TestRepo> {
  const repo = await testRepo({ ...someFiles('data/train', 5), 'data/val.csv': 'v', 'top.bin': 't' });
  await addPaths(repo, 'data/train', 'data/val.csv', 'top.bin');
  await repo.commit('one');
  return repo;
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  const error = await work.catch((thrown: unknown) => thrown);
  return isDvError(error) ? error.code : error;
}

test('pointer, data, ignore line and stat index go, and git’s index knows', async () => {
  await using repo = await removable();
  const { removed } = await remove(repo, 'data/train');
  expect(removed).toMatchObject([{ path: 'data/train', removed: { kind: 'tree', files: 5 } }]);
  expect(removed[0]).not.toHaveProperty('saved');
  expect(await repo.git('status', '--short')).toBe('M  data/.gitignore\nD  data/train.dv\n');
  expect(repo.exists('data/train')).toBe(false);
  expect(await loadStatIndex(repo.open(), 'data/train' as RepoPath)).toBeUndefined();
  await repo.commit('removed');
  await repo.git('checkout', '-q', 'HEAD~1');
  await checkoutAll(repo);
  expect(await states(repo)).toMatchObject({ 'data/train': 'clean' });
});

test('folders left empty go too, but not the one the user stands in', async () => {
  await using repo = await removable();
  await remove(repo, 'data/train');
  mkdirSync(join(repo.root, 'data/empty'));
  rmSync(join(repo.root, 'data/empty'), { recursive: true });
  await remove(repo, 'data/val.csv');
  expect(repo.exists('data')).toBe(false);

  await using other = await testRepo({ 'data/x': 'x' });
  await addPaths(other, 'data/x');
  await remove(other, 'data/x', { standing: 'data' as RepoPath });
  expect(other.exists('data')).toBe(true);
});

test('--cached keeps the files, also over the next checkout', async () => {
  await using repo = await removable();
  await remove(repo, 'data/train', { cached: true });
  expect(repo.exists('data/train.dv')).toBe(false);
  await checkoutAll(repo, { complete: true });
  expect(Object.keys(repo.tree('data/train')).length).toBe(5);
  expect(await repo.git('status', '--short')).toBe('M  data/.gitignore\nD  data/train.dv\n?? data/train/\n');
});

describe('changes nobody recorded', () => {
  test.each([
    ['a changed file', (repo: TestRepo) => repo.write('data/train/class-0/00000.txt', 'mine')],
    ['a new file', (repo: TestRepo) => repo.write('data/train/new', 'mine')],
  ])('%s is refused, and with --force saved first', async (_, change) => {
    await using repo = await removable();
    change(repo);
    const before = repo.tree();
    expect(await failure(remove(repo, 'data/train'))).toBe('local-changes');
    expect(repo.tree()).toEqual(before);
    const { removed } = await remove(repo, 'data/train', { force: true });
    expect(repo.exists('data/train')).toBe(false);
    const read = (digest: Parameters<typeof readObject>[1]) => readObject(repo.open(), digest);
    const entries = readTree(removed[0]!.saved!, read);
    expect(entries.map((entry) => read(entry.digest).toString())).toContain('mine');
  });

  test('a single file, too', async () => {
    await using repo = await removable();
    repo.write('top.bin', 'mine');
    expect(await failure(remove(repo, 'top.bin'))).toBe('local-changes');
    const { removed } = await remove(repo, 'top.bin', { force: true });
    expect(readObject(repo.open(), removed[0]!.saved!).toString()).toBe('mine');
  });

  test('files the user deleted are in nobody’s way', async () => {
    await using repo = await removable();
    repo.remove('data/train/class-0');
    await remove(repo, 'data/train');
    expect(repo.exists('data/train')).toBe(false);
  });

  test('data of another branch that no hook replaced is recorded', async () => {
    await using repo = await removable();
    await repo.git('branch', 'one');
    repo.write('data/train/new', 'n');
    await addPaths(repo, 'data/train');
    await repo.commit('two');
    await repo.git('checkout', '-q', 'one');
    await remove(repo, 'data/train');
    expect(repo.exists('data/train')).toBe(false);
  });
});

test('a pointer no commit holds: the digest that brings the data back is told', async () => {
  await using repo = await testRepo({ 'data/x': 'x' });
  await addPaths(repo, 'data');
  const { removed } = await remove(repo, 'data');
  expect(hasObject(repo.open(), removed[0]!.saved!)).toBe(true);
});

test('what was only recorded is saved before it goes', async () => {
  await using repo = await testRepo({ 'data/x': 'only here' });
  await add(repo.open(), ['data' as RepoPath], { store: false });
  await repo.commit('recorded');
  await remove(repo, 'data');
  await repo.git('checkout', '-q', 'HEAD', '--', 'data.dv', '.gitignore');
  await checkoutAll(repo);
  expect(repo.read('data/x')).toBe('only here');
});

test('files that .dvcignore leaves out stay', async () => {
  await using repo = await testRepo({ 'data/x': 'x', 'data/x.log': 'l', '.dvcignore': '*.log\n' });
  await addPaths(repo, 'data');
  await remove(repo, 'data');
  expect(Object.keys(repo.tree('data'))).toEqual(['data/x.log']);
});

test('what is not tracked is refused', async () => {
  await using repo = await removable();
  expect(await failure(remove(repo, 'data/other'))).toBe('path-not-tracked');
  expect(await failure(remove(repo, 'data'))).toBe('usage');
  expect(await failure(remove(repo, 'data/train/class-0'))).toBe('usage');
});
