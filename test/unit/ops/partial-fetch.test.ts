import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { fetch } from '../../../core/ops/fetch.ts';
import { pull } from '../../../core/ops/pull.ts';
import { push } from '../../../core/ops/push.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addAndCommit, cloneOf, dataRepo, keysOf, objectCount } from '../../support/data-world.ts';

const paths = (...typed: string[]) => ({ paths: typed as RepoPath[] });

const files = {
  'data/train/cats/1': 'cat 1',
  'data/train/cats/2': 'cat 2',
  'data/train/dogs/1': 'dog 1',
  'data/val/cats/1': 'cat 3',
  'same/a/1': 'one',
  'same/b/1': 'one',
  'model.bin': 'model',
};
const tracked = ['data/train', 'data/val', 'same/a', 'same/b', 'model.bin'];

test('parts of tracked folders are fetched by path and by pattern, and nothing else', async () => {
  await using world = await dataRepo(files, tracked);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const clone = cloneOf(world);
  expect(await fetch(clone, remote, paths('data/train/cats/1'))).toMatchObject({ files: 1 });
  expect(await fetch(clone, remote, paths('data/*/cats'))).toMatchObject({ files: 2, failures: [] });
  expect(await fetch(clone, remote, paths('data/*/cats'))).toMatchObject({ upToDate: true, requests: 0 });
  expect(await fetch(clone, remote, paths('*.bin'))).toMatchObject({ files: 1 });
  for (const unknown of ['data/train/birds', 'data/*/birds', 'birds', '*.png']) {
    await expect(fetch(clone, remote, paths(unknown))).rejects.toMatchObject({ code: 'path-not-tracked' });
  }
  expect(await fetch(clone, remote)).toMatchObject({ files: 2, failures: [] });
});

test('of two folders with the same content either can be asked for', async () => {
  await using world = await dataRepo(files, tracked);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  expect(await fetch(cloneOf(world), remote, paths('same/b'))).toMatchObject({ files: 1 });
  const clone = cloneOf(world, 'other');
  expect((await pull(clone, remote, { ...paths('same/b'), force: false })).checkedOut).toMatchObject({
    changed: [{ path: 'same/b', created: 1 }],
  });
  expect(existsSync(join(clone.root, 'same', 'a'))).toBe(false);
});

test('a pull takes tracked paths and patterns, and refuses a part before it fetches anything', async () => {
  await using world = await dataRepo(files, tracked);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const clone = cloneOf(world);
  await expect(pull(clone, remote, { ...paths('data/train/cats'), force: false })).rejects.toMatchObject({
    code: 'path-part',
    details: { tracked: 'data/train' },
  });
  expect(existsSync(clone.objectsDir)).toBe(false);
  const { fetched, checkedOut } = await pull(clone, remote, { ...paths('data/v*'), force: false });
  expect(fetched).toMatchObject({ files: 1 });
  expect(checkedOut?.changed).toMatchObject([{ path: 'data/val' }]);
});

test('a pull of other revisions brings their data into the cache, and the workspace to its own', async () => {
  await using world = await dataRepo({ 'data/a': 'one' }, ['data']);
  world.write('data/a', 'two');
  await addAndCommit(world, ['data'], 'second');
  const remote = openMemoryRemote();
  await push(world.open(), remote, {
    select: { workspace: false, revisions: ['HEAD', 'HEAD~1'], all: false },
  });
  const clone = cloneOf(world);
  const select = { revisions: ['HEAD~1'], all: false };
  expect(await pull(clone, remote, { select, force: false })).toMatchObject({ fetched: { files: 2 } });
  expect(objectCount(clone)).toBe(4);
  const other = cloneOf(world, 'other');
  expect(await pull(other, remote, { select: { revisions: [], all: true }, force: false })).toMatchObject({
    fetched: { files: 1 },
  });
});

test('a dry run counts what would come, and brings only listings', async () => {
  await using world = await dataRepo(files, tracked);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const keys = await keysOf(remote);
  const clone = cloneOf(world);
  const { fetched, checkedOut } = await pull(clone, remote, { force: false, dryRun: true });
  expect(fetched).toMatchObject({ files: 6, bytes: 28, upToDate: false });
  expect(checkedOut).toBeUndefined();
  expect(existsSync(join(clone.root, 'model.bin'))).toBe(false);
  expect(await fetch(clone, remote, { ...paths('data/train/dogs'), dryRun: true })).toMatchObject({
    files: 1,
  });
  expect(await fetch(clone, remote)).toMatchObject({ files: 6 });
  expect(await keysOf(remote)).toEqual(keys);
});
