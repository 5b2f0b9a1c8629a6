/** The only place that runs the git program. */
import {
  type ChildProcessWithoutNullStreams,
  type SpawnSyncReturns,
  spawn,
  spawnSync,
} from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';

/** How git ended. */
export interface GitResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs git and gives back how it ended, whatever the status. */
export interface Git {
  /** Whether there is a git program to run. */
  readonly available: boolean;
  /** @throws {DvError} git-missing */
  run(args: readonly string[], options?: { input?: string | Uint8Array; cwd?: string }): GitResult;
  /** Like `run`, but gives standard output and fails when git does. @throws {DvError} git-missing, git-failed */
  output(args: readonly string[], options?: { input?: string | Uint8Array; cwd?: string }): string;
  /**
   * Starts git and leaves it running, to be asked many things over its standard input. The caller ends it; a
   * git that cannot be started says so by the process's `error` event.
   */
  start(args: readonly string[]): ChildProcessWithoutNullStreams;
}

// Set by callers of git that take pathspecs literally; hooks inherit them, and dv's own patterns would match nothing.
const pathspecVariables = [
  'GIT_LITERAL_PATHSPECS',
  'GIT_GLOB_PATHSPECS',
  'GIT_NOGLOB_PATHSPECS',
  'GIT_ICASE_PATHSPECS',
];

/** Set by git for what it runs in a submodule (up to 2.39); most of its commands refuse to work then. */
const superPrefix = 'GIT_INTERNAL_SUPER_PREFIX';

/**
 * Set for every git that dv starts. dv may hold the lock of the worktree then, and a hook that followed the pointers
 * would wait for it in vain.
 */
const callsGit = 'DV_CALLS_GIT';

/** Whether a folder of PATH holds the git program. Starting it would take as long as most questions to it. */
function isOnPath(env: NodeJS.ProcessEnv): boolean {
  const windows = process.platform === 'win32';
  const path = Object.entries(env).find(
    ([name]) => name === 'PATH' || (windows && /^path$/i.test(name)),
  )?.[1];
  return (path ?? '/usr/bin:/bin').split(delimiter).some((folder) => {
    const program = join(folder || '.', windows ? 'git.exe' : 'git');
    try {
      accessSync(program, constants.X_OK);
      return statSync(program).isFile();
    } catch {
      return false;
    }
  });
}

/**
 * Opens git for one workspace.
 * @param cwd absolute folder git runs in.
 * @param env the environment git gets; `GIT_DIR` and its kin are kept, as git's own hooks need them.
 */
export function openGit(cwd: string, env: NodeJS.ProcessEnv): Git {
  let available: boolean | undefined;
  const environment: NodeJS.ProcessEnv = { ...env, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C', [callsGit]: '1' };
  for (const name of [...pathspecVariables, superPrefix]) delete environment[name];
  const runSync = (args: readonly string[], options: { input?: string | Uint8Array; cwd?: string } = {}) => {
    const result: SpawnSyncReturns<Buffer> = spawnSync('git', args, {
      cwd: options.cwd ?? cwd,
      env: environment,
      ...(options.input === undefined ? {} : { input: options.input }),
      maxBuffer: 1 << 30,
      windowsHide: true,
    });
    // A folder that is gone gives the same code as a program that is not there.
    if (result.error && systemCode(result.error) === 'ENOENT' && existsSync(options.cwd ?? cwd)) {
      available = false;
      throw new DvError('git-missing', { need: `\`git ${args[0]}\`` });
    }
    if (result.error && result.status === null) throw result.error;
    available = true;
    return result;
  };
  const run: Git['run'] = (args, options) => {
    const result = runSync(args, options);
    return { status: result.status ?? 1, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  };
  return {
    get available() {
      available ??= isOnPath(env);
      return available;
    },
    run,
    output(args, options) {
      const result = run(args, options);
      if (result.status !== 0) {
        throw new DvError('git-failed', {
          command: `git ${args.slice(0, 3).join(' ')}`,
          status: result.status,
          output: result.stderr || result.stdout,
        });
      }
      return result.stdout;
    },
    start: (args) => spawn('git', args, { cwd, env: environment, windowsHide: true }),
  };
}

/**
 * Runs git for as long as it takes, without blocking this process, and ends it when the signal says so.
 * @param options.talk lets it speak on this process's standard error, and ask on the terminal; else what it says is
 *   given back.
 * @throws {DvError} git-missing
 */
export function runWatched(
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; talk: boolean; signal: AbortSignal },
): Promise<{ status: number; stderr: string }> {
  const { cwd, env, talk, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, {
      cwd,
      env: talk ? env : { ...env, GIT_TERMINAL_PROMPT: '0' },
      stdio: talk ? ['inherit', 'ignore', 'inherit'] : ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
    });
    const pieces: Buffer[] = [];
    child.stderr?.on('data', (piece: Buffer) => pieces.push(piece));
    // A Ctrl-C on the terminal reaches git by itself; a signal to this process alone does not.
    const stop = () => void child.kill('SIGTERM');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    child.on('error', (error) => {
      signal.removeEventListener('abort', stop);
      const missing = systemCode(error) === 'ENOENT' && existsSync(cwd);
      reject(missing ? new DvError('git-missing', { need: `\`git ${args[0]}\`` }) : error);
    });
    // Programs git started may hold the pipe open when git has been stopped: nobody waits for them.
    child.on('exit', () => {
      if (signal.aborted) resolve({ status: 1, stderr: '' });
    });
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      resolve({ status: code ?? 1, stderr: Buffer.concat(pieces).toString() });
    });
  });
}
