import {
  chmodSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DvEvent } from '../../../core/events.ts';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { copyOut } from '../../../core/ops/checkout-copy.ts';
import { status } from '../../../core/ops/status.ts';
import { hasObject, objectPath } from '../../../core/store/cache.ts';
import { addPaths, checkoutAll, states } from '../../support/data.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

type Mode = 'hardlink' | 'symlink';

/** A repository with a link mode and some data that nobody wrote to just now. */
async function linking(mode: Mode, files: Record<string, string> = {}): Promise<TestRepo> {
  const content = { 'd/a': 'aaaa', 'd/sub/b': 'bbbb', 'd/empty': '', ...files };
  const repo = await testRepo(content);
  await repo.git('config', 'dv.cache.link', mode);
  const past = new Date(Date.now() - 60_000);
  for (const path of Object.keys(content)) utimesSync(join(repo.root, path), past, past);
  return repo;
}

const at = (repo: TestRepo, path: string) => join(repo.root, path);
const object = (repo: TestRepo, content: string) => objectPath(repo.open(), digestOf(content));
const isOne = (a: string, b: string) => statSync(a).ino === statSync(b).ino;
const settle = () => new Promise((resolve) => setTimeout(resolve, 60));
const warnings = async (repo: TestRepo) => {
  const events: DvEvent[] = [];
  const found = await status(repo.open(), { env: repo.env, report: (event) => events.push(event) });
  return { found, said: events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])) };
};

/** Edits a file where it lies, as an editor does that first asks for the right to. */
function editInPlace(repo: TestRepo, path: string, content: string): void {
  chmodSync(at(repo, path), 0o644);
  writeFileSync(at(repo, path), content);
}

test('add makes the file and its object one, read-only, and knows it again without reading', async () => {
  await using repo = await linking('hardlink');
  await addPaths(repo, 'd');
  expect(isOne(at(repo, 'd/a'), object(repo, 'aaaa'))).toBe(true);
  expect(statSync(at(repo, 'd/a')).mode & 0o777).toBe(0o444);
  await settle();
  expect(await states(repo)).toEqual({ d: 'clean' });
  expect((await addPaths(repo, 'd')).added[0]?.filesRead).toBe(0);
});

test('add copies what must not be linked: executable, young, and with another name already', async () => {
  await using repo = await linking('hardlink', { 'd/named': 'named' });
  repo.write('d/run', '#!/bin/sh\n', { executable: true });
  repo.write('d/young', 'young');
  await repo.run('ln', ['d/named', 'elsewhere']);
  const past = new Date(Date.now() - 60_000);
  utimesSync(at(repo, 'd/run'), past, past);
  const future = new Date(Date.now() + 60_000);
  utimesSync(at(repo, 'd/young'), future, future);
  await addPaths(repo, 'd');
  for (const [path, content] of [
    ['run', '#!/bin/sh\n'],
    ['young', 'young'],
    ['named', 'named'],
  ] as const) {
    expect([path, isOne(at(repo, `d/${path}`), object(repo, content))]).toEqual([path, false]);
    expect(readFileSync(object(repo, content), 'utf8')).toBe(content);
  }
  expect(await states(repo)).toEqual({ d: 'clean' });
});

test('a large file is linked, not copied', async () => {
  const large = 'x'.repeat(9 << 20);
  await using repo = await linking('hardlink', { 'd/large': large });
  await addPaths(repo, 'd');
  expect(isOne(at(repo, 'd/large'), object(repo, large))).toBe(true);
});

describe.each(['hardlink', 'symlink'] as const)('%s', (mode) => {
  /** The data as a checkout puts it there. */
  async function checkedOut(): Promise<TestRepo> {
    const repo = await linking(mode);
    repo.write('d/run', '#!/bin/sh\n', { executable: true });
    await addPaths(repo, 'd');
    await repo.commit('d');
    rmSync(at(repo, 'd'), { recursive: true });
    await checkoutAll(repo, { complete: true });
    await settle();
    return repo;
  }

  test('a checkout links files, copies executable ones, and status finds all as recorded', async () => {
    await using repo = await checkedOut();
    expect(isOne(at(repo, 'd/a'), object(repo, 'aaaa'))).toBe(true);
    expect(lstatSync(at(repo, 'd/a')).isSymbolicLink()).toBe(mode === 'symlink');
    expect(lstatSync(at(repo, 'd/run')).mode & 0o777).toBe(0o755);
    expect(isOne(at(repo, 'd/run'), object(repo, '#!/bin/sh\n'))).toBe(false);
    expect(await states(repo)).toEqual({ d: 'clean' });
    const pointer = repo.read('d.dv');
    expect((await addPaths(repo, 'd')).added[0]).toMatchObject({ changed: false });
    expect(repo.read('d.dv')).toBe(pointer);
  });

  test('an edit in place is seen, and its object leaves the cache', async () => {
    await using repo = await checkedOut();
    editInPlace(repo, 'd/a', 'edit');
    const { found, said } = await warnings(repo);
    expect(found.paths).toMatchObject([{ state: 'modified', modified: 1 }]);
    expect(said).toEqual([expect.stringContaining('d/a was edited in place')]);
    expect(hasObject(repo.open(), digestOf('aaaa'))).toBe(false);
    expect(lstatSync(at(repo, 'd/a')).isSymbolicLink()).toBe(false);
    expect(repo.read('d/a')).toBe('edit');
    // Said once; then it is an ordinary edit, which can be recorded.
    expect((await warnings(repo)).said).toEqual([]);
    await addPaths(repo, 'd');
    expect(readFileSync(object(repo, 'edit'), 'utf8')).toBe('edit');
    expect(await states(repo)).toEqual({ d: 'clean' });
  });

  test('an edit in place is recorded by add as what it is', async () => {
    await using repo = await checkedOut();
    editInPlace(repo, 'd/a', 'edit');
    await addPaths(repo, 'd');
    expect(hasObject(repo.open(), digestOf('aaaa'))).toBe(false);
    expect(readFileSync(object(repo, 'edit'), 'utf8')).toBe('edit');
  });

  test('an edit in place is never handed to another checkout', async () => {
    await using repo = await checkedOut();
    editInPlace(repo, 'd/a', 'edit');
    await repo.git('config', 'dv.cache.link', 'copy');
    // Moved away, so that nothing sees the edit before the cache is asked for the file.
    renameSync(at(repo, 'd'), join(repo.outside, 'd'));
    const { failures, missing } = await checkoutAll(repo, { complete: true });
    expect([...failures.map(({ reason }) => reason), ...missing.map(({ path }) => path)]).toEqual([
      expect.stringContaining('damaged'),
    ]);
    expect(repo.exists('d/a')).toBe(false);
    expect(repo.read('d/sub/b')).toBe('bbbb');
  });

  test('checkout --force says that the old content is gone rather than giving the edit for it', async () => {
    await using repo = await checkedOut();
    editInPlace(repo, 'd/a', 'edit');
    const result = await checkoutAll(repo, { complete: true, force: true });
    expect(result.missing).toEqual([{ path: 'd', digests: [digestOf('aaaa')] }]);
    expect(repo.read('d/a')).toBe('edit');
  });

  test('a file put in the place of a link is an edit, and the object stays', async () => {
    await using repo = await checkedOut();
    rmSync(at(repo, 'd/a'));
    repo.write('d/a', 'new file');
    expect((await warnings(repo)).said).toEqual([]);
    expect(await states(repo)).toEqual({ d: 'modified +0 -0 ~1' });
    expect(readFileSync(object(repo, 'aaaa'), 'utf8')).toBe('aaaa');
  });

  test('--copy makes what was named editable, keeps its content, and leaves the rest', async () => {
    await using repo = await checkedOut();
    expect(await copyOut(repo.open(), ['d/a' as RepoPath])).toEqual({
      copied: 1,
      madeWritable: 0,
      failures: [],
    });
    expect(lstatSync(at(repo, 'd/a')).isSymbolicLink()).toBe(false);
    expect(isOne(at(repo, 'd/a'), object(repo, 'aaaa'))).toBe(false);
    expect(statSync(at(repo, 'd/a')).mode & 0o200).toBe(0o200);
    expect(isOne(at(repo, 'd/sub/b'), object(repo, 'bbbb'))).toBe(true);
    expect(await states(repo)).toEqual({ d: 'clean' });
    writeFileSync(at(repo, 'd/a'), 'edit');
    expect(readFileSync(object(repo, 'aaaa'), 'utf8')).toBe('aaaa');
    expect(await states(repo)).toEqual({ d: 'modified +0 -0 ~1' });
    expect(await copyOut(repo.open(), ['d' as RepoPath])).toMatchObject({ copied: 2 });
    expect(repo.read('d/a')).toBe('edit');
    await expect(copyOut(repo.open(), ['other' as RepoPath])).rejects.toMatchObject({
      code: 'path-not-tracked',
    });
  });

  test('a change of the executable bit gives the file bytes of its own', async () => {
    await using repo = await checkedOut();
    await repo.git('branch', 'plain');
    await copyOut(repo.open(), ['d/a' as RepoPath]);
    chmodSync(at(repo, 'd/a'), 0o755);
    await addPaths(repo, 'd');
    await repo.commit('executable');
    await repo.git('checkout', '-q', 'plain');
    rmSync(at(repo, 'd'), { recursive: true });
    await checkoutAll(repo, { complete: true });
    expect(isOne(at(repo, 'd/a'), object(repo, 'aaaa'))).toBe(true);
    await repo.git('checkout', '-q', 'main');
    await checkoutAll(repo);
    expect(statSync(at(repo, 'd/a')).mode & 0o777).toBe(0o755);
    expect(statSync(object(repo, 'aaaa')).mode & 0o777).toBe(0o444);
    expect(await states(repo)).toEqual({ d: 'clean' });
  });

  test('branches go back and forth, and the cache keeps what it had', async () => {
    await using repo = await checkedOut();
    await repo.git('checkout', '-q', '-b', 'two');
    rmSync(at(repo, 'd/a'));
    repo.write('d/a', 'two');
    repo.remove('d/sub/b');
    await addPaths(repo, 'd');
    await repo.commit('two');
    const two = repo.tree('d');
    for (const branch of ['main', 'two', 'main', 'two']) {
      await repo.git('checkout', '-q', branch);
      await checkoutAll(repo);
      expect(repo.read('d/a')).toBe(branch === 'two' ? 'two' : 'aaaa');
      expect(repo.exists('d/sub/b')).toBe(branch === 'main');
      expect(await states(repo)).toEqual({ d: 'clean' });
    }
    if (mode === 'hardlink') expect(repo.tree('d')).toEqual(two);
    expect(readFileSync(object(repo, 'aaaa'), 'utf8')).toBe('aaaa');
  });
});

test('a link whose object is gone is a missing file, and comes back', async () => {
  await using repo = await linking('symlink');
  await addPaths(repo, 'd');
  rmSync(at(repo, 'd'), { recursive: true });
  await checkoutAll(repo, { complete: true });
  const saved = readlinkSync(at(repo, 'd/a'));
  renameSync(saved, `${saved}.away`);
  expect((await warnings(repo)).found.failures).toEqual([
    { path: 'd/a', reason: 'it is a link to an object that the cache no longer has; dv pull fetches it' },
  ]);
  expect((await checkoutAll(repo, { complete: true })).missing).toHaveLength(1);
  renameSync(`${saved}.away`, saved);
  expect(await states(repo)).toEqual({ d: 'clean' });
});

test('a single tracked file is linked and known', async () => {
  for (const mode of ['hardlink', 'symlink'] as const) {
    await using repo = await linking(mode, { 'model.bin': 'weights' });
    await addPaths(repo, 'model.bin');
    rmSync(at(repo, 'model.bin'));
    await checkoutAll(repo, { complete: true });
    await settle();
    expect(isOne(at(repo, 'model.bin'), object(repo, 'weights'))).toBe(true);
    expect(await states(repo)).toEqual({ 'model.bin': 'clean' });
    const pointer = repo.read('model.bin.dv');
    await addPaths(repo, 'model.bin');
    expect(repo.read('model.bin.dv')).toBe(pointer);
  }
});
