import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import { takeLock, withLock } from '../../../core/store/lock.ts';
import { openRepo } from '../../../core/store/repo.ts';
import { gitFolder } from '../../support/git-folder.ts';
import { canMountSmallDisk, remount, smallDisk } from '../../support/small-disk.ts';

function world() {
  const folder = gitFolder();
  const repo = openRepo({ cwd: folder.path, env: folder.env });
  const dvDir = folder.at('.git/dv');
  mkdirSync(dvDir);
  /** Puts a lock there as somebody else would have left it. */
  const leave = (text: string, ageMs: number, name = 'lock') => {
    writeFileSync(join(dvDir, name), text);
    const then = new Date(Date.now() - ageMs);
    utimesSync(join(dvDir, name), then, then);
  };
  return { folder, repo, dvDir, leave, files: () => readdirSync(dvDir) };
}

/** The number of a process that ended. */
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;
const ownedBy = (pid: number, host = hostname()) =>
  JSON.stringify({ host, pid, command: 'dv add', token: 't' });

test('a lock names its owner while it is held, and is gone afterwards', async () => {
  const { folder, repo, dvDir, files } = world();
  using _ = folder;
  const lock = await takeLock(repo, 'dv add');
  expect(files()).toEqual(['lock']);
  expect(JSON.parse(readFileSync(join(dvDir, 'lock'), 'utf8'))).toMatchObject({
    host: hostname(),
    pid: process.pid,
    command: 'dv add',
  });
  lock.release();
  lock.release();
  expect(files()).toEqual([]);
});

test('of many that want the lock one at a time has it', async () => {
  const { folder, repo, files } = world();
  using _ = folder;
  let inside = 0;
  let most = 0;
  let done = 0;
  await Promise.all(
    Array.from({ length: 12 }, () =>
      withLock(repo, { command: 'dv add' }, async () => {
        inside++;
        most = Math.max(most, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        done++;
      }),
    ),
  );
  expect({ most, done }).toEqual({ most: 1, done: 12 });
  expect(files()).toEqual([]);
});

test('a failure inside releases the lock', async () => {
  const { folder, repo, files } = world();
  using _ = folder;
  const failing = withLock(repo, { command: 'dv add' }, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(files()).toEqual([]);
});

test.each([
  ['of a process that is gone', () => ownedBy(deadPid()), 0],
  ['that was torn when the machine stopped', () => '', 60_000],
  ['that was torn in the middle', () => '{"host":"x","pi', 60_000],
])('a lock %s does not stand in the way', async (_, text, ageMs) => {
  const { folder, repo, leave, files } = world();
  using __ = folder;
  leave(text(), ageMs);
  leave(ownedBy(deadPid()), 0, 'lock.break');
  leave('{}', 60_000, 'lock.abc.new');
  const start = performance.now();
  const lock = await takeLock(repo, 'dv add');
  expect(performance.now() - start).toBeLessThan(5000);
  lock.release();
  expect(files()).toEqual([]);
});

test.skipIf(process.platform !== 'linux')(
  'a lock of a process nobody reaps does not stand in the way',
  async () => {
    const { folder, repo, leave } = world();
    using _ = folder;
    // The child must outlive the shell: a shell that is still there when it ends would reap it.
    const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [line] = await once(parent.stdout, 'data');
      const pid = Number(String(line));
      const state = () => /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1];
      await vi.waitFor(() => expect(state()).toBe('Z'), { timeout: 5000 });
      leave(ownedBy(pid), 0);
      const lock = await takeLock(repo, 'dv add', AbortSignal.timeout(5000));
      lock.release();
    } finally {
      parent.kill('SIGKILL');
    }
  },
);

test.each([
  ['of a living process', () => ownedBy(process.pid), 60_000],
  ['of another machine', () => ownedBy(1, 'elsewhere'), 60_000],
  ['that somebody may be writing just now', () => '', 0],
])('a lock %s is waited for, and left when the user gives up', async (_, text, ageMs) => {
  const { folder, repo, dvDir, leave } = world();
  using __ = folder;
  leave(text(), ageMs);
  const before = readFileSync(join(dvDir, 'lock'), 'utf8');
  const signal = AbortSignal.timeout(300);
  await expect(takeLock(repo, 'dv add', signal)).rejects.toThrow(/abort|timeout/i);
  expect(readFileSync(join(dvDir, 'lock'), 'utf8')).toBe(before);
  expect(existsSync(join(dvDir, 'lock.break'))).toBe(false);
});

test('locks of different names do not wait for each other', async () => {
  const { folder, repo, files } = world();
  using _ = folder;
  const [a, b] = [await takeLock(repo, 'dv add'), await takeLock(repo, 'dv repro', undefined, 'repro.lock')];
  expect(files().sort()).toEqual(['lock', 'repro.lock']);
  b.release();
  a.release();
});

test.skipIf(!canMountSmallDisk())('where nothing can be written, that is said', async () => {
  const { folder, repo } = world();
  using _ = folder;
  using disk = smallDisk(64)!;
  const readOnly = { ...repo, gitDir: disk.path };
  for (const prepare of [() => {}, () => mkdirSync(disk.at('dv'), { recursive: true })]) {
    prepare();
    remount(disk, 'ro');
    const error = await takeLock(readOnly, 'dv add').catch((caught: unknown) => caught);
    expect(isDvError(error, 'not-writable')).toBe(true);
    remount(disk, 'rw');
  }
});
