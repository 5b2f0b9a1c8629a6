/** The `[paths..]` of commands that work on tracked data: everything, or what is at and below some paths. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RepoPath } from '../core/model/repo-path.ts';
import { type Repo, toRepoPath } from '../core/store/repo.ts';

/** The positional argument, for `yargs.positional('paths', trackedPaths)`. */
export const trackedPaths = {
  describe: 'tracked paths, folders that hold some, or patterns; by default all',
  type: 'string',
  array: true,
  default: [] as string[],
} as const;

/** Whether a folder is the top of the repository, so that paths as dv prints them can be typed there. */
export const isAtTop = (repo: Repo, cwd: string): boolean => realpathSync(cwd) === repo.root;

/**
 * What the typed paths mean. None at all, and the top of the repository, mean everything.
 * @param cwd absolute folder the user stands in.
 * @throws {DvError} path-outside, path-invalid
 */
export function selectPaths(repo: Repo, cwd: string, typed: readonly string[]): { paths?: RepoPath[] } {
  const isTop = (path: string) =>
    path === ':/' || (path !== '' && resolve(realpathSync(cwd), path) === repo.root);
  if (typed.length === 0 || typed.some(isTop)) return {};
  return { paths: typed.map((path) => toRepoPath(repo, cwd, path)) };
}
