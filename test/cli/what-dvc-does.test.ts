/** Five ways in which people lost data or time to DVC, each as a test that dv does otherwise. */
import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../core/model/digest.ts';
import { objectPath, readObject } from '../../core/store/cache.ts';
import { someFiles } from '../support/data.ts';
import { dvCountingReads } from '../support/faults.ts';
import { mainScript, testRepo } from '../support/repo.ts';

test('status with nothing to do reads no file', async () => {
  await using repo = await testRepo(someFiles('data', 300));
  await repo.dvOk('add', 'data');
  // Past the step of the clock, within which a change could not be seen.
  await new Promise((resolve) => setTimeout(resolve, 60));
  await repo.dvOk('status');
  const below = `${repo.root}/data/`;
  expect((await dvCountingReads(repo, below, 'status')).opened).toEqual([]);
  // And the counting counts: of one changed file, one is read.
  repo.write('data/class-0/00003.txt', 'X\n');
  const changed = await dvCountingReads(repo, below, 'status');
  expect(changed.opened).toEqual([`${below}class-0/00003.txt`]);
});

test('a damaged read-only cache file is never handed out without a word', async () => {
  for (const link of ['reflink,copy', 'hardlink', 'symlink']) {
    await using repo = await testRepo({ 'data/a': 'precious', 'data/b': 'other' });
    await repo.git('config', 'dv.cache.link', link);
    await repo.dvOk('add', 'data');
    rmSync(join(repo.root, 'data'), { recursive: true });
    const object = objectPath(repo.open(), digestOf('precious'));
    chmodSync(object, 0o644);
    writeFileSync(object, 'Precious');
    chmodSync(object, 0o444);
    const { status, stdout } = await repo.dv('checkout');
    expect([link, status, stdout]).toEqual([link, 3, expect.stringContaining('damaged')]);
    expect([link, repo.exists('data/a'), repo.read('data/b')]).toEqual([link, false, 'other']);
    // Nor is it believed because it was looked at before.
    const again = await repo.dv('checkout');
    expect([link, again.status, repo.exists('data/a')]).toEqual([link, 3, false]);
  }
});

test('after kill -9 in dv checkout it goes on without --force', async () => {
  await using repo = await testRepo(someFiles('data', 1200, 'x'.repeat(500)));
  await repo.dvOk('add', 'data');
  const before = repo.tree('data');
  for (const written of [1, 200]) {
    rmSync(join(repo.root, 'data'), { recursive: true, force: true });
    const child = spawn(process.execPath, [mainScript, 'checkout'], { cwd: repo.root, env: repo.env });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const count = () =>
      repo.exists('data/class-0') ? readdirSync(join(repo.root, 'data/class-0')).length : 0;
    while (child.exitCode === null && count() < written)
      await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGKILL');
    await ended;
    const { status, stdout, stderr } = await repo.dv('checkout');
    expect({ status, kept: /kept/.test(stdout + stderr) }).toEqual({ status: 0, kept: false });
    expect(repo.tree('data')).toEqual(before);
  }
  // What it had begun to write is in nobody's way, neither now nor later.
  expect(
    readdirSync(repo.root, { recursive: true }).filter((name) => String(name).endsWith('.dvtmp')),
  ).toEqual([]);
});

test('--force deletes no untracked file silently', async () => {
  await using repo = await testRepo({ 'data/a': 'a', 'README.md': 'r' });
  await repo.dvOk('add', 'data');
  await repo.commit('one');
  await repo.git('branch', 'one');
  repo.write('data/new', 'theirs');
  await repo.dvOk('add', 'data');
  await repo.commit('two');
  await repo.git('checkout', '-q', 'one');
  await repo.dvOk('checkout');
  repo.write('data/new', 'mine, never recorded');
  repo.write('data/notes', 'mine as well');
  await repo.git('checkout', '-q', 'main');
  const { status, stdout, stderr } = await repo.dv('checkout', '--force');
  const said = stdout + stderr;
  expect(status).toBe(0);
  expect(repo.read('data/new')).toBe('theirs');
  // The one in the way is saved and named; the one that is not stays where it is.
  expect(said).toContain('data/new');
  expect(said).toContain(`dv restore --object ${digestOf('mine, never recorded').slice(7, 23)} data/new`);
  expect(readObject(repo.open(), digestOf('mine, never recorded')).toString()).toBe('mine, never recorded');
  expect(readFileSync(join(repo.root, 'data/notes'), 'utf8')).toBe('mine as well');
});

test('gc never removes what a colleague has just pushed', async () => {
  await using repo = await testRepo({ 'data/a': 'ours', 'data/b': 'old' }, { init: true });
  const [shared, store, theirs] = ['shared.git', 'store', 'theirs'].map((name) => join(repo.outside, name));
  const at = (cwd: string) => ({
    git: (...args: string[]) => repo.run('git', args, { cwd }),
    dv: (...args: string[]) => repo.run(process.execPath, [mainScript, ...args], { cwd }),
  });
  await repo.git('init', '-q', '--bare', shared!);
  await repo.git('remote', 'add', 'origin', shared!);
  await repo.dvOk('remote', 'add', 'store', store!);
  await repo.dvOk('add', 'data');
  await repo.commit('ours');
  await repo.git('push', '-q', '-u', 'origin', 'main');
  await repo.git('clone', '-q', shared!, theirs!);
  const colleague = at(theirs!);
  for (const args of [['init'], ['pull']]) expect(await colleague.dv(...args)).toMatchObject({ status: 0 });
  // What a gc finds unused: the data of a commit that is gone.
  repo.write('data/b', 'gone');
  await repo.dvOk('add', 'data');
  await repo.dvOk('push');
  await repo.git('reset', '-q', '--hard', 'HEAD');
  await repo.dv('checkout', '--force');
  expect(await repo.dv('gc', '--remote', '--yes', '--grace', '0s')).toMatchObject({ status: 0 });
  // Between two steps of the gc a colleague pushes new data, and the very data that is condemned; git does not know yet.
  writeFileSync(join(theirs!, 'data/b'), 'gone');
  writeFileSync(join(theirs!, 'data/new'), 'just pushed');
  expect(await colleague.dv('add', 'data')).toMatchObject({ status: 0 });
  await colleague.git('commit', '-q', '-m', 'theirs');
  expect(await colleague.dv('push')).toMatchObject({ status: 0 });
  for (let step = 0; step < 3; step++) {
    const { status, stderr } = await repo.dv('gc', '--remote', '--yes');
    expect({ status, stderr }).toMatchObject({ status: 0 });
  }
  expect(await colleague.git('push', '-q', 'origin', 'main')).toMatchObject({ status: 0 });
  const third = join(repo.outside, 'third');
  await repo.git('clone', '-q', shared!, third);
  for (const args of [['init'], ['pull']]) expect(await at(third).dv(...args)).toMatchObject({ status: 0 });
  const read = (name: string) => readFileSync(join(third, 'data', name), 'utf8');
  expect([read('new'), read('b')]).toEqual(['just pushed', 'gone']);
});
