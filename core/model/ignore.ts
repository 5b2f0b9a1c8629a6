/** `.dvcignore`: which files below a tracked folder are not data. gitignore syntax, nested files allowed. */
import { createRequire } from 'node:module';
import type { Ignore } from 'ignore';

/** The name of the files that hold ignore rules. */
export const ignoreFileName = '.dvcignore';

/** Ignore rules of one folder and those above it, nearest last. */
export interface IgnoreRules {
  /** Whether a file or folder is ignored; a folder that is ignored is not entered. */
  isIgnored(repoPath: string, isFolder: boolean): boolean;
}

/** Rules that ignore nothing. */
export const ignoreNothing: IgnoreRules = { isIgnored: () => false };

// Loaded when the first ignore file is met: most repositories have none.
const require = createRequire(import.meta.url);

/**
 * Adds one file's rules to those of the folders above it. As in git, the last rule that matches decides, and
 * a nearer file's rules come after a farther one's.
 * @param folder the folder the file is in, relative to the repository's top; `''` at the top.
 */
export function withIgnoreFile(outer: IgnoreRules, folder: string, text: string): IgnoreRules {
  const create = require('ignore') as () => Ignore;
  const rules = create().add(text);
  const prefix = folder === '' ? '' : `${folder}/`;
  return {
    isIgnored(repoPath, isFolder) {
      const below = repoPath.slice(prefix.length) + (isFolder ? '/' : '');
      const verdict = rules.test(below);
      if (verdict.ignored) return true;
      return verdict.unignored ? false : outer.isIgnored(repoPath, isFolder);
    },
  };
}
