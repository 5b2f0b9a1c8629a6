/** Puts files dv wrote into git's index. */
import type { RepoPath } from '../model/repo-path.ts';
import type { Repo } from './repo.ts';

/**
 * Makes git's index hold these files as they stand: those that are there are added, also where a rule of the user's
 * ignores them, and those that are gone are taken out of it. Files git does not know and that are gone are no failure.
 * @throws {DvError} git-missing, git-failed (another git writes the index)
 */
export function stageFiles(repo: Repo, files: Iterable<RepoPath>): void {
  const distinct = [...new Set(files)];
  if (distinct.length === 0) return;
  repo.git.output(['update-index', '--add', '--remove', '--replace', '-z', '--stdin'], {
    input: `${distinct.join('\0')}\0`,
    cwd: repo.root,
  });
}
