/** git commit tells of data that was changed and not added; it is never stopped. */
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type TestRepo, testRepo } from '../support/repo.ts';

const commit = (repo: TestRepo) => repo.tryGit('commit', '--quiet', '--allow-empty', '--message', 'x');

test('changed data is named, once per path, with the command that records it', async () => {
  await using repo = await testRepo(
    { 'data/a': 'a', 'data/b': 'b', 'data/c': 'c', 'more data/x': '1', model: 'm' },
    { init: true },
  );
  await repo.dvOk('add', 'data', 'more data', 'model');
  expect(await commit(repo)).toEqual({ status: 0, stdout: '', stderr: '' });
  repo.write('data/a', 'changed');
  repo.write('data/new', 'new');
  repo.remove('data/c');
  repo.write('more data/x', '2');
  repo.write('model', 'n');
  expect(await commit(repo)).toEqual({
    status: 0,
    stdout: '',
    stderr: [
      'dv: data has changes that are not recorded (+1 −1 ~1): dv add data',
      'dv: model has changes that are not recorded (~1): dv add model',
      "dv: more data has changes that are not recorded (~1): dv add 'more data'",
      '',
    ].join('\n'),
  });
  await repo.dvOk('add', 'data', 'model', 'more data');
  expect((await commit(repo)).stderr).toBe('');
});

test('a file that only looks different is read, unless that would take long', async () => {
  await using repo = await testRepo(
    { 'data/a': 'a', 'big/b': Buffer.alloc(65 * 1024 * 1024) },
    { init: true },
  );
  await repo.dvOk('add', 'data', 'big');
  for (const file of ['data/a', 'big/b']) utimesSync(join(repo.root, file), 1_600_000_000, 1_600_000_000);
  expect((await commit(repo)).stderr).toBe(
    'dv: big may have changes that are not recorded (~1): dv add big\n',
  );
  await repo.dvOk('status');
  expect((await commit(repo)).stderr).toBe('');
});

test('says nothing of data that is not here, and nothing when switched off', async () => {
  await using repo = await testRepo({ 'data/a': 'a', 'gone/b': 'b' }, { init: true });
  await repo.dvOk('add', 'data', 'gone');
  await commit(repo);
  repo.remove('gone');
  expect((await commit(repo)).stderr).toBe('');
  repo.write('data/a', 'changed');
  await repo.git('config', 'dv.hooks.pre-commit', 'off');
  expect((await commit(repo)).stderr).toBe('');
});

test('a hook that was there runs first and decides; without dv nothing is said', async () => {
  await using repo = await testRepo({ 'data/a': 'a' });
  repo.write('.git/hooks/pre-commit', '#!/bin/sh\necho checked >&2\ntest ! -e refuse\n', {
    executable: true,
  });
  await repo.dvOk('init');
  await repo.dvOk('add', 'data');
  repo.write('data/a', 'changed');
  const committed = await commit(repo);
  expect(committed).toMatchObject({ status: 0 });
  expect(committed.stderr).toMatch(/^checked\ndv: data has changes/);
  repo.write('refuse', '');
  expect(await commit(repo)).toMatchObject({ status: 1, stderr: 'checked\n' });
  repo.remove('refuse');
  const hook = repo.read('.git/hooks/pre-commit').replace(/main='.*'/, "main='/nowhere'");
  repo.write('.git/hooks/pre-commit', hook, { executable: true });
  expect(await commit(repo)).toMatchObject({ status: 0, stderr: 'checked\n' });
});
