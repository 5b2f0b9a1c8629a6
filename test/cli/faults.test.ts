/** Disks that are full, failing, read-only or elsewhere; clocks that go backwards; two commands at once. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../core/model/digest.ts';
import { objectPath } from '../../core/store/cache.ts';
import { canBeAnother, dvAs, giveTo, nobody } from '../support/another-user.ts';
import { someFiles, states } from '../support/data.ts';
import { dvWithFault } from '../support/faults.ts';
import { testRepo } from '../support/repo.ts';
import { canMountSmallDisk, remount, smallDisk } from '../support/small-disk.ts';

const files = { 'data/a': 'aaaa', 'data/sub/b': 'bbbb', 'data/c': 'cccc' };
const canMount = canMountSmallDisk();
const writes = ['openSync', 'writeSync', 'renameSync', 'mkdirSync', 'fsyncSync', 'writeFileSync'] as const;

describe.each(writes)('a disk that is full at one %s after another', (call) => {
  test('add says so, records nothing by halves, and works when there is room', async () => {
    await using repo = await testRepo(files);
    await repo.dvOk('add', 'data');
    await repo.commit('one');
    const old = repo.read('data.dv');
    repo.write('data/a', 'edit');
    await using calm = await testRepo({ ...files, 'data/a': 'edit' });
    await calm.dvOk('add', 'data');
    const wanted = calm.read('data.dv');
    let struck = 0;
    for (let nth = 1; ; nth++) {
      const outcome = await dvWithFault(
        repo,
        { code: 'ENOSPC', calls: [call], path: repo.root, nth },
        'add',
        'data',
      );
      if (!outcome.struck) break;
      struck++;
      // What dv can do without (an index that only saves time) may fail in silence; nothing else may.
      const said = outcome.status === 0 || /no space left on the disk/.test(outcome.stderr);
      expect({ nth, ...outcome, said }).toMatchObject({ said: true });
      expect([old, wanted]).toContain(repo.read('data.dv'));
      if (repo.read('data.dv') === wanted) {
        await repo.git('checkout', '-q', 'HEAD', '--', 'data.dv', '.gitignore');
        rmSync(join(repo.root, '.git/dv/index'), { recursive: true, force: true });
      }
      for (const edited of [objectPath(repo.open(), digestOf('edit'))]) rmSync(edited, { force: true });
    }
    expect(struck).toBeGreaterThan(0);
    await repo.dvOk('add', 'data');
    expect(repo.read('data.dv')).toBe(wanted);
    expect(await states(repo)).toEqual({ data: 'clean' });
  });
});

test.each(['openSync', 'writeSync', 'renameSync'])(
  'a disk that fills up in a checkout, at one %s after another, loses nothing',
  async (call) => {
    await using repo = await testRepo(files);
    await repo.dvOk('add', 'data');
    const before = repo.tree('data');
    for (let nth = 1; ; nth++) {
      rmSync(join(repo.root, 'data'), { recursive: true });
      const outcome = await dvWithFault(
        repo,
        { code: 'ENOSPC', calls: [call], path: repo.root, nth },
        'checkout',
      );
      if (!outcome.struck) break;
      if (outcome.status !== 0) expect(outcome.stderr).toContain('no space left on the disk');
      await repo.dvOk('checkout');
      expect(repo.tree('data')).toEqual(before);
    }
  },
);

describe.runIf(canMount)('a real disk that is full', () => {
  test('with the cache on it: add says so, and works once there is room', async () => {
    using disk = smallDisk(2048)!;
    await using repo = await testRepo({ 'data/big': 'x'.repeat(3 << 20), 'data/a': 'a' });
    await repo.git('config', 'dv.cache.dir', disk.path);
    const { status, stderr } = await repo.dv('add', 'data');
    expect([status, stderr]).toEqual([1, expect.stringContaining('no space left')]);
    expect(repo.exists('data.dv')).toBe(false);
    expect(
      readdirSync(disk.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    ).toEqual([]);
    repo.write('data/big', 'small');
    await repo.dvOk('add', 'data');
    expect(await states(repo)).toEqual({ data: 'clean' });
  });

  test('a cache on another file system serves every link mode', async () => {
    using disk = smallDisk(4096)!;
    for (const mode of ['reflink,copy', 'copy', 'hardlink', 'hardlink,symlink', 'symlink']) {
      await using repo = await testRepo(files);
      await repo.git('config', 'dv.cache.dir', join(disk.path, mode));
      await repo.git('config', 'dv.cache.link', mode);
      await repo.dvOk('add', 'data');
      rmSync(join(repo.root, 'data'), { recursive: true });
      await repo.dvOk('checkout');
      expect([mode, repo.read('data/a'), repo.read('data/sub/b')]).toEqual([mode, 'aaaa', 'bbbb']);
      expect([mode, await states(repo)]).toEqual([mode, { data: 'clean' }]);
    }
  });

  test('a workspace on a read-only disk can be looked at; a checkout says why it cannot', async () => {
    using disk = smallDisk(4096)!;
    await using repo = await testRepo(files);
    await repo.dvOk('add', 'data');
    await repo.commit('data');
    await repo.run('cp', ['-a', `${repo.root}/.`, disk.path]);
    rmSync(join(disk.path, 'data/a'));
    remount(disk, 'ro');
    const inside = (...args: string[]) => repo.dv('-C', disk.path, ...args);
    expect(await inside('status')).toMatchObject({ status: 0, stdout: expect.stringContaining('modified') });
    const { status, stderr } = await inside('checkout');
    expect([status, stderr]).toEqual([1, expect.stringContaining('is not writable')]);
    remount(disk, 'rw');
  });
});

test.each(['EIO', 'EACCES'])(
  'one file of many that gives %s is named, and the others are recorded',
  async (code) => {
    await using repo = await testRepo(someFiles('data', 20));
    const bad = 'data/class-0/00003.txt';
    const add = await dvWithFault(repo, { code, calls: ['openSync'], path: bad }, 'add', 'data');
    expect(add).toMatchObject({ status: 3, stdout: expect.stringContaining(`${bad}: ${code}: injected`) });
    expect(repo.read('data.dv')).toContain('files: 19\n');
    const reading = await dvWithFault(repo, { code, calls: ['readSync'], path: bad }, 'add', 'data');
    expect(reading).toMatchObject({ status: 3, stdout: expect.stringContaining(bad) });
    await repo.dvOk('add', 'data');
    expect(repo.read('data.dv')).toContain('files: 20\n');
  },
);

test.each(['EIO', 'EACCES'])(
  'one file of many that a checkout cannot write for %s is named, and the others are written',
  async (code) => {
    await using repo = await testRepo(files);
    await repo.dvOk('add', 'data');
    rmSync(join(repo.root, 'data'), { recursive: true });
    const fault = { code, calls: ['renameSync'], path: 'data/sub/' };
    const { status, stdout } = await dvWithFault(repo, fault, 'checkout');
    expect([status, stdout]).toEqual([3, expect.stringContaining(`data/sub/b: ${code}`)]);
    expect(Object.keys(repo.tree('data'))).toEqual(['data/a', 'data/c']);
    await repo.dvOk('checkout');
    expect(await states(repo)).toEqual({ data: 'clean' });
  },
);

test.runIf(canBeAnother)(
  'a folder nobody may write to keeps its files, by name; the others follow',
  async () => {
    await using repo = await testRepo(files);
    giveTo(repo, nobody);
    await dvAs(nobody, repo, ['add', 'data']);
    rmSync(join(repo.root, 'data/a'));
    rmSync(join(repo.root, 'data/sub/b'));
    chmodSync(join(repo.root, 'data/sub'), 0o555);
    const { status, stdout } = await dvAs(nobody, repo, ['checkout']);
    expect([status, stdout]).toEqual([3, expect.stringContaining('data/sub/b: EACCES')]);
    expect(repo.read('data/a')).toBe('aaaa');
    chmodSync(join(repo.root, 'data/sub'), 0o755);
    expect(await dvAs(nobody, repo, ['checkout'])).toMatchObject({ status: 0 });
  },
);

test.runIf(canBeAnother)('a cache that can only be read serves another user', async () => {
  await using repo = await testRepo(files);
  const cache = join(repo.outside, 'cache');
  mkdirSync(cache);
  await repo.git('config', 'dv.cache.dir', cache);
  await repo.dvOk('add', 'data');
  rmSync(join(repo.root, 'data'), { recursive: true });
  rmSync(join(repo.root, '.git/dv/index'), { recursive: true });
  giveTo(repo, nobody);
  await repo.run('chown', ['-R', '0:0', cache]);
  await repo.run('chmod', ['-R', 'u-w,go-w', cache]);
  for (const link of ['reflink,copy', 'hardlink', 'symlink']) {
    const env = { DV_CACHE_LINK: link };
    expect([link, await dvAs(nobody, repo, ['checkout'], { env })]).toMatchObject([link, { status: 0 }]);
    expect([link, repo.read('data/sub/b')]).toEqual([link, 'bbbb']);
    expect(await dvAs(nobody, repo, ['status', '--check'], { env })).toMatchObject({ status: 0 });
    rmSync(join(repo.root, 'data'), { recursive: true });
  }
  await dvAs(nobody, repo, ['checkout']);
  writeFileSync(join(repo.root, 'data/a'), 'new');
  const add = await dvAs(nobody, repo, ['add', 'data']);
  expect(add).toMatchObject({ status: 1, stderr: expect.stringContaining('is not writable') });
});

test.runIf(canBeAnother)('a cache shared by a group is readable and writable for all of it', async () => {
  await using repo = await testRepo({ ...files, 'other/x': 'x' });
  const cache = join(repo.outside, 'cache');
  mkdirSync(cache);
  await repo.git('config', 'dv.cache.dir', cache);
  await repo.git('config', 'core.sharedRepository', 'group');
  giveTo(repo, nobody);
  await repo.run('chmod', ['-R', 'a+rwX', `${repo.root}/..`]);
  chmodSync(cache, 0o2770);
  const gid = nobody;
  expect(await dvAs(nobody, repo, ['add', 'data'], { umask: '077', gid })).toMatchObject({ status: 0 });
  for (const entry of readdirSync(cache, { recursive: true, withFileTypes: true })) {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    expect([entry.name, (mode & 0o777).toString(8)]).toEqual([
      entry.name,
      entry.isDirectory() ? '770' : '440',
    ]);
  }
});

test('a clock that goes backwards makes nothing be trusted wrongly', async () => {
  await using repo = await testRepo(files);
  const at = (path: string) => join(repo.root, path);
  const index = () => readdirSync(at('.git/dv/index')).map((name) => at(`.git/dv/index/${name}`))[0]!;
  const future = new Date(Date.now() + 86_400_000);
  const past = new Date(Date.now() - 86_400_000);
  for (const [fileTime, indexTime] of [
    [future, undefined],
    [past, past],
    [future, future],
    [past, future],
  ] as const) {
    repo.write('data/a', 'aaaa');
    utimesSync(at('data/a'), fileTime, fileTime);
    await repo.dvOk('add', 'data');
    if (indexTime !== undefined) utimesSync(index(), indexTime, indexTime);
    expect(await states(repo)).toEqual({ data: 'clean' });
    if (indexTime !== undefined) utimesSync(index(), indexTime, indexTime);
    // The same size, and the same time as before: only what no clock sets tells.
    repo.write('data/a', 'AAAA');
    utimesSync(at('data/a'), fileTime, fileTime);
    expect(await states(repo)).toEqual({ data: 'modified +0 -0 ~1' });
  }
});

test('two checkouts, two adds and both at once leave what one after the other would', async () => {
  await using repo = await testRepo(someFiles('data', 400));
  await repo.dvOk('add', 'data');
  const before = repo.tree('data');
  const pointer = repo.read('data.dv');
  rmSync(join(repo.root, 'data/class-0'), { recursive: true });
  const checkouts = await Promise.all([repo.dv('checkout'), repo.dv('checkout')]);
  expect(checkouts.map(({ status }) => status)).toEqual([0, 0]);
  expect(repo.tree('data')).toEqual(before);
  const mixed = await Promise.all([repo.dv('add', 'data'), repo.dv('checkout'), repo.dv('add', 'data')]);
  expect(mixed.map(({ status }) => status)).toEqual([0, 0, 0]);
  expect(repo.read('data.dv')).toBe(pointer);
  expect(readdirSync(join(repo.root, '.git/dv/tmp'))).toEqual([]);
});

test('an add while a checkout goes on names who holds the lock', async () => {
  await using repo = await testRepo(files);
  await repo.dvOk('add', 'data');
  const { hostname } = await import('node:os');
  const owner = { host: hostname(), pid: process.pid, command: 'dv checkout', token: 't' };
  repo.write('.git/dv/lock', JSON.stringify(owner));
  await repo.git('config', 'dv.lockTimeout', '1');
  const { status, stderr } = await repo.dv('add', 'data');
  expect([status, stderr]).toEqual([11, expect.stringContaining(`dv checkout (process ${process.pid}`)]);
});

test('a flipped bit in the cache is never checked out, and is named', async () => {
  await using repo = await testRepo(files);
  await repo.dvOk('add', 'data');
  await repo.commit('data');
  rmSync(join(repo.root, 'data'), { recursive: true });
  const flip = (object: string) => {
    const bytes = readFileSync(object);
    bytes[0]! ^= 1;
    chmodSync(object, 0o644);
    writeFileSync(object, bytes);
  };
  flip(objectPath(repo.open(), digestOf('aaaa')));
  for (const link of ['reflink,copy', 'hardlink', 'symlink']) {
    await repo.git('config', 'dv.cache.link', link);
    const { status, stdout } = await repo.dv('checkout');
    expect([link, status, stdout]).toEqual([
      link,
      3,
      expect.stringContaining(`${digestOf('aaaa')} is damaged`),
    ]);
    expect(repo.exists('data/a')).toBe(false);
    expect(repo.read('data/c')).toBe('cccc');
  }
  const tree = /digest: (.*)/.exec(repo.read('data.dv'))![1] as ReturnType<typeof digestOf>;
  flip(objectPath(repo.open(), tree));
  const { status, stderr } = await repo.dv('checkout');
  expect([status, stderr]).toEqual([1, expect.stringContaining(tree)]);
});
