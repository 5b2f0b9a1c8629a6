/**
 * The paths recorded with `dv add --no-commit`: their pointers name bytes that may be nowhere but in the workspace.
 * A note in the git directory of the worktree; that bytes are missing is always seen in the cache itself, the note only
 * tells where to look and what to say.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import type { Repo } from './repo.ts';

const noteOf = (repo: Pick<Repo, 'gitDir'>) => join(repo.gitDir, 'dv', 'uncommitted');

/** The noted paths. A torn note says nothing. */
export function listUncommitted(repo: Pick<Repo, 'gitDir'>): Set<RepoPath> {
  let text: string;
  try {
    text = readFileSync(noteOf(repo), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Set();
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return new Set(
      Array.isArray(value) ? (value.filter((item) => typeof item === 'string') as RepoPath[]) : [],
    );
  } catch {
    return new Set();
  }
}

function save(repo: Repo, paths: ReadonlySet<RepoPath>): void {
  if (paths.size > 0) writeFileAtomic(noteOf(repo), JSON.stringify([...paths].sort()));
  else rmSync(noteOf(repo), { force: true });
}

/** Notes paths, before their pointers are written. Call under the lock of the worktree. */
export function markUncommitted(repo: Repo, marked: readonly RepoPath[]): void {
  const paths = listUncommitted(repo);
  const before = paths.size;
  for (const path of marked) paths.add(path);
  if (paths.size > before) save(repo, paths);
}

/** Forgets paths: their bytes are in the cache, or nothing stands for them any more. */
export function unmarkUncommitted(repo: Repo, forgotten: readonly RepoPath[]): void {
  const paths = listUncommitted(repo);
  const before = paths.size;
  for (const path of forgotten) paths.delete(path);
  if (paths.size < before) save(repo, paths);
}

/** A path has another name. */
export function renameMark(repo: Repo, from: RepoPath, to: RepoPath): void {
  const paths = listUncommitted(repo);
  if (paths.delete(from)) save(repo, paths.add(to));
}
