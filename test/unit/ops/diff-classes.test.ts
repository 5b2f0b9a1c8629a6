import { expect, test } from 'vitest';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { diff } from '../../../core/ops/diff.ts';
import { addPaths, someFiles, writeAll } from '../../support/data.ts';
import { testRepo } from '../../support/repo.ts';

test('files per class: before, after, and what changed; a move between classes is both', async () => {
  await using repo = await testRepo({
    'd/cat/1': 'c1',
    'd/cat/2': 'c2',
    'd/cat/deep/3': 'c3',
    'd/dog/1': 'd1',
    'd/owl/1': 'o1',
    'd/labels.csv': 'l',
  });
  await addPaths(repo, 'd');
  await repo.commit('one');
  repo.write('d/cat/2', 'C2');
  repo.write('d/dog/moved', 'c3');
  repo.remove('d/cat/deep');
  repo.write('d/fox/1', 'f1');
  repo.write('d/labels.csv', 'L');
  const classes = [
    { name: 'cat', before: 3, after: 2, added: 0, modified: 1, deleted: 1 },
    { name: 'dog', before: 1, after: 2, added: 1, modified: 0, deleted: 0 },
    { name: 'fox', before: 0, after: 1, added: 1, modified: 0, deleted: 0 },
  ];
  expect((await diff(repo.open(), {})).paths[0]?.classes).toEqual(classes);
  await addPaths(repo, 'd');
  await repo.commit('two');
  expect((await diff(repo.open(), { from: 'HEAD~1', to: 'HEAD' })).paths[0]?.classes).toEqual(classes);
  const narrowed = await diff(repo.open(), { from: 'HEAD~1', to: 'HEAD', paths: ['d/cat' as RepoPath] });
  expect(narrowed.paths[0]?.classes[0]).toEqual(classes[0]);
});

test('a long listing in leaves is counted as a short one', async () => {
  await using repo = await testRepo();
  writeAll(repo, someFiles('d', 9000));
  await addPaths(repo, 'd');
  await repo.commit('one');
  repo.write('d/class-1/new', 'n');
  await addPaths(repo, 'd');
  await repo.commit('two');
  const { paths } = await diff(repo.open(), { from: 'HEAD~1', to: 'HEAD' });
  expect(paths[0]?.classes).toEqual([
    { name: 'class-1', before: 3000, after: 3001, added: 1, modified: 0, deleted: 0 },
  ]);
});

test('files directly in the folder, single files and unknown listings have no classes', async () => {
  await using repo = await testRepo({ 'd/1': 'x', 'f.csv': 'v1' });
  await addPaths(repo, 'd', 'f.csv');
  repo.write('d/1', 'y');
  repo.write('f.csv', 'v2');
  const { paths } = await diff(repo.open(), {});
  expect(paths.map(({ classes }) => classes)).toEqual([[], []]);
});
