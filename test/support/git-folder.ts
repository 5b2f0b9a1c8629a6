/** A git repository in a temporary folder that knows nothing of the machine's own git settings. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A temporary folder, removed at the end of its block: `using folder = temporaryFolder()`. */
export interface TemporaryFolder extends Disposable {
  /** Absolute, without links. */
  readonly path: string;
  /** Absolute path of something in it. */
  at(...below: string[]): string;
  /** Writes a file, with the folders above it, and gives back its absolute path. */
  write(below: string, content?: string | Uint8Array): string;
}

/** Makes a temporary folder. */
export function temporaryFolder(): TemporaryFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'dv-test-')));
  return {
    path,
    at: (...below) => join(path, ...below),
    write(below, content = '') {
      const absolute = join(path, below);
      mkdirSync(dirname(absolute), { recursive: true });
      writeFileSync(absolute, content);
      return absolute;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A temporary folder that is a git repository with its own empty home. */
export interface GitFolder extends TemporaryFolder {
  /** Environment for git and dv: own home, fixed author and date, no system settings. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs git in the folder, or in `cwd`; fails the test when git fails; gives back its output. */
  git(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string }): string;
}

/** Environment of a machine with git and a fresh user. */
export function freshEnvironment(home: string): NodeJS.ProcessEnv {
  const date = '2024-01-02T03:04:05Z';
  return {
    PATH: process.env.PATH,
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'A U Thor',
    GIT_AUTHOR_EMAIL: 'author@example.com',
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: 'C O Mitter',
    GIT_COMMITTER_EMAIL: 'committer@example.com',
    GIT_COMMITTER_DATE: date,
  };
}

/** Makes an empty git repository in the subfolder `work`, and a home beside it. */
export function gitFolder(): GitFolder {
  const folder = temporaryFolder();
  const path = folder.at('work');
  mkdirSync(path);
  mkdirSync(folder.at('home'));
  const env = freshEnvironment(folder.at('home'));
  const git: GitFolder['git'] = (args, options = {}) => {
    const result = spawnSync('git', args, {
      cwd: options.cwd ?? path,
      env: options.env ?? env,
      encoding: 'utf8',
      ...(options.input === undefined ? {} : { input: options.input }),
    });
    if (result.error) throw result.error;
    if (result.status !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };
  git(['init', '--quiet', '--initial-branch=main']);
  return {
    path,
    env,
    git,
    at: (...below) => join(path, ...below),
    write: (below, content) => folder.write(join('work', below), content),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
