/** The pointers of a workspace: which paths dv tracks here, and what each pointer says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import {
  looksLikePointer,
  type Pointer,
  parsePointer,
  pointerSuffix,
  trackedPathOf,
} from '../model/pointer.ts';
import { comparePaths, parseRepoPath, pathProblem, type RepoPath } from '../model/repo-path.ts';
import type { Repo } from './repo.ts';

/** A tracked path with its pointer as it stands in the workspace. */
export interface Tracked {
  readonly path: RepoPath;
  readonly pointerPath: RepoPath;
  readonly pointer: Pointer;
}

/** A pointer that could not be read. */
export interface BrokenPointer {
  readonly pointerPath: RepoPath;
  readonly error: DvError;
}

/** Reads the pointer of a tracked path, or gives undefined when there is none. @throws {DvError} invalid-file, newer-format */
export function readPointer(repo: Pick<Repo, 'root'>, path: string): Pointer | undefined {
  const pointerPath = path + pointerSuffix;
  let text: string;
  try {
    text = readFileSync(join(repo.root, pointerPath), 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
  return looksLikePointer(text) ? parsePointer(text, pointerPath) : undefined;
}

/** Pointer files git knows or would add. Its answer needs no walk over ignored data. */
function listWithGit(repo: Repo): string[] {
  const listed = repo.git.output(
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', `*${pointerSuffix}`],
    { cwd: repo.root },
  );
  return [...new Set(listed.split('\0').filter((path) => path !== ''))];
}

/** Pointer files found by walking, where there is no git; folders that a pointer stands for are not entered. */
function listByWalking(repo: Repo): string[] {
  const found: string[] = [];
  const visit = (folder: string) => {
    const entries = readdirSync(join(repo.root, folder), { withFileTypes: true });
    const names = new Set(entries.map((entry) => entry.name));
    if (folder !== '' && names.has('.git')) return;
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isFile() && entry.name.endsWith(pointerSuffix) && entry.name !== pointerSuffix)
        found.push(path);
      else if (entry.isDirectory() && entry.name !== '.git' && entry.name !== 'node_modules') {
        if (!names.has(entry.name + pointerSuffix)) visit(path);
      }
    }
  };
  visit('');
  return found;
}

/** All tracked paths of the workspace, sorted, and the pointers that could not be read. */
export function listTracked(repo: Repo): { tracked: Tracked[]; broken: BrokenPointer[] } {
  const tracked: Tracked[] = [];
  const broken: BrokenPointer[] = [];
  for (const file of repo.git.available ? listWithGit(repo) : listByWalking(repo)) {
    const pointerPath = parseRepoPath(file);
    if (pointerPath === undefined) {
      const error = new DvError('path-invalid', { path: file, reason: pathProblem(file)! });
      broken.push({ pointerPath: file as RepoPath, error });
      continue;
    }
    const path = trackedPathOf(pointerPath) as RepoPath;
    try {
      const pointer = readPointer(repo, path);
      if (pointer !== undefined) tracked.push({ path, pointerPath, pointer });
    } catch (error) {
      if (!(error instanceof DvError)) throw error;
      broken.push({ pointerPath, error });
    }
  }
  tracked.sort((a, b) => comparePaths(a.path, b.path));
  return { tracked, broken };
}

/** Like `listTracked`, for commands that must not go on past a broken pointer. @throws {DvError} the first broken pointer's */
export function requireTracked(repo: Repo): Tracked[] {
  const { tracked, broken } = listTracked(repo);
  if (broken[0] !== undefined) throw broken[0].error;
  return tracked;
}
