/** Where things are: the workspace, git's directories, the cache, and the settings that apply here. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { buildConfig, type Config, type ConfigSource } from '../model/config.ts';
import { type ConfigEntry, parseGitConfig } from '../model/git-config.ts';
import { parseRepoPath, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { type Git, openGit } from './git.ts';

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
  /** Half-written things; on the same file system as the objects. */
  readonly temporaryDir: string;
  readonly config: Config;
  readonly git: Git;
}

/** What the process was started with. core reads no environment itself. */
export interface Surroundings {
  /** Absolute current folder. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

const isGitDir = (directory: string) =>
  existsSync(join(directory, 'HEAD')) &&
  (existsSync(join(directory, 'objects')) || existsSync(join(directory, 'commondir')));

/** Follows a `.git` file (`gitdir: …`, as linked worktrees and submodules have) to the directory it names. */
function resolveDotGit(dotGit: string): string | undefined {
  const info = statSync(dotGit, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  if (info.isDirectory()) return isGitDir(dotGit) ? dotGit : undefined;
  const target = /^gitdir: (.*)\n?$/.exec(readFileSync(dotGit, 'utf8'))?.[1];
  return target === undefined ? undefined : resolve(dirname(dotGit), target);
}

/** Finds the workspace and git directory that hold a folder. */
function discover({ cwd, env }: Surroundings): { root: string; gitDir: string } {
  if (env.GIT_DIR !== undefined && env.GIT_DIR !== '') {
    const gitDir = resolve(cwd, env.GIT_DIR);
    if (!isGitDir(gitDir)) throw new DvError('not-a-repository', { directory: cwd });
    // git starts its hooks at the top of the workspace with GIT_DIR set and GIT_WORK_TREE perhaps not.
    return {
      gitDir,
      root: env.GIT_WORK_TREE ? resolve(cwd, env.GIT_WORK_TREE) : (worktreeRoot(gitDir) ?? cwd),
    };
  }
  for (let directory = cwd; ; directory = dirname(directory)) {
    const gitDir = resolveDotGit(join(directory, '.git'));
    if (gitDir !== undefined) return { root: directory, gitDir };
    if (isGitDir(directory) && existsSync(join(directory, 'refs'))) {
      if (directory.endsWith(`${sep}.git`)) return { root: dirname(directory), gitDir: directory };
      throw new DvError('bare-repository', { directory });
    }
    if (dirname(directory) === directory) throw new DvError('not-a-repository', { directory: cwd });
  }
}

/** The workspace a git directory names itself: a linked worktree's back-link, or a plain `.git`'s parent. */
function worktreeRoot(gitDir: string): string | undefined {
  const back = readIfThere(join(gitDir, 'gitdir'));
  if (back !== undefined) return dirname(resolve(gitDir, back.trim()));
  return gitDir.endsWith(`${sep}.git`) ? dirname(gitDir) : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** git's own configuration, read without starting git unless something only git can resolve is in it. */
function readGitConfig(git: Git, commonDir: string, env: NodeJS.ProcessEnv): ConfigSource[] {
  const files: string[] = [];
  if (env.GIT_CONFIG_NOSYSTEM === undefined) files.push(env.GIT_CONFIG_SYSTEM ?? '/etc/gitconfig');
  const home = env.HOME ?? env.USERPROFILE;
  if (env.GIT_CONFIG_GLOBAL !== undefined) files.push(env.GIT_CONFIG_GLOBAL);
  else if (home !== undefined) {
    files.push(join(env.XDG_CONFIG_HOME ?? join(home, '.config'), 'git', 'config'), join(home, '.gitconfig'));
  }
  files.push(join(commonDir, 'config'));
  const sources: ConfigSource[] = [];
  let needsGit = env.GIT_CONFIG_COUNT !== undefined || env.GIT_CONFIG_PARAMETERS !== undefined;
  for (const file of files) {
    const text = readIfThere(file);
    if (text === undefined) continue;
    const entries = parseGitConfig(text, file);
    if (
      entries.some((entry) => /^include(if)?\./.test(entry.key) || entry.key === 'extensions.worktreeconfig')
    ) {
      needsGit = true;
    }
    sources.push({ file, tracked: false, entries });
  }
  if (!needsGit || !git.available) return sources;
  const entries: ConfigEntry[] = [];
  for (const item of git.run(['config', '--null', '--get-regexp', '^dv\\.']).stdout.split('\0')) {
    const newline = item.indexOf('\n');
    if (item !== '') {
      entries.push(
        newline === -1
          ? { key: item, value: 'true', line: 0 }
          : { key: item.slice(0, newline), value: item.slice(newline + 1), line: 0 },
      );
    }
  }
  return [{ file: 'git config', tracked: false, entries }];
}

/** `DV_REMOTE`, `DV_JOBS`, `DV_CACHE_DIR`, `DV_CACHE_LINK`, `DV_AUTOSTAGE` as settings. */
function environmentSource(env: NodeJS.ProcessEnv): ConfigSource {
  const names = {
    DV_REMOTE: 'dv.defaultremote',
    DV_JOBS: 'dv.jobs',
    DV_CACHE_DIR: 'dv.cache.dir',
    DV_CACHE_LINK: 'dv.cache.link',
    DV_AUTOSTAGE: 'dv.autostage',
  };
  const entries = Object.entries(names).flatMap(([name, key]) => {
    const value = env[name];
    return value === undefined ? [] : [{ key, value, line: 0 }];
  });
  return { file: 'environment', tracked: false, entries };
}

/**
 * Opens the repository that holds a folder.
 * @throws {DvError} not-a-repository, bare-repository, invalid-file (of .dvconfig or git's config).
 */
export function openRepo(surroundings: Surroundings): Repo {
  const cwd = realpathSync(surroundings.cwd);
  const { root, gitDir } = discover({ cwd, env: surroundings.env });
  const common = readIfThere(join(gitDir, 'commondir'));
  const commonDir = common === undefined ? gitDir : resolve(gitDir, common.trim());
  const git = openGit(root, surroundings.env);
  const tracked = readIfThere(join(root, '.dvconfig'));
  const config = buildConfig([
    ...(tracked === undefined
      ? []
      : [{ file: '.dvconfig', tracked: true, entries: parseGitConfig(tracked, '.dvconfig') }]),
    ...readGitConfig(git, commonDir, surroundings.env),
    environmentSource(surroundings.env),
  ]);
  const dvDir = join(commonDir, 'dv');
  const cacheDir =
    config.cacheDir === undefined ? dvDir : resolve(root, expandHome(config.cacheDir, surroundings.env));
  return {
    root,
    gitDir,
    commonDir,
    dvDir,
    indexDir: join(gitDir, 'dv', 'index'),
    objectsDir: join(cacheDir, 'objects'),
    temporaryDir: join(cacheDir, 'tmp'),
    config,
    git,
  };
}

const expandHome = (path: string, env: NodeJS.ProcessEnv) =>
  path.startsWith('~/') && env.HOME ? join(env.HOME, path.slice(2)) : path;

/** A path inside the repository, absolute. */
export function absolutePath(repo: Repo, repoPath: string): string {
  return join(repo.root, repoPath);
}

/**
 * Turns what a user typed into a path inside the repository.
 * @param cwd absolute folder the user stands in.
 * @throws {DvError} path-outside, path-invalid.
 */
export function toRepoPath(repo: Repo, cwd: string, typed: string): RepoPath {
  const absolute = isAbsolute(typed) ? typed : resolve(realpathSync(cwd), typed);
  // Links above the path are resolved, so that two spellings of one folder are one path; the path itself is not.
  const parent = existsSync(dirname(absolute)) ? realpathSync(dirname(absolute)) : dirname(absolute);
  const below = relative(repo.root, join(parent, absolute.slice(dirname(absolute).length)));
  if (below === '')
    throw new DvError('path-invalid', { path: typed, reason: 'it is the top of the repository' });
  if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) {
    throw new DvError('path-outside', { path: typed, root: repo.root });
  }
  const slashed = sep === '/' ? below : below.split(sep).join('/');
  const path = parseRepoPath(slashed);
  if (path === undefined) throw new DvError('path-invalid', { path: typed, reason: pathProblem(slashed)! });
  return path;
}
