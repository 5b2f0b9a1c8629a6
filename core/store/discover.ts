/** Finds the repository a folder is in, as git does, but without starting git. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { parseGitConfig } from '../model/git-config.ts';

/** What the process was started with. core reads no environment itself. */
export interface Surroundings {
  /** Absolute current folder. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Where a repository is. Absolute paths, links resolved. */
export interface Place {
  /** Top of the workspace. */
  readonly root: string;
  /** This worktree's git directory. */
  readonly gitDir: string;
  /** The git directory all worktrees share. */
  readonly commonDir: string;
}

/** The text of a file, or undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Finds the workspace and the git directories of a folder.
 * Source: git(1), "ENVIRONMENT VARIABLES"; gitrepository-layout(5); git's setup.c.
 * @throws {DvError} not-a-repository, bare-repository, invalid-file (of the repository's config)
 */
export function discover({ cwd: typedCwd, env }: Surroundings): Place {
  const cwd = realpathSync(typedCwd);
  const fail = (): never => {
    throw new DvError('not-a-repository', { directory: cwd });
  };
  const found = env.GIT_DIR ? namedGitDir(resolve(cwd, env.GIT_DIR), cwd) : search(cwd, env);
  if (found === undefined) return fail();
  const gitDir = realpathSync(found.gitDir);
  const linkedTo = readIfThere(join(gitDir, 'commondir'))?.trim();
  const common = env.GIT_COMMON_DIR
    ? resolve(cwd, env.GIT_COMMON_DIR)
    : linkedTo === undefined
      ? gitDir
      : resolve(gitDir, linkedTo);
  const root = env.GIT_WORK_TREE
    ? resolve(cwd, env.GIT_WORK_TREE)
    : linkedTo === undefined
      ? mainWorkspace(gitDir, found.beside)
      : (found.beside ?? linkedWorkspace(gitDir));
  if (root === undefined) throw new DvError('bare-repository', { directory: gitDir });
  if (!existsSync(root) || !existsSync(common)) return fail();
  return { root: realpathSync(root), gitDir, commonDir: realpathSync(common) };
}

/** A git directory and the folder its workspace begins in, when its place says so. */
interface Found {
  readonly gitDir: string;
  readonly beside: string | undefined;
}

const isGitDir = (directory: string) =>
  existsSync(join(directory, 'HEAD')) &&
  (existsSync(join(directory, 'objects')) || existsSync(join(directory, 'commondir')));

/** The git directory that `GIT_DIR` names. git starts its hooks at the top of the workspace. */
function namedGitDir(path: string, cwd: string): Found | undefined {
  const gitDir = resolveDotGit(path);
  if (gitDir === undefined) return undefined;
  // A hook may have gone to a folder below the top, which then is no top itself.
  const top = linkedWorkspace(gitDir) ?? parentOfDotGit(gitDir);
  const isBelow = top !== undefined && existsSync(top) && `${cwd}${sep}`.startsWith(realpathSync(top) + sep);
  return { gitDir, beside: isBelow ? top : cwd };
}

/** Looks in a folder and those above it. */
function search(cwd: string, env: NodeJS.ProcessEnv): Found | undefined {
  const ceilings = new Set((env.GIT_CEILING_DIRECTORIES ?? '').split(delimiter));
  for (let directory = cwd; ; directory = dirname(directory)) {
    const dotGit = join(directory, '.git');
    const gitDir = resolveDotGit(dotGit);
    if (gitDir !== undefined) return { gitDir, beside: directory };
    // As git does, an empty or foreign folder `.git` is passed over; a file that leads nowhere is not.
    if (statSync(dotGit, { throwIfNoEntry: false })?.isFile()) return undefined;
    if (isGitDir(directory) && (existsSync(join(directory, 'refs')) || linkedWorkspace(directory))) {
      return { gitDir: directory, beside: undefined };
    }
    const parent = dirname(directory);
    if (parent === directory || ceilings.has(parent)) return undefined;
  }
}

/** The git directory at a path, or the one its text names (`gitdir: …`, as linked worktrees and submodules have). */
function resolveDotGit(dotGit: string): string | undefined {
  const info = statSync(dotGit, { throwIfNoEntry: false });
  let gitDir: string | undefined = dotGit;
  if (info?.isFile()) {
    const target = /^gitdir: (.+?)[\r\n]*$/.exec(readFileSync(dotGit, 'utf8'))?.[1];
    gitDir = target === undefined ? undefined : resolve(dirname(dotGit), target);
  }
  return gitDir !== undefined && isGitDir(gitDir) ? gitDir : undefined;
}

/** The workspace of a linked worktree's git directory, by its link back to the `.git` file there. */
function linkedWorkspace(gitDir: string): string | undefined {
  const back = readIfThere(join(gitDir, 'gitdir'));
  return back === undefined ? undefined : dirname(resolve(gitDir, back.trim()));
}

const parentOfDotGit = (gitDir: string) => (gitDir.endsWith(`${sep}.git`) ? dirname(gitDir) : undefined);

/** The workspace of a git directory that is no linked worktree's, or undefined when it has none. */
export function mainWorkspace(gitDir: string, beside: string | undefined): string | undefined {
  let bare = false;
  for (const name of ['config', 'config.worktree']) {
    const file = join(gitDir, name);
    for (const { key, value } of parseGitConfig(readIfThere(file) ?? '', file)) {
      if (key === 'core.worktree') return resolve(gitDir, value);
      if (key === 'core.bare') bare = /^(true|yes|on|1)$/i.test(value);
    }
  }
  return bare ? undefined : (beside ?? parentOfDotGit(gitDir));
}
