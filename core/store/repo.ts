/** Where things are: the workspace, git's directories, the cache, and the settings that apply here. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { buildConfig, type Config } from '../model/config.ts';
import { parentOf, parseRepoPath, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { discover, type Place, type Surroundings } from './discover.ts';
import { type Git, openGit } from './git.ts';
import { readSettings } from './settings.ts';

/** A repository, opened. Paths are absolute. */
export interface Repo {
  /** Top of the workspace. */
  readonly root: string;
  /** This worktree's git directory. */
  readonly gitDir: string;
  /** The git directory all worktrees share. */
  readonly commonDir: string;
  /** dv's own folder in the shared git directory: run cache, locks, temporary files, cached remote indexes. */
  readonly dvDir: string;
  /** This worktree's stat indexes. */
  readonly indexDir: string;
  /** Content-addressed objects. */
  readonly objectsDir: string;
  /** Permissions that files of the cache have at least, where several users write to it. */
  readonly sharedPermissions?: number | undefined;
  /** Half-written things; on the same file system as the objects. */
  readonly temporaryDir: string;
  readonly config: Config;
  readonly git: Git;
}

/**
 * Opens the repository that holds a folder.
 * @throws {DvError} not-a-repository, bare-repository, invalid-file (of .dvconfig or git's config), git-failed
 */
export function openRepo(surroundings: Surroundings): Repo {
  const { env } = surroundings;
  const place = discover(surroundings);
  const { root, gitDir, commonDir } = place;
  const git = openGit(root, gitEnvironment(place, env));
  const config = buildConfig(readSettings(place, git, env));
  const dvDir = join(commonDir, 'dv');
  const cacheDir = config.cacheDir === undefined ? dvDir : resolve(root, expandHome(config.cacheDir, env));
  return {
    root,
    gitDir,
    commonDir,
    dvDir,
    indexDir: join(gitDir, 'dv', 'index'),
    objectsDir: join(cacheDir, 'objects'),
    sharedPermissions: config.sharedPermissions,
    temporaryDir: join(cacheDir, 'tmp'),
    config,
    git,
  };
}

/** What git, started at the top, must be told so that it works on the repository that was found. */
function gitEnvironment(place: Place, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!env.GIT_DIR && !env.GIT_WORK_TREE) return env;
  // Those of a hook are relative to where the hook runs.
  return { ...env, GIT_DIR: place.gitDir, GIT_WORK_TREE: place.root };
}

const expandHome = (path: string, env: NodeJS.ProcessEnv) =>
  path.startsWith('~/') && env.HOME ? join(env.HOME, path.slice(2)) : path;

/** A path inside the repository, absolute. */
export function absolutePath(repo: Repo, repoPath: string): string {
  return join(repo.root, repoPath);
}

/**
 * Turns what a user typed into a path inside the repository. Links above the path are resolved, so that two
 * spellings of one folder are one path and none leads outside; the path itself is not.
 * As in git, `:/` in front means from the top, wherever the user stands.
 * @param cwd absolute folder the user stands in.
 * @throws {DvError} path-outside, path-invalid.
 */
export function toRepoPath(repo: Repo, cwd: string, typed: string): RepoPath {
  const invalid = (reason: string) => new DvError('path-invalid', { path: typed, reason });
  if (typed === '' || typed.includes('\0')) throw invalid(pathProblem(typed)!);
  const absolute = typed.startsWith(':/')
    ? join(repo.root, typed.slice(2))
    : resolve(realpathSync(cwd), typed);
  if (absolute === repo.root || realFolder(absolute) === repo.root) {
    throw invalid('it is the top of the repository');
  }
  const below = relative(repo.root, join(realFolder(dirname(absolute)), basename(absolute)));
  if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) {
    throw new DvError('path-outside', { path: typed, root: repo.root });
  }
  const slashed = sep === '/' ? below : below.split(sep).join('/');
  const path = parseRepoPath(slashed);
  if (path === undefined) throw invalid(pathProblem(slashed)!);
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    if (existsSync(join(repo.root, folder, '.git'))) {
      throw invalid(`it belongs to another git repository, ${folder}`);
    }
  }
  return path;
}

/** A folder without links, as far as it exists. */
function realFolder(absolute: string): string {
  for (let there = absolute; ; there = dirname(there)) {
    try {
      return join(realpathSync(there), relative(there, absolute));
    } catch (error) {
      const code = systemCode(error);
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
    }
  }
}
