/** The git half of `dv clone`: what `git clone` does, into a folder whose name is known before. */
import { DvError } from '../errors.ts';
import { withoutSecrets } from '../model/redact.ts';
import { type Git, runWatched } from '../store/git.ts';

/** What to clone, and how. */
export interface CloneOptions {
  /** As typed: a URL, `host:path`, or a folder. */
  readonly url: string;
  /** Absolute folder to make. */
  readonly directory: string;
  readonly branch?: string | undefined;
  readonly depth?: number | undefined;
  readonly submodules: boolean;
  /** Lets git speak on this process's standard error: progress, questions for a password. Else it is silent. */
  readonly talk: boolean;
  readonly signal: AbortSignal;
}

/**
 * The folder git would make for a URL: its last part, without `.git`.
 * Source: git, dir.c, git_url_basename.
 * @returns undefined when the URL has no such part.
 */
export function folderOfUrl(url: string): string | undefined {
  let path = url.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/]*@)?/, '').replace(/[/\s]+$/, '');
  path = path.replace(/\/\.git$/, '').replace(/\/+$/, '');
  // `host:path` as scp writes it, and a host with a port and nothing else.
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf(':')) + 1).replace(/\.git$/, '');
  return name === '' || name === '.' || name === '..' || name === '.git' ? undefined : name;
}

/**
 * Runs `git clone`. git removes what it made when it fails or is stopped.
 * @throws {DvError} git-missing, clone-failed; the signal's reason when it was stopped.
 */
export async function cloneGit(options: CloneOptions, env: NodeJS.ProcessEnv, cwd: string): Promise<void> {
  const { url, directory, branch, depth, submodules, talk, signal } = options;
  const args = [
    'clone',
    ...(talk ? [] : ['--quiet']),
    ...(branch === undefined ? [] : ['--branch', branch]),
    ...(depth === undefined ? [] : ['--depth', String(depth)]),
    ...(submodules ? ['--recurse-submodules'] : []),
    '--',
    url,
    directory,
  ];
  const { status, stderr } = await runWatched(args, { cwd, env, talk, signal });
  signal.throwIfAborted();
  if (status === 0) return;
  throw new DvError('clone-failed', {
    url: withoutSecrets(url),
    status,
    output: withoutSecrets(stderr),
  });
}

/** Folders of the submodules that are checked out, below the top of a repository, outer ones first. */
export function listSubmodules(git: Git): string[] {
  const output = git.output(['submodule', 'status', '--recursive']);
  return output.split('\n').flatMap((line) => {
    // One character of state, the commit, the path, and what describes the commit.
    const match = /^[ +U][0-9a-f]+ (.+?)(?: \([^()]*\))?$/.exec(line);
    return match === null ? [] : [match[1]!];
  });
}
