/**
 * Another git repository, read without a workspace: what one revision needs is fetched into a temporary bare
 * repository. Nothing of it runs: no hooks, no filters, no transports that are programs.
 */

import { existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DvError, isDvError } from '../errors.ts';
import { withoutSecrets } from '../model/redact.ts';
import { openGit, runWatched } from './git.ts';
import { type Commit, type History, openHistory } from './history.ts';
import { openRepo, type Repo } from './repo.ts';

/** Which revision of which repository. */
export interface OtherRepositoryOptions {
  /** As typed: a folder, or what git takes for a URL. */
  readonly url: string;
  /** A branch, tag or commit; by default what the repository has checked out. */
  readonly revision?: string | undefined;
  /** Absolute folder that a relative one starts from. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** A repository opened at a revision. */
export interface OtherRepository extends AsyncDisposable {
  readonly history: History;
  readonly commit: Commit;
  /** Where it lies on this machine, when it does and has a workspace. */
  readonly local: Repo | undefined;
  /** Folders of this machine that may hold its objects. */
  readonly caches: readonly { readonly objectsDir: string }[];
}

/** Blobs up to this size come with the commit: pointers and settings are smaller. Larger ones come when asked for. */
const smallBlobBytes = 65_536;
/** Transports that are not programs of the repository's choice; git(1), "GIT_ALLOW_PROTOCOL". */
const transports = 'file:git:http:https:ssh';

/** Variables that would make git work on another repository than it is told to. */
const repositoryVariables =
  /^GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|PREFIX|SHALLOW_FILE)$/;

/** The environment without what a hook's git says about its repository. */
export function neutralEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !repositoryVariables.test(name)));
}

/** The folder a URL names on this machine, absolute, if it names one. */
export function localFolder(url: string, cwd: string): string | undefined {
  let path: string;
  try {
    path = /^file:\/\//i.test(url) ? fileURLToPath(url) : resolve(cwd, url);
  } catch {
    return undefined;
  }
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? realpathSync(path) : undefined;
}

/**
 * Opens a repository at a revision. Without the git program only a folder can be read.
 * @throws {DvError} usage, source-unreachable, unknown-revision, git-missing, git-feature; the signal's reason
 */
export async function openOtherRepository(options: OtherRepositoryOptions): Promise<OtherRepository> {
  const { url, revision, cwd, signal } = options;
  if (/^[A-Za-z0-9][A-Za-z0-9+.-]*::/.test(url) || url.startsWith('-') || /[\x00-\x1f]/.test(url)) {
    throw new DvError('usage', {
      message: `${JSON.stringify(url)} is no address dv reads from`,
      hint: 'use a folder, https://… or git@host:path',
    });
  }
  const env = neutralEnvironment(options.env);
  const folder = localFolder(url, cwd);
  const local = folder === undefined ? undefined : openLocal(folder, env);
  if (!openGit(cwd, env).available && local !== undefined) return openInPlace(local, revision);
  const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'dv-get-')));
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  try {
    const address = local?.root ?? folder ?? url;
    const bare = { ...env, GIT_DIR: temporary, GIT_ALLOW_PROTOCOL: transports, GIT_TERMINAL_PROMPT: '0' };
    const git = openGit(temporary, bare);
    prepare(temporary, address, git);
    const fetched = await fetchRevision(revision ?? 'HEAD', { temporary, env: bare, signal, url });
    const history = await openHistory({ git, gitDir: temporary, commonDir: temporary });
    try {
      const commit = await resolveFetched(history, revision ?? 'HEAD', fetched);
      const close = async () => {
        await history.close();
        remove();
      };
      return { history, commit, local, caches: cachesOf(local, folder), [Symbol.asyncDispose]: close };
    } catch (error) {
      await history.close();
      throw error;
    }
  } catch (error) {
    remove();
    throw error;
  }
}

/** A repository of this machine with its cache and settings; a bare one has neither. */
function openLocal(folder: string, env: NodeJS.ProcessEnv): Repo | undefined {
  // Which remote and cache this shell prefers says nothing about another repository.
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DV_')));
  try {
    return openRepo({ cwd: folder, env: own });
  } catch (error) {
    if (isDvError(error, 'bare-repository') || isDvError(error, 'not-a-repository')) return undefined;
    throw error;
  }
}

/** A bare repository's worktrees keep their objects in it. */
function cachesOf(local: Repo | undefined, folder: string | undefined): { objectsDir: string }[] {
  if (local !== undefined) return [local];
  const beside = folder === undefined ? undefined : join(folder, 'dv', 'objects');
  return beside !== undefined && existsSync(beside) ? [{ objectsDir: beside }] : [];
}

async function openInPlace(local: Repo, revision = 'HEAD'): Promise<OtherRepository> {
  const history = await openHistory(local);
  try {
    const commit = await history.resolve(revision);
    return { history, commit, local, caches: [local], [Symbol.asyncDispose]: () => history.close() };
  } catch (error) {
    await history.close();
    throw error;
  }
}

function prepare(temporary: string, address: string, git: ReturnType<typeof openGit>): void {
  git.output(['init', '--quiet', '--bare', '--template=', temporary]);
  const settings = [
    ['core.hooksPath', '/dev/null'],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['fetch.recurseSubmodules', 'false'],
    ['remote.origin.url', address],
  ] as const;
  for (const [key, value] of settings) git.output(['config', key, value]);
}

/** What a fetch left: the revision alone under a name of ours, or everything. */
type Fetched = 'revision' | 'everything';

const ownRef = 'refs/dv/get';

/** Fetches one commit without its history, or, where the other side does not know the name, everything but large files. */
async function fetchRevision(
  revision: string,
  job: { temporary: string; env: NodeJS.ProcessEnv; signal: AbortSignal; url: string },
): Promise<Fetched> {
  const { temporary, env, signal } = job;
  const run = async (...args: string[]) => {
    const all = [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-recurse-submodules',
      `--filter=blob:limit=${smallBlobBytes}`,
    ];
    const result = await runWatched([...all, ...args], { cwd: temporary, env, talk: false, signal });
    signal.throwIfAborted();
    return result;
  };
  const fail = (stderr: string) => {
    const output = withoutSecrets(stderr.replaceAll(temporary, '').replace(/^fatal: /gm, ''));
    throw new DvError('source-unreachable', { url: withoutSecrets(job.url), output });
  };
  // Only a plain name can be part of a refspec; `HEAD~2` and the like need the history.
  if (/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(revision)) {
    const { status, stderr } = await run('--depth=1', 'origin', `+${revision}:${ownRef}`);
    if (status === 0) return 'revision';
    if (!/find remote ref|not our ref|unadvertised object|no such ref|invalid refspec/i.test(stderr))
      fail(stderr);
  }
  const { status, stderr } = await run(
    'origin',
    '+refs/heads/*:refs/heads/*',
    '+refs/tags/*:refs/tags/*',
    `+HEAD:${ownRef}`,
  );
  if (status !== 0) fail(stderr);
  // `HEAD` means what is checked out there.
  writeFileSync(join(temporary, 'HEAD'), `ref: ${ownRef}\n`);
  return 'everything';
}

async function resolveFetched(history: History, revision: string, fetched: Fetched): Promise<Commit> {
  const commit = await history.find(fetched === 'revision' ? ownRef : revision);
  if (commit === undefined) throw new DvError('unknown-revision', { revision });
  return commit;
}
