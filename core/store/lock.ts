/**
 * One writer per worktree. The lock is a file made exclusively, as git's are; it names its owner, so that a
 * lock whose process is gone can be told from one that is held.
 */

import { existsSync, linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import type { Config } from '../model/config.ts';
import { makeFolder, temporaryName } from './atomic.ts';
import { explainWriteFailure } from './cache-writer.ts';
import { forgetFollowed } from './followed.ts';
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

/** Whether a process ended and only its parent has not asked for it, which in a container may never happen. */
function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // proc(5): the state stands behind the name, which is in parentheses and may hold any character.
    return /^.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // No /proc, or not ours to see: then what the signal said stands.
    return false;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
    return !isZombie(owner.pid);
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

/** What file systems without hard links say. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
const unfinishedSuffix = '.new';
/** The lock under which a dead lock is removed. */
const breakerOf = (path: string) => `${path}.break`;

/**
 * Makes the lock file, unless it is there. Its content is written first and then gets the name, so that a process
 * killed in between leaves no lock that says nothing of its owner.
 */
function tryLock(path: string, owner: Owner): boolean {
  if (existsSync(path)) return false;
  const text = JSON.stringify(owner);
  const complete = `${path}.${temporaryName()}${unfinishedSuffix}`;
  try {
    writeFileSync(complete, text, { flag: 'wx' });
    try {
      linkSync(complete, path);
    } catch (error) {
      if (!noLinks.has(systemCode(error) ?? '')) throw error;
      writeFileSync(path, text, { flag: 'wx' });
    }
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw explainWriteFailure(error, path);
  } finally {
    rmSync(complete, { force: true });
  }
}

/** A lock this old that names no owner was torn when the machine stopped. */
const tornAfterMs = 10_000;

/** Whether nobody can be holding a lock of this text any more. */
function isDead(path: string, text: string): boolean {
  const owner = parseOwner(text);
  if (owner !== undefined) return !isAlive(owner);
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && Date.now() - info.mtimeMs > tornAfterMs;
}

/** Removes what processes left that were killed while they made a lock. */
function sweepUnfinished(path: string): void {
  const folder = dirname(path);
  // Killed when it had removed a dead lock, and not yet its own.
  const breaker = readLock(breakerOf(path));
  if (breaker !== undefined && isDead(breakerOf(path), breaker)) rmSync(breakerOf(path), { force: true });
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(unfinishedSuffix)) continue;
    const info = statSync(join(folder, name), { throwIfNoEntry: false });
    if (info !== undefined && Date.now() - info.mtimeMs > tornAfterMs)
      rmSync(join(folder, name), { force: true });
  }
}

/**
 * Takes the lock of this worktree, waiting a while for another command to end.
 * A lock whose process is gone, or that names none, is removed; one held by a living process never is.
 * @param command what to tell others that wait.
 * @param name another lock than that of the worktree's files.
 * @throws {DvError} locked, not-writable, disk-full
 */
export async function takeLock(
  repo: Pick<Repo, 'gitDir'> & { readonly config?: Pick<Config, 'lockTimeoutMs'> },
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
  const giveUpAt = Date.now() + (repo.config?.lockTimeoutMs ?? patienceMs);
  for (let waitMs = 5; !tryLock(path, owner); waitMs = Math.min(waitMs * 2, 200)) {
    const text = readLock(path);
    if (text !== undefined && isDead(path, text)) {
      // Two commands may see the same dead lock; only one may remove it, and never a newer one.
      removeDead(path, text);
      continue;
    }
    if (Date.now() > giveUpAt) {
      const holder = parseOwner(text ?? '');
      const who = holder
        ? `${holder.command} (process ${holder.pid} on ${holder.host})`
        : 'an unreadable lock';
      throw new DvError('locked', { owner: who, lockPath: path });
    }
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  sweepUnfinished(path);
  if (name === 'lock') forgetFollowed(repo);
  return {
    release() {
      const text = readLock(path);
      if (text !== undefined && parseOwner(text)?.token === owner.token) rmSync(path, { force: true });
    },
  };
}

/** Removes a dead lock under a lock of its own, after making sure it still is the one that was read. */
function removeDead(path: string, dead: string): void {
  const guard = breakerOf(path);
  const owner: Owner = { host: hostname(), pid: process.pid, command: 'dv', token: temporaryName() };
  if (!tryLock(guard, owner)) {
    const breaker = readLock(guard);
    if (breaker !== undefined && isDead(guard, breaker)) rmSync(guard, { force: true });
    return;
  }
  try {
    const text = readLock(path);
    if (text === dead && isDead(path, text)) rmSync(path, { force: true });
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
