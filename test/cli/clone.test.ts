/** `dv clone`, and what a plain `git clone` leaves to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderOfUrl } from '../../core/ops/clone.ts';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

/** A repository whose data is on a remote in the folder `outside/store`. */
async function pushedWorld(): Promise<TestRepo> {
  const world = await testRepo({ 'data/a.txt': 'a', 'data/b.txt': 'bb' }, { init: true });
  await world.dvOk('remote', 'add', 'store', join(world.outside, 'store'));
  await world.dvOk('add', 'data');
  await world.commit('data');
  await world.dvOk('push');
  return world;
}

const dvIn = (world: TestRepo, ...args: string[]) =>
  world.run(process.execPath, [mainScript, ...args], { cwd: world.outside });

test('the folder is named as git would name it', () => {
  expect(
    [
      'https://ada:secret@example.org/team/cats.git',
      'git@example.org:cats',
      'git@example.org:team/cats.git/',
      '/srv/git/cats/.git',
      '../cats/',
      'file:///srv/cats.git',
    ].map(folderOfUrl),
  ).toEqual(['cats', 'cats', 'cats', 'cats', 'cats', 'cats']);
  expect(['/', '.', '..', 'https://'].map(folderOfUrl)).toEqual([undefined, undefined, undefined, undefined]);
});

test('one command brings history, data and hooks', async () => {
  await using world = await pushedWorld();
  const outcome = await dvIn(world, 'clone', world.root, 'copy');
  expect(outcome).toMatchObject({
    status: 0,
    stdout: `cloned into copy\nfetched 2 files (3 B) from ${world.outside}/store\ndata  +2\n`,
  });
  const copy = join(world.outside, 'copy');
  expect(readFileSync(join(copy, 'data', 'b.txt'), 'utf8')).toBe('bb');
  expect(existsSync(join(copy, '.git', 'hooks', 'post-checkout'))).toBe(true);
  expect(await world.git('-C', copy, 'status', '--porcelain')).toBe('');

  const again = await dvIn(world, 'clone', world.root, 'copy');
  expect(again.status).toBe(1);
  expect(again.stderr).toContain('already exists and is not an empty directory');
});

test('git’s own options are passed on, hooks can be left out, JSON is one document', async () => {
  await using world = await pushedWorld();
  await world.git('checkout', '--quiet', '-b', 'other');
  world.write('data/c.txt', 'ccc');
  await world.dvOk('add', 'data');
  await world.commit('more');
  await world.dvOk('push');
  const outcome = await dvIn(
    world,
    'clone',
    '--json',
    '--no-hooks',
    '--depth',
    '1',
    '-b',
    'other',
    `file://${world.root}`,
  );
  expect(outcome).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/^(\{"type":"progress".*\}\n)*$/),
  });
  const copy = join(world.outside, 'repo');
  expect(JSON.parse(outcome.stdout)).toMatchObject({
    root: copy,
    usesDv: true,
    init: { hooks: [] },
    pulled: { fetched: { files: 3 } },
  });
  expect((await world.git('-C', copy, 'rev-list', '--count', 'HEAD')).trim()).toBe('1');
  expect(existsSync(join(copy, '.git', 'hooks', 'post-checkout'))).toBe(false);
  expect(existsSync(join(copy, 'data', 'c.txt'))).toBe(true);
});

test('submodules bring their data along', async () => {
  await using world = await pushedWorld();
  await using outer = await testRepo({ 'readme.md': 'x' });
  await outer.git('submodule', '--quiet', 'add', world.root, 'parts/cats');
  await outer.commit('with cats');
  const outcome = await dvIn(outer, 'clone', '--recurse-submodules', outer.root, 'copy');
  expect(outcome.status).toBe(0);
  expect(outcome.stdout).toContain('parts/cats: data  +2');
  expect(existsSync(join(outer.outside, 'copy', 'parts', 'cats', 'data', 'a.txt'))).toBe(true);
});

test('a repository without data is cloned and left as it is', async () => {
  await using world = await testRepo({ 'readme.md': 'x' });
  await world.commit('start');
  expect(await dvIn(world, 'clone', world.root, 'copy')).toMatchObject({
    status: 0,
    stdout: 'cloned into copy; it has no data of dv yet: dv init there starts\n',
  });
  expect(existsSync(join(world.outside, 'copy', '.dvconfig'))).toBe(false);
});

test('what cannot be cloned leaves nothing, and its password is not shown', async () => {
  await using world = await testRepo({ 'readme.md': 'x' });
  const outcome = await dvIn(world, 'clone', '--json', 'http://ada:hunter2@127.0.0.1:9/cats.git');
  expect(outcome.status).toBe(1);
  expect(outcome.stderr).toContain('***@127.0.0.1:9');
  expect(outcome.stderr).not.toContain('hunter2');
  expect(existsSync(join(world.outside, 'cats'))).toBe(false);
  expect(await dvIn(world, 'clone', '/')).toMatchObject({ status: 2 });
  expect(await dvIn(world, 'clone', '--depth', '0', world.root)).toMatchObject({ status: 2 });
});

test('when the data cannot be had, the clone stays, and says how to go on', async () => {
  await using world = await pushedWorld();
  const store = join(world.outside, 'store');
  renameSync(store, `${store}-away`);
  const outcome = await dvIn(world, 'clone', world.root, 'copy');
  expect(outcome.status).toBe(12);
  expect(outcome.stderr).toContain(
    'dv: warning: the git repository is in copy; its data is not, or not all\nhint: cd copy && dv init && dv pull\n',
  );
  renameSync(`${store}-away`, store);
  const copy = join(world.outside, 'copy');
  expect((await world.dvOk('-C', copy, 'pull')).stdout).toContain('data  +2');
});

test('after a plain git clone, dv pull needs nothing, and dv init offers the hooks', async () => {
  await using world = await pushedWorld();
  const copy = join(world.outside, 'copy');
  await world.git('clone', '--quiet', world.root, copy);
  expect((await world.dvOk('-C', copy, 'pull')).stdout).toContain('data  +2');
  expect((await world.dvOk('-C', copy, 'init')).stdout).toContain('post-checkout');
  expect(await world.git('-C', copy, 'status', '--porcelain')).toBe('');
});

test.each([
  ['group', []],
  ['dv', ['--quiet']],
] as const)(
  'an interrupt of the %s ends the clone at once, and leaves no half of one',
  async (whom, options) => {
    await using world = await testRepo({ 'readme.md': 'x' });
    // A server that says nothing: git waits for it.
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const connected = once(server, 'connection');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cats.git`;
    const child = spawn(process.execPath, [mainScript, 'clone', ...options, url], {
      cwd: world.outside,
      env: world.env,
      detached: true,
    });
    let stderr = '';
    child.stderr.on('data', (piece: Buffer) => {
      stderr += piece.toString();
    });
    const [socket] = await connected;
    const started = performance.now();
    // On a terminal everybody in the group hears Ctrl-C; `kill` reaches dv alone.
    process.kill(whom === 'group' ? -child.pid! : child.pid!, 'SIGINT');
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    expect(performance.now() - started).toBeLessThan(1500);
    await expect.poll(() => stderr).toContain('dv: interrupted');
    expect(existsSync(join(world.outside, 'cats'))).toBe(false);
    socket.destroy();
    server.close();
  },
);
