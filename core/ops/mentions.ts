/** Where files that people or stages wrote still name a path that has another name now, or none. */
import { readFileSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { absolutePath, type Repo } from '../store/repo.ts';

/** A line that names a path. */
export interface Mention {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly path: RepoPath;
}

const files = ['stages.yaml', 'stages.lock'];

/** A path as a word of its own, or as the beginning of a longer path. */
function mentionPattern(path: string): RegExp {
  return new RegExp(`(?<![\\w./-])(?:\\./)?${path.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}(?![\\w-]|\\.\\w)`);
}

/**
 * Finds lines of stages.yaml and stages.lock that name a path or something below it. Text is compared, not meaning: a
 * path relative to a stage's `wdir` is not seen, and a word of a command that only looks like the path is.
 */
export function findMentions(repo: Repo, path: RepoPath): Mention[] {
  const pattern = mentionPattern(path);
  return files.flatMap((file) => {
    let text: string;
    try {
      text = readFileSync(absolutePath(repo, file), 'utf8');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    }
    return text
      .split('\n')
      .flatMap((content, i) => (pattern.test(content) ? [{ file, line: i + 1, path }] : []));
  });
}
