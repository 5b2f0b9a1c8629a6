/**
 * One writer per worktree. The lock is a file made exclusively, as git's are; it names its owner, so that a
 * lock whose process is gone can be told from one that is held.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { makeFolder, temporaryName } from './atomic.ts';
import { explainWriteFailure } from './cache-writer.ts';
import type { Repo } from './repo.ts';

interface Owner {
  readonly host: string;
  readonly pid: number;
  readonly command: string;
  readonly token: string;
}

/** A held lock. */
export interface Lock {
  release(): void;
}

/** How long to wait for another command before giving up. */
const patienceMs = 30_000;

function parseOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner>;
    return typeof value.pid === 'number' && typeof value.host === 'string' ? (value as Owner) : undefined;
  } catch {
    // A lock that is being written, or was torn by a crash of the machine.
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

const readLock = (path: string) => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
};

function tryLock(path: string, owner: Owner): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx');
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw explainWriteFailure(error, path);
  }
  try {
    writeSync(file, JSON.stringify(owner));
  } finally {
    closeSync(file);
  }
  return true;
}

/**
 * Takes the lock of this worktree, waiting a while for another command to end.
 * A lock whose process is gone is removed; one held by a living process never is.
 * @param command what to tell others that wait.
 * @param name another lock than that of the worktree's files.
 * @throws {DvError} locked, not-writable, disk-full
 */
export async function takeLock(
  repo: Repo,
  command: string,
  signal?: AbortSignal,
  name = 'lock',
): Promise<Lock> {
  const path = join(repo.gitDir, 'dv', name);
  try {
    makeFolder(dirname(path));
  } catch (error) {
    throw explainWriteFailure(error, path);
  }
  const owner: Owner = { host: hostname(), pid: process.pid, command, token: temporaryName() };
  const giveUpAt = Date.now() + patienceMs;
  for (let waitMs = 5; !tryLock(path, owner); waitMs = Math.min(waitMs * 2, 200)) {
    const text = readLock(path);
    const holder = text === undefined ? undefined : parseOwner(text);
    if (holder !== undefined && !isAlive(holder)) {
      // Two commands may see the same dead lock; only one may remove it, and never a newer one.
      removeDead(path, holder);
      continue;
    }
    if (Date.now() > giveUpAt) {
      const who = holder
        ? `${holder.command} (process ${holder.pid} on ${holder.host})`
        : 'an unreadable lock';
      throw new DvError('locked', { owner: who, lockPath: path });
    }
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return {
    release() {
      const text = readLock(path);
      if (text !== undefined && parseOwner(text)?.token === owner.token) rmSync(path, { force: true });
    },
  };
}

/** Removes a dead owner's lock under a lock of its own, after making sure it is still that one. */
function removeDead(path: string, dead: Owner): void {
  const guard = `${path}.break`;
  const owner: Owner = { ...dead, pid: process.pid, host: hostname() };
  if (!tryLock(guard, owner)) {
    const breaker = parseOwner(readLock(guard) ?? '');
    if (breaker !== undefined && !isAlive(breaker)) rmSync(guard, { force: true });
    return;
  }
  try {
    if (parseOwner(readLock(path) ?? '')?.token === dead.token) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** Runs something under the lock of this worktree. */
export async function withLock<Result>(
  repo: Repo,
  options: { command: string; signal?: AbortSignal | undefined; name?: string },
  run: () => Promise<Result>,
): Promise<Result> {
  const lock = await takeLock(repo, options.command, options.signal, options.name);
  try {
    return await run();
  } finally {
    lock.release();
  }
}
