/** What a killed command leaves behind, and getting rid of it: half-written objects and workspace files. */
import { type Dirent, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import type { Cache } from './cache.ts';
import { absolutePath, type Repo } from './repo.ts';
import { workspaceTemporarySuffix } from './walk.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** What was left half-written in the cache's temporary folder more than a day ago. @returns absolute paths */
export function listOldTemporaries(cache: Cache, nowMs: number = Date.now()): string[] {
  return listFolder(cache.temporaryDir).flatMap((entry) => {
    const path = join(cache.temporaryDir, entry.name);
    const info = statSync(path, { throwIfNoEntry: false });
    return info !== undefined && nowMs - info.mtimeMs > dayMs ? [path] : [];
  });
}

/** Removes what was left half-written in the cache's temporary folder more than a day ago. */
export function removeOldTemporaries(cache: Cache, nowMs: number = Date.now()): void {
  for (const path of listOldTemporaries(cache, nowMs)) rmSync(path, { recursive: true, force: true });
}

function listFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return [];
    throw error;
  }
}

const markerOf = (repo: Repo) => join(repo.gitDir, 'dv', 'unfinished');

/** Notes that files below these paths are about to be written. Call under the lock of the worktree. */
export function markUnfinished(repo: Repo, paths: readonly RepoPath[]): void {
  writeFileAtomic(markerOf(repo), JSON.stringify(paths), { durable: false });
}

/** Takes the note away: everything was written. */
export function markFinished(repo: Repo): void {
  rmSync(markerOf(repo), { force: true });
}

/** Removes the temporary files of a command that was killed while it wrote. Call under the lock of the worktree. */
export function sweepUnfinished(repo: Repo): void {
  let text: string;
  try {
    text = readFileSync(markerOf(repo), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  for (const path of parsePaths(text)) {
    const absolute = absolutePath(repo, path);
    sweepFolder(dirname(absolute), false);
    sweepFolder(absolute, true);
  }
  markFinished(repo);
}

/** The marker is a file of ours, but a torn one must not stop the next command. */
function parsePaths(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  } catch {
    return [];
  }
}

function sweepFolder(folder: string, deep: boolean): void {
  for (const entry of listFolder(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (deep) sweepFolder(path, true);
    } else if (entry.name.startsWith('.') && entry.name.endsWith(workspaceTemporarySuffix))
      rmSync(path, { force: true });
  }
}
