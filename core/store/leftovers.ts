/** What a killed command leaves behind, and getting rid of it: half-written objects and workspace files. */
import { type Dirent, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { pointerPathOf } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import type { Cache } from './cache.ts';
import { absolutePath, type Repo } from './repo.ts';
import { workspaceTemporarySuffix } from './walk.ts';

const dayMs = 24 * 60 * 60 * 1000;

const isOld = (path: string, nowMs: number) => {
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && nowMs - info.mtimeMs > dayMs;
};

/** What was left half-written in the cache's temporary folder more than a day ago. @returns absolute paths */
export function listOldTemporaries(cache: Cache, nowMs: number = Date.now()): string[] {
  return listFolder(cache.temporaryDir)
    .map((entry) => join(cache.temporaryDir, entry.name))
    .filter((path) => isOld(path, nowMs));
}

/**
 * Removes what was left half-written more than a day ago: in the cache's temporary folder, and under temporary names
 * among this worktree's own files. Whoever writes there needs no lock, so that only its age tells that it is nobody's.
 */
export function removeOldTemporaries(
  repo: Cache & Pick<Repo, 'gitDir' | 'indexDir'>,
  nowMs: number = Date.now(),
): void {
  const own = [repo.indexDir, join(repo.gitDir, 'dv')].flatMap((folder) =>
    listFolder(folder).flatMap(({ name }) => (isTemporary(name) ? [join(folder, name)] : [])),
  );
  const old = [...listOldTemporaries(repo, nowMs), ...own.filter((path) => isOld(path, nowMs))];
  for (const path of old) rmSync(path, { recursive: true, force: true });
}

const isTemporary = (name: string) => name.startsWith('.') && name.endsWith(workspaceTemporarySuffix);

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

/**
 * Notes that pointers and ignore files of tracked paths are about to be written: what a killed command leaves of them
 * lies beside them, not below.
 */
export function markUnfinishedPointers(repo: Repo, paths: readonly RepoPath[]): void {
  markUnfinished(
    repo,
    paths.map((path) => pointerPathOf(path) as RepoPath),
  );
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
    } else if (isTemporary(entry.name)) rmSync(path, { force: true });
  }
}
