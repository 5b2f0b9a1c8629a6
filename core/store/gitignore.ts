/** Keeps git away from what dv tracks: one line in the `.gitignore` beside it. */
import { readFileSync, rmSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { baseName, joinPaths, parentOf, type RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import { absolutePath, type Repo } from './repo.ts';

/** The `.gitignore` that holds a path's line. */
export function gitignoreOf(repoPath: RepoPath): RepoPath {
  return joinPaths(parentOf(repoPath), '.gitignore');
}

/**
 * The line that ignores exactly this name in its own folder (gitignore(5), special characters escaped). A line end
 * in a name cannot be escaped: `?` stands for it, and takes any one character.
 */
export function ignoreLineOf(repoPath: RepoPath): string {
  return `/${baseName(repoPath)
    .replace(/[\\*?[\]]/g, '\\$&')
    .replace(/[\n\r]/g, '?')
    .replace(/ +$/, (spaces) => '\\ '.repeat(spaces.length))}`;
}

function readIgnoreFile(repo: Repo, file: RepoPath): string | undefined {
  try {
    return readFileSync(absolutePath(repo, file), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Adds a path's line unless it is there.
 * @returns whether the file was changed.
 */
export function ensureIgnored(repo: Repo, repoPath: RepoPath): boolean {
  const file = gitignoreOf(repoPath);
  const text = readIgnoreFile(repo, file) ?? '';
  const line = ignoreLineOf(repoPath);
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  if (text.split(/\r?\n/).includes(line)) return false;
  const separator = text === '' || text.endsWith('\n') ? '' : newline;
  writeFileAtomic(absolutePath(repo, file), `${text}${separator}${line}${newline}`);
  return true;
}

/**
 * Removes a path's line, and the file when nothing else is in it.
 * @returns whether the file was changed.
 */
export function removeIgnored(repo: Repo, repoPath: RepoPath): boolean {
  const file = gitignoreOf(repoPath);
  const text = readIgnoreFile(repo, file);
  if (text === undefined) return false;
  const line = ignoreLineOf(repoPath);
  const lines = text.split('\n');
  const kept = lines.filter((candidate) => candidate.replace(/\r$/, '') !== line);
  if (kept.length === lines.length) return false;
  if (kept.every((rest) => rest === '')) rmSync(absolutePath(repo, file));
  else writeFileAtomic(absolutePath(repo, file), kept.join('\n'));
  return true;
}
