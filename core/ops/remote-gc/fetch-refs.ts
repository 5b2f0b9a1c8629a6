/** The refs of every git remote, fetched to where they disturb nobody, for as long as they are needed. */
import type { Git } from '../../store/git.ts';

const namespace = 'refs/dv-gc/';

/**
 * Runs something while all refs of all git remotes are below `refs/dv-gc/`. The user's own refs stay as they are.
 * @throws {DvError} git-failed when a remote cannot be fetched: what it names is then not known.
 */
export async function withRemoteRefs<Result>(git: Git, run: () => Promise<Result>): Promise<Result> {
  try {
    for (const name of git.output(['remote']).split('\n')) {
      if (name === '') continue;
      git.output([
        ...['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--refmap='],
        ...['--prune', name, `+refs/*:${namespace}${name}/*`],
      ]);
    }
    return await run();
  } finally {
    dropRefs(git);
  }
}

function dropRefs(git: Git): void {
  const refs = git.output(['for-each-ref', '--format=delete %(refname)', namespace]);
  if (refs !== '') git.output(['update-ref', '--stdin'], { input: refs });
}
