import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { status } from '../../../core/ops/status.ts';
import { addPaths } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

/** What is to be committed: `new data`, with `?` behind it when git's index does not have it so. */
async function toCommit(repo: TestRepo, paths?: string[]): Promise<string[]> {
  const options = { env: repo.env, ...(paths ? { paths: paths as RepoPath[] } : {}) };
  const { toCommit } = await status(repo.open(), options);
  const told = toCommit.map(({ path, change, staged }) => `${change} ${path}${staged === true ? '' : '?'}`);
  // Without the git program the same, only that nobody knows the index.
  const without = { ...repo.open(), git: { ...repo.open().git, available: false } };
  const again = (await status(without, options)).toCommit.map(({ path, change }) => `${change} ${path}`);
  expect(again).toEqual(told.map((line) => line.replace('?', '')));
  return told;
}

test('before the first commit everything is new', async () => {
  await using repo = await testRepo({ 'd/1': 'one', 'f.csv': 'v1' });
  expect(await toCommit(repo)).toEqual([]);
  await addPaths(repo, 'd', 'f.csv');
  expect(await toCommit(repo)).toEqual(['new d', 'new f.csv']);
});

test('new, changed and removed pointers, staged or not', async () => {
  await using repo = await testRepo({ 'a/1': '1', 'b/1': '1', 'c/1': '1', 'e/1': '1', 'same/1': '1' });
  await addPaths(repo, 'a', 'b', 'c', 'e', 'same');
  await repo.commit('one');
  expect(await toCommit(repo)).toEqual([]);
  repo.write('a/1', '2');
  repo.write('b/1', '2');
  repo.write('new/1', '1');
  repo.write('newer/1', '1');
  await addPaths(repo, 'a', 'b', 'new', 'newer');
  await repo.git('reset', '-q', '--', 'b.dv', 'newer.dv');
  await repo.git('rm', '-q', 'c.dv');
  rmSync(join(repo.root, 'e.dv'));
  expect(await toCommit(repo)).toEqual([
    'changed a',
    'changed b?',
    'removed c',
    'removed e?',
    'new new',
    'new newer?',
  ]);
  expect(await toCommit(repo, ['b'])).toEqual(['changed b?']);
  await repo.commit('two');
  expect(await toCommit(repo)).toEqual([]);
});

test('a pointer staged and edited again, taken out of the index, or added and gone', async () => {
  await using repo = await testRepo({ 'a/1': '1', 'b/1': '1' });
  await addPaths(repo, 'a', 'b');
  await repo.commit('one');
  repo.write('a/1', '2');
  await addPaths(repo, 'a');
  await repo.git('show', 'HEAD:a.dv');
  repo.write('a.dv', await repo.git('show', 'HEAD:a.dv'));
  await repo.git('rm', '-q', '--cached', 'b.dv');
  repo.write('b/1', '2');
  await repo.git('config', 'dv.autostage', 'false');
  await addPaths(repo, 'b');
  const { toCommit: found } = await status(repo.open(), { env: repo.env });
  expect(found).toEqual([
    { path: 'a', change: 'changed', staged: false },
    { path: 'b', change: 'changed', staged: false },
  ]);
});

test('files of other programs that end in .dv do not count, also when they go away', async () => {
  await using repo = await testRepo({ 'movie.dv': 'DIF video', 'other.dv': 'DIF video', 'd/1': '1' });
  await addPaths(repo, 'd');
  await repo.commit('one');
  rmSync(join(repo.root, 'movie.dv'));
  repo.write('other.dv', 'DIF changed');
  repo.write('third.dv', 'DIF');
  expect(await toCommit(repo)).toEqual([]);
});

test('stages.lock counts, new and changed', async () => {
  const stages = 'version: 1\nstages:\n  a:\n    cmd: cp in.txt out\n    deps: [in.txt]\n    outs: [out]\n';
  await using repo = await testRepo({ 'in.txt': 'x', 'stages.yaml': stages });
  await repo.commit('stages');
  await repo.dvOk('repro');
  expect(await toCommit(repo)).toEqual(['new stages.lock?']);
  await repo.commit('ran');
  expect(await toCommit(repo)).toEqual([]);
  repo.write('in.txt', 'y');
  await repo.dvOk('repro');
  expect(await toCommit(repo)).toEqual(['changed stages.lock?']);
});
