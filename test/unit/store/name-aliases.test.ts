import { linkSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { aliasAmong, respelled } from '../../../core/store/name-aliases.ts';
import { addPaths, checkoutAll, states } from '../../support/data.ts';
import { testRepo } from '../../support/repo.ts';

test('names that differ by case or by the form of a letter may be one', () => {
  const paths = ['A.png', 'b.png', 'caf\u00e9', 'STRASSE'];
  expect(aliasAmong(paths, 'a.PNG')).toBe('A.png');
  expect(aliasAmong(paths, 'cafe\u0301')).toBe('caf\u00e9');
  expect(aliasAmong(paths, 'CAFE\u0301')).toBe('caf\u00e9');
  expect(aliasAmong(paths, 'A.png')).toBe(undefined);
  expect(aliasAmong(paths, 'c.png')).toBe(undefined);
});

test('a file is another spelling of one that goes only when both are one file', () => {
  const going = [
    { path: 'A', inode: 1 },
    { path: 'x', inode: 2 },
  ];
  const found = [
    { path: 'a', inode: 1 },
    { path: 'X', inode: 3 },
    { path: 'other', inode: 2 },
  ];
  expect(respelled(going, found)).toEqual([0]);
});

test.each([
  ['A.png', 'a.png'],
  ['Cls/1.png', 'cls/1.png'],
  ['caf\u00e9', 'cafe\u0301'],
])('%s that is %s on another branch is written there, although it looks as if it were', async (from, to) => {
  await using repo = await testRepo({ [`d/${from}`]: 'same', 'd/keep': 'k' });
  await addPaths(repo, 'd');
  await repo.commit('from');
  await repo.git('branch', 'from');
  repo.write(`d/${to}x`, '');
  repo.remove(`d/${to}x`);
  renameSync(join(repo.root, 'd', from), join(repo.root, 'd', to));
  await addPaths(repo, 'd');
  await repo.commit('to');
  await repo.git('checkout', '-q', 'from');
  await checkoutAll(repo);
  // What a file system that folds names shows: the old file, under the new name as well.
  repo.write(`d/${to}x`, '');
  repo.remove(`d/${to}x`);
  linkSync(join(repo.root, 'd', from), join(repo.root, 'd', to));
  const { ino } = statSync(join(repo.root, 'd', to));
  await new Promise((resolve) => setTimeout(resolve, 60));
  await checkoutAll(repo, { complete: true });
  await repo.git('checkout', '-q', 'main');
  expect(await checkoutAll(repo)).toMatchObject({ kept: [], failures: [] });
  expect(repo.read(`d/${to}`)).toBe('same');
  // There, deleting the old name took this file away; it is here because it was written again.
  expect(statSync(join(repo.root, 'd', to)).ino).not.toBe(ino);
  expect(await states(repo)).toEqual({ d: 'clean' });
});
