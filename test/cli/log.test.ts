import { expect, test } from 'vitest';
import { testRepo } from '../support/repo.ts';

test('log, in words', async () => {
  await using repo = await testRepo({ 'd/a/1': 'one', 'd/b/2': 'two', 'f.csv': 'v1' }, { init: true });
  expect((await repo.dvOk('log')).stdout).toBe('no commit here changed data\n');
  await repo.dvOk('add', 'd', 'f.csv');
  await repo.commit('start');
  repo.write('d/a/3', 'three');
  repo.write('f.csv', 'v1, longer');
  await repo.dvOk('add', 'd', 'f.csv');
  await repo.commit('more');
  const { stdout } = await repo.dvOk('log');
  expect(stdout.replace(/^[0-9a-f]{9}/gm, '<commit>')).toMatchInlineSnapshot(`
    "<commit>  2024-01-01 00:10  Ada Example  more
      d      +1  2 → 3 files  6 B → 11 B
      f.csv  ~1  1 file  2 B → 10 B

    <commit>  2024-01-01 00:06  Ada Example  start
      d      new  2 files, 6 B
      f.csv  new  1 file, 2 B
    "
  `);
  expect((await repo.dvOk('log', '-n', '1', '--', 'f.csv')).stdout.split('\n')).toHaveLength(3);
  expect((await repo.dvOk('-C', 'd', 'log', 'HEAD~1', '--', 'a')).stdout).toContain('start');
  expect(await repo.dv('log', '-n', 'x')).toMatchObject({ status: 2 });
  expect(await repo.dv('log', 'nope')).toMatchObject({ status: 2 });
});
