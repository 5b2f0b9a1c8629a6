/** `dv add --no-commit` and `dv commit`: a pointer now, the bytes later, and nothing lost in between. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { add } from '../../../core/ops/add.ts';
import { commit } from '../../../core/ops/commit.ts';
import { push } from '../../../core/ops/push.ts';
import { hasObject } from '../../../core/store/cache.ts';
import { capture } from '../../../core/store/capture.ts';
import { openRemote } from '../../../remotes/open.ts';
import { checkoutAll, someFiles, states } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

const record = (repo: TestRepo, ...paths: string[]) =>
  add(repo.open(), paths as RepoPath[], { store: false });

test('the pointer is that of an add, the listing is in the cache and the bytes are not', async () => {
  await using repo = await testRepo({ 'data/a': 'a', 'one.bin': 'o' });
  await record(repo, 'data', 'one.bin');
  expect(hasObject(repo.open(), digestOf('a'))).toBe(false);
  expect(hasObject(repo.open(), digestOf('o'))).toBe(false);
  expect(await states(repo)).toEqual({ data: 'uncommitted', 'one.bin': 'uncommitted' });
  const pointers = [repo.read('data.dv'), repo.read('one.bin.dv')];
  expect(await commit(repo.open())).toMatchObject({ added: [{ changed: false }, { changed: false }] });
  expect([repo.read('data.dv'), repo.read('one.bin.dv')]).toEqual(pointers);
  expect(hasObject(repo.open(), digestOf('a'))).toBe(true);
  expect(hasObject(repo.open(), digestOf('o'))).toBe(true);
  expect(await states(repo)).toEqual({ data: 'clean', 'one.bin': 'clean' });
});

test('recording again reads only what changed', async () => {
  await using repo = await testRepo(someFiles('data', 5));
  await new Promise((resolve) => setTimeout(resolve, 60));
  await record(repo, 'data');
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect((await capture(repo.open(), 'data' as RepoPath, { store: false })).filesRead).toBe(0);
  repo.write('data/class-0/00000.txt', 'changed');
  expect((await record(repo, 'data')).added[0]?.filesRead).toBe(1);
});

test('the pointer follows files that changed since', async () => {
  await using repo = await testRepo({ 'data/a': 'a' });
  await record(repo, 'data');
  repo.write('data/a', 'b');
  expect(await states(repo)).toEqual({ data: 'modified +0 -0 ~1' });
  expect(await commit(repo.open())).toMatchObject({ added: [{ changed: true }] });
  expect(await states(repo)).toEqual({ data: 'clean' });
});

test('a checkout of another branch and back loses nothing', async () => {
  await using repo = await testRepo({ 'data/a': 'a', 'data/b': 'b', 'one.bin': 'o' });
  await record(repo, 'data', 'one.bin');
  await repo.commit('one');
  await repo.git('checkout', '-q', '-b', 'two');
  repo.write('data/a', 'a2');
  repo.remove('data/b');
  repo.write('one.bin', 'o2');
  await record(repo, 'data', 'one.bin');
  await repo.commit('two');
  const two = repo.tree();
  await repo.git('checkout', '-q', '--orphan', 'none');
  await repo.git('rm', '-rfq', '.');
  await checkoutAll(repo);
  expect(repo.tree()).toEqual({});
  await repo.git('checkout', '-q', 'two');
  await checkoutAll(repo);
  expect(repo.tree()).toEqual(two);
});

test('a file edited after it was recorded is an edit, and kept', async () => {
  await using repo = await testRepo({ 'data/a': 'a' });
  await record(repo, 'data');
  await repo.commit('one');
  await repo.git('checkout', '-q', '-b', 'two');
  repo.write('data/a', 'a2');
  await record(repo, 'data');
  await repo.commit('two');
  repo.write('data/a', 'mine');
  await repo.git('checkout', '-q', 'main');
  expect((await checkoutAll(repo)).kept).toEqual(['data/a']);
  expect(repo.read('data/a')).toBe('mine');
});

test('a push refuses pointers without their bytes, and says what to type', async () => {
  await using repo = await testRepo({ 'data/a': 'a' });
  await record(repo, 'data');
  await repo.commit('one');
  const remote = await openRemote(
    { name: 'r', endpointFromRepository: false, url: `file://${join(repo.outside, 'remote')}` },
    repo.root,
  );
  const error = await push(repo.open(), remote).catch((thrown: unknown) => thrown);
  expect(isDvError(error, 'data-missing') && [error.message, error.hint]).toEqual([
    expect.stringContaining('data/a'),
    expect.stringMatching(/^dv commit/),
  ]);
  await commit(repo.open());
  expect((await push(repo.open(), remote)).files).toBe(1);
});

test('paths that are not in the workspace are left alone, and named when the cache lacks them', async () => {
  await using repo = await testRepo({ 'data/a': 'a', 'one.bin': 'o' });
  await record(repo, 'data', 'one.bin');
  repo.remove('one.bin');
  expect(await commit(repo.open())).toMatchObject({ added: [{ path: 'data' }], missing: ['one.bin'] });
});
