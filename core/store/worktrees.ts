/** All worktrees of a repository, also those whose folder is away at the moment. */
import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { mainWorkspace, readIfThere } from './discover.ts';
import { openGit } from './git.ts';
import { listFolder } from './list-folder.ts';
import type { Repo } from './repo.ts';

/** One worktree. Absolute paths. */
export interface Worktree {
  /** Its git directory: HEAD, index, stat indexes, lock. */
  readonly gitDir: string;
  /** The top of its workspace; undefined when there is none, or its folder is not there now. */
  readonly root: string | undefined;
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The worktrees of a repository, sorted by git directory, so that whoever locks several does it in one order. */
export function listWorktrees(repo: Pick<Repo, 'root' | 'gitDir' | 'commonDir'>): Worktree[] {
  const { commonDir } = repo;
  const mainRoot = repo.gitDir === commonDir ? repo.root : mainWorkspace(commonDir, undefined);
  const present = (root: string | undefined) => (root !== undefined && isFolder(root) ? root : undefined);
  const found: Worktree[] = [{ gitDir: commonDir, root: present(mainRoot) }];
  for (const name of listFolder(join(commonDir, 'worktrees'))) {
    const gitDir = join(commonDir, 'worktrees', name);
    if (!isFolder(gitDir)) continue;
    const back = readIfThere(join(gitDir, 'gitdir'))?.trim();
    const own = gitDir === repo.gitDir ? repo.root : undefined;
    const linked = back === undefined || back === '' ? undefined : dirname(resolve(gitDir, back));
    found.push({ gitDir, root: own ?? present(linked) });
  }
  return found.sort((a, b) => (a.gitDir < b.gitDir ? -1 : 1));
}

/**
 * The repository as seen from another of its worktrees.
 * @param env without git's own variables, which speak of one worktree.
 */
export function repoOfWorktree(
  repo: Repo,
  worktree: Worktree & { readonly root: string },
  env: NodeJS.ProcessEnv,
): Repo {
  return {
    ...repo,
    root: worktree.root,
    gitDir: worktree.gitDir,
    indexDir: join(worktree.gitDir, 'dv', 'index'),
    git: openGit(worktree.root, { ...env, GIT_DIR: worktree.gitDir, GIT_WORK_TREE: worktree.root }),
  };
}
