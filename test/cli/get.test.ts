import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRepo } from '../support/repo.ts';

test('get, from here, from another repository, and outside of any', async () => {
  await using repo = await testRepo({ 'd/a/1': 'one', 'd/b/2': 'two', 'note.txt': 'hello' }, { init: true });
  await repo.dvOk('add', 'd');
  await repo.dvOk('remote', 'add', 'origin', join(repo.outside, 'remote'));
  await repo.commit('data');
  const own = await repo.dvOk('get', 'd/a', '--out', join(repo.outside, 'x'));
  expect(own.stdout.replaceAll(repo.outside, '…')).toBe('d/a → …/x  1 file, 3 B\n');

  const outside = (...args: string[]) => repo.dv('-C', repo.outside, 'get', '--repo', repo.root, ...args);
  expect((await outside('d', 'note.txt')).stdout.replaceAll(repo.outside, '…')).toBe(
    'd → …/d  2 files, 6 B\nnote.txt → …/note.txt  1 file, 5 B\n',
  );
  expect(await outside('note.txt')).toMatchObject({ status: 4 });
  expect(await outside('nope')).toMatchObject({ status: 2 });
  expect(await outside('../x')).toMatchObject({ status: 2 });
  expect(await outside('d/a', 'other/a')).toMatchObject({ status: 2 });
  expect(repo.read('../outside/d/b/2')).toBe('two');

  // Without its cache, and nothing pushed; then from its remote.
  await repo.git('clone', '-q', '--bare', repo.root, join(repo.outside, 'bare.git'));
  const bare = (...args: string[]) =>
    repo.dv('-C', repo.outside, 'get', '--repo', 'bare.git', 'd/a', '--out', 'got/', ...args);
  expect(await bare()).toMatchObject({ status: 12 });
  await repo.dvOk('push');
  const { stdout } = await bare('--json');
  expect(JSON.parse(stdout)).toEqual({
    got: [{ path: 'd/a', target: join(repo.outside, 'got/a'), files: 1, bytes: 3 }],
    fetched: { files: 1, bytes: 3 },
  });
  expect(Object.keys(repo.tree('../outside/got'))).toEqual(['../outside/got/a/1']);
});
