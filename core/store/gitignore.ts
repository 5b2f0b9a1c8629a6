/** Keeps git away from what dv tracks: one line in the `.gitignore` beside it. */
import { rmSync } from 'node:fs';
import { baseName, joinPaths, parentOf, type RepoPath } from '../model/repo-path.ts';
import { absolutePath, type Repo } from './repo.ts';
import { readWorkspaceText, writeWorkspaceText } from './workspace-text.ts';

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

/**
 * Adds the lines of paths unless they are there; each file is written once.
 * @returns the files that were changed.
 */
export function ensureIgnored(repo: Repo, repoPaths: readonly RepoPath[]): RepoPath[] {
  const byFile = new Map<RepoPath, string[]>();
  for (const path of repoPaths) {
    const file = gitignoreOf(path);
    const lines = byFile.get(file);
    if (lines === undefined) byFile.set(file, [ignoreLineOf(path)]);
    else lines.push(ignoreLineOf(path));
  }
  const changed: RepoPath[] = [];
  for (const [file, lines] of byFile) {
    const text = readWorkspaceText(repo.root, file) ?? '';
    const newline = text.includes('\r\n') ? '\r\n' : '\n';
    const present = new Set(text.split(/\r?\n/));
    const missing = [...new Set(lines)].filter((line) => !present.has(line));
    if (missing.length === 0) continue;
    const separator = text === '' || text.endsWith('\n') ? '' : newline;
    const added = missing.map((line) => `${line}${newline}`).join('');
    writeWorkspaceText(repo.root, file, `${text}${separator}${added}`);
    changed.push(file);
  }
  return changed;
}

/**
 * Removes a path's line, and the file when nothing else is in it.
 * @returns whether the file was changed.
 */
export function removeIgnored(repo: Repo, repoPath: RepoPath): boolean {
  const file = gitignoreOf(repoPath);
  const text = readWorkspaceText(repo.root, file);
  if (text === undefined) return false;
  const line = ignoreLineOf(repoPath);
  const lines = text.split('\n');
  const kept = lines.filter((candidate) => candidate.replace(/\r$/, '') !== line);
  if (kept.length === lines.length) return false;
  if (kept.every((rest) => rest === '')) rmSync(absolutePath(repo, file));
  else writeWorkspaceText(repo.root, file, kept.join('\n'));
  return true;
}
