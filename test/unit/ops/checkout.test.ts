import { chmodSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { objectPath, readObject } from '../../../core/store/cache.ts';
import { addPaths, checkoutAll, someFiles, states, writeAll } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

/** Branch `one` and `two` with different data under `d`; `two` is checked out by git, the files are still two's. */
async function twoBranches(): Promise<TestRepo> {
  const repo = await testRepo({ 'd/same': 's', 'd/changed': 'old', 'd/gone/deep/file': 'g', 'd/run': 'r' });
  await addPaths(repo, 'd');
  await repo.commit('one');
  await repo.git('branch', 'one');
  repo.write('d/changed', 'new');
  repo.remove('d/gone');
  repo.write('d/added/file', 'a');
  chmodSync(join(repo.root, 'd/run'), 0o755);
  await addPaths(repo, 'd');
  await repo.commit('two');
  await repo.git('branch', 'two');
  return repo;
}

test('the workspace follows the pointer both ways', async () => {
  await using repo = await twoBranches();
  const two = repo.tree('d');
  await repo.git('checkout', '-q', 'one');
  const result = await checkoutAll(repo);
  expect(result.changed).toEqual([{ path: 'd', created: 1, replaced: 2, deleted: 1 }]);
  expect(repo.tree('d')).toMatchInlineSnapshot(`
    {
      "d/changed": "cba06b5736fa",
      "d/gone/deep/file": "cd0aa9856147",
      "d/run": "454349e422f0",
      "d/same": "043a718774c5",
    }
  `);
  expect(repo.exists('d/added')).toBe(false);
  await repo.git('checkout', '-q', 'two');
  await checkoutAll(repo);
  expect(repo.tree('d')).toEqual(two);
  expect(repo.exists('d/gone')).toBe(false);
});

test('a locally changed file in the way is kept and named', async () => {
  await using repo = await twoBranches();
  repo.write('d/changed', 'mine');
  repo.write('d/same', 'mine too');
  await repo.git('checkout', '-q', 'one');
  const result = await checkoutAll(repo);
  expect(result.kept).toEqual(['d/changed']);
  expect(repo.read('d/changed')).toBe('mine');
  expect(repo.read('d/same')).toBe('mine too');
  expect(await states(repo)).toEqual({ d: 'modified +0 -0 ~2' });
});

test('a single tracked file that was changed is kept, also after status has looked at it', async () => {
  await using repo = await testRepo({ 'd.csv': 'one' });
  await addPaths(repo, 'd.csv');
  await repo.commit('one');
  await repo.git('branch', 'one');
  repo.write('d.csv', 'two');
  await addPaths(repo, 'd.csv');
  await repo.commit('two');
  repo.write('d.csv', 'mine');
  expect(await states(repo)).toEqual({ 'd.csv': 'modified +0 -0 ~1' });
  await repo.git('checkout', '-q', 'one');
  expect((await checkoutAll(repo)).kept).toEqual(['d.csv']);
  expect(repo.read('d.csv')).toBe('mine');
});

test('an untracked file in the way is kept; one with the wanted content is taken over', async () => {
  await using repo = await twoBranches();
  await repo.git('checkout', '-q', 'one');
  await checkoutAll(repo);
  repo.write('d/added/file', 'my own');
  await repo.git('checkout', '-q', 'two');
  expect((await checkoutAll(repo)).kept).toEqual(['d/added/file']);
  expect(repo.read('d/added/file')).toBe('my own');
  repo.write('d/added/file', 'a');
  expect((await checkoutAll(repo, { complete: true })).kept).toEqual([]);
  expect(await states(repo)).toEqual({ d: 'clean' });
});

test('untracked files elsewhere in the folder survive', async () => {
  await using repo = await twoBranches();
  repo.write('d/notes.txt', 'note');
  await repo.git('checkout', '-q', 'one');
  await checkoutAll(repo);
  expect(repo.read('d/notes.txt')).toBe('note');
});

test('--force replaces local changes after saving them', async () => {
  await using repo = await twoBranches();
  repo.write('d/changed', 'mine');
  const result = await checkoutAll(repo, { force: true, complete: true });
  expect(repo.read('d/changed')).toBe('new');
  expect(result.saved).toEqual([{ path: 'd/changed', digest: digestOf('mine'), sizeBytes: 4 }]);
  expect(readObject(repo.open(), digestOf('mine')).toString()).toBe('mine');
});

test('deleted files come back with a complete checkout and stay deleted with a hook’s', async () => {
  await using repo = await twoBranches();
  repo.remove('d/same');
  expect((await checkoutAll(repo)).changed).toEqual([]);
  expect(repo.exists('d/same')).toBe(false);
  expect((await checkoutAll(repo, { complete: true })).changed).toEqual([
    { path: 'd', created: 1, replaced: 0, deleted: 0 },
  ]);
  expect(repo.read('d/same')).toBe('s');
});

test('folders that a killed checkout emptied go too', async () => {
  await using repo = await twoBranches();
  await repo.git('checkout', '-q', 'one');
  // Where it was killed: before the first folder went, and between two of them.
  repo.remove('d/added/file');
  await checkoutAll(repo);
  expect(repo.exists('d/added')).toBe(false);
  rmSync(join(repo.root, 'd/gone/deep'), { recursive: true });
  await repo.git('checkout', '-q', 'two');
  await checkoutAll(repo);
  expect(repo.exists('d/gone')).toBe(false);
});

test('data of a branch without it goes away, and comes back', async () => {
  await using repo = await testRepo({ 'README.md': 'r' });
  await repo.commit('start');
  await repo.git('checkout', '-q', '-b', 'data');
  writeAll(repo, someFiles('set', 50));
  await addPaths(repo, 'set');
  await repo.commit('data');
  const full = repo.tree('set');
  await repo.git('checkout', '-q', 'main');
  await checkoutAll(repo);
  expect(repo.exists('set')).toBe(false);
  await repo.git('checkout', '-q', 'data');
  await checkoutAll(repo);
  expect(repo.tree('set')).toEqual(full);
});

test('a folder that becomes a file, and a file that becomes a folder', async () => {
  await using repo = await testRepo({ 'd/x/inner': 'i', 'd/y': 'y' });
  await addPaths(repo, 'd');
  await repo.commit('one');
  await repo.git('branch', 'one');
  repo.remove('d/x');
  repo.write('d/x', 'now a file');
  repo.remove('d/y');
  repo.write('d/y/inner', 'now a folder');
  await addPaths(repo, 'd');
  await repo.commit('two');
  const two = repo.tree('d');
  await repo.git('checkout', '-q', 'one');
  expect((await checkoutAll(repo)).kept).toEqual([]);
  expect(repo.tree('d')).toMatchInlineSnapshot(`
    {
      "d/x/inner": "de7d1b721a1e",
      "d/y": "a1fce4363854",
    }
  `);
  await repo.git('checkout', '-q', 'main');
  await checkoutAll(repo);
  expect(repo.tree('d')).toEqual(two);
});

test('when the cache lacks data nothing is changed, and the path is named', async () => {
  await using repo = await twoBranches();
  const two = repo.tree('d');
  rmSync(objectPath(repo.open(), digestOf('old')), { force: true });
  await repo.git('checkout', '-q', 'one');
  const result = await checkoutAll(repo);
  expect(result.missing).toEqual([{ path: 'd', digests: [digestOf('old')] }]);
  expect(repo.tree('d')).toEqual(two);
});

test('a damaged object is never put into the workspace', async () => {
  await using repo = await twoBranches();
  const object = objectPath(repo.open(), digestOf('old'));
  chmodSync(object, 0o644);
  writeFileSync(object, 'bad');
  await repo.git('checkout', '-q', 'one');
  const result = await checkoutAll(repo);
  expect(result.failures).toHaveLength(1);
  expect(result.failures[0]?.reason).toContain('damaged');
  expect(repo.exists('d/changed') ? repo.read('d/changed') : 'absent').not.toBe('bad');
});

test('the last copy of a file is saved before it is replaced when the cache has lost it', async () => {
  await using repo = await twoBranches();
  rmSync(objectPath(repo.open(), digestOf('new')), { force: true });
  await repo.git('checkout', '-q', 'one');
  await checkoutAll(repo);
  expect(repo.read('d/changed')).toBe('old');
  expect(readObject(repo.open(), digestOf('new')).toString()).toBe('new');
});

test('a linked folder in the way of a write is refused', async () => {
  await using repo = await twoBranches();
  await repo.git('checkout', '-q', 'one');
  await checkoutAll(repo);
  symlinkSync(repo.outside, join(repo.root, 'd/added'));
  await repo.git('checkout', '-q', 'two');
  expect((await checkoutAll(repo)).failures).toEqual([
    { path: 'd/added', reason: `d/added is a link to ${repo.outside}, outside what is tracked` },
  ]);
  expect(readdirSync(repo.outside)).toEqual([]);
});

test('twenty branches back and forth always give the branch’s bytes', async () => {
  await using repo = await testRepo(someFiles('d', 200));
  const expected = new Map<string, unknown>();
  for (let i = 0; i < 20; i++) {
    await repo.git('checkout', '-q', '-b', `b${i}`);
    repo.write(`d/class-${i % 3}/${String(i * 7).padStart(5, '0')}.txt`, `branch ${i}\n`);
    if (i % 4 === 0) repo.write(`d/extra-${i}/f`, `${i}`);
    await addPaths(repo, 'd');
    await repo.commit(`b${i}`);
    expected.set(`b${i}`, repo.tree('d'));
  }
  for (const i of [3, 17, 0, 19, 8, 8, 1, 12]) {
    await repo.git('checkout', '-q', `b${i}`);
    await checkoutAll(repo);
    expect(repo.tree('d')).toEqual(expected.get(`b${i}`));
  }
});

test('large single files are brought side by side, told in order and counted together', async () => {
  const large = (content: string) => content.repeat((32 << 20) / content.length);
  const contents = { 'a.bin': large('a'), 'b.bin': 'small', 'c.bin': large('c'), 'd.bin': large('d') };
  await using repo = await testRepo({ ...contents, 'e.bin': large('e') });
  const names = ['a.bin', 'b.bin', 'c.bin', 'd.bin', 'e.bin'];
  await addPaths(repo, ...names);
  await repo.commit('data');
  for (const name of names) repo.remove(name);
  const object = objectPath(repo.open(), digestOf(large('d')));
  chmodSync(object, 0o644);
  writeFileSync(object, large('x'));
  const told: (readonly [number, number | undefined])[] = [];
  const result = await checkoutAll(repo, {
    complete: true,
    report(event) {
      if (event.type === 'progress' && event.task === 'writing') told.push([event.files, event.totalFiles]);
    },
  });
  const created = { created: 1, replaced: 0, deleted: 0 };
  expect(result.changed).toEqual(['a.bin', 'b.bin', 'c.bin', 'e.bin'].map((path) => ({ path, ...created })));
  expect(result.failures.map(({ path }) => path)).toEqual(['d.bin']);
  // One, one, and three together.
  expect(told).toEqual([
    [1, 1],
    [1, 1],
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  for (const [name, content] of Object.entries(contents))
    expect(repo.exists(name) && repo.read(name) === content).toBe(name !== 'd.bin');
});
