/**
 * Objects on their way into the cache: complete files in a temporary folder, named and spread as they will be in
 * the cache, then renamed into it. Synchronous, for use on any thread.
 */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { makeFolder } from './atomic.ts';
import { objectPath } from './cache.ts';
import { sharePath } from './shared-cache.ts';
import { writeAll } from './stat-files.ts';

/**
 * Where a new object waits. Spread over folders: many files made in one folder by several threads wait for each
 * other (measured: 50,000 files took four times as long). Over 16, not the 256 of the cache: to make and remove so many
 * would take longer than to write a few objects.
 */
export function newObjectPath(folder: string, digest: Digest): string {
  return `${folder}/${digest.slice(7, 8)}/${digest.slice(8)}`;
}

/** Runs something that needs the folder of a file, making it when that turns out to be missing. */
export function withFolder<Result>(path: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    makeFolder(dirname(path));
    return run();
  }
}

/**
 * Writes a new object, read-only.
 * @returns `false` when another thread is writing or has written it.
 */
export function writeNewObject(folder: string, digest: Digest, bytes: Uint8Array): boolean {
  const path = newObjectPath(folder, digest);
  let file: number;
  try {
    file = withFolder(path, () => openSync(path, 'wx', 0o444));
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    writeAll(file, bytes);
  } catch (error) {
    // Half an object must not be taken for one that another thread wrote.
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return true;
}

/** Gives a file that was written under another name its place among the new objects. */
export function adoptNewObject(folder: string, digest: Digest, written: string): void {
  const path = newObjectPath(folder, digest);
  withFolder(path, () => renameSync(written, path));
}

/** New objects to be given their names in the cache. */
export interface SettleTask {
  readonly kind: 'settle';
  /** Holds complete, flushed files at `newObjectPath`. */
  readonly folder: string;
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
  /** See `Cache`. */
  readonly sharedPermissions?: number | undefined;
}

/** Renames new objects into the cache. */
export function settleObjects(task: SettleTask): Record<string, never> {
  for (const digest of task.digests) {
    const path = objectPath(task, digest);
    if (task.sharedPermissions !== undefined)
      sharePath(newObjectPath(task.folder, digest), task.sharedPermissions);
    withFolder(path, () => renameSync(newObjectPath(task.folder, digest), path));
  }
  return {};
}
