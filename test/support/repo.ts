/**
 * A world in one call: a git repository in a temporary folder with its own home, a clock that moves one
 * minute per git command and a fixed author, in which the built `dv` runs as a user would run it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openRepo, type Repo } from '../../core/store/repo.ts';

/** How a program ended. */
export interface Outcome {
  /** Exit status, or 128 + the signal's number when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  /** Folder relative to the repository's top, or absolute. */
  readonly cwd?: string;
  /** Added to the world's environment; undefined takes a variable away. */
  readonly env?: Record<string, string | undefined>;
  /** What the program reads on standard input; nothing by default. */
  readonly input?: string | Uint8Array;
}

/** What a test repository is made with. */
export interface TestRepoOptions {
  /** Makes a plain folder instead of a git repository. */
  readonly git?: boolean;
  /** Makes a bare repository. */
  readonly bare?: boolean;
  /** Runs `dv init` and commits what it staged; the files are left for the test to add. */
  readonly init?: boolean;
  /** Starts as a copy of another repository as it is now, which is much quicker than making it again. */
  readonly copyOf?: TestRepo;
  /** A name for the temporary folder, to test unusual ones. */
  readonly name?: string;
}

/** A temporary git repository. */
export interface TestRepo extends AsyncDisposable {
  /** Its top, absolute, links resolved. */
  readonly root: string;
  /** An empty folder beside it for what does not belong inside: clones, remotes. */
  readonly outside: string;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs git and gives back its standard output. Fails the test when git fails. */
  git(...args: string[]): Promise<string>;
  /** Runs git and gives back how it ended. */
  tryGit(...args: string[]): Promise<Outcome>;
  /** Runs the built `dist/bin/main.js`. */
  dv(...args: string[]): Promise<Outcome>;
  /** Runs the built `dv`, and fails the test when it does not exit with 0. */
  dvOk(...args: string[]): Promise<Outcome>;
  /** Runs any program in this world. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Records everything git sees, and gives back the commit's id. */
  commit(message: string): Promise<string>;
  /** Writes a file, and the folders above it. */
  write(path: string, content: string | Uint8Array, options?: { executable?: boolean }): void;
  /** A file's text. */
  read(path: string): string;
  /** A file's bytes. */
  readBytes(path: string): Buffer;
  exists(path: string): boolean;
  /** Removes a file or folder; fails when it is not there. */
  remove(path: string): void;
  /** The repository as core sees it. Read again on every call, so that new settings apply. */
  open(): Repo;
  /**
   * Every file below a folder, `.git` left out: path → short hash of its bytes, `x` behind it when it is
   * executable; links as `-> target`. Sorted by path.
   */
  tree(folder?: string): Record<string, string>;
}

/** The built command line program. */
export const mainScript = fileURLToPath(new URL('../../dist/bin/main.js', import.meta.url));

/** The moment of the first git command, in seconds since 1970: 2024-01-01 00:00 UTC. */
const clockStart = 1_704_067_200;

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** An environment in which nothing of the machine's git or dv settings is left. */
function cleanEnvironment(home: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!/^(GIT_|DV_|XDG_|AWS_|GOOGLE_|VITEST|NODE_OPTIONS$|NODE_V8_COVERAGE$)/.test(name)) env[name] = value;
  }
  return {
    ...env,
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada Example',
    GIT_AUTHOR_EMAIL: 'ada@example.org',
    GIT_COMMITTER_NAME: 'Ada Example',
    GIT_COMMITTER_EMAIL: 'ada@example.org',
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    NO_COLOR: '1',
  };
}

/** Runs a program to its end. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; input?: string | Uint8Array },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    // A program may end without reading its input; how it ended is what counts.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({
        status: code ?? 128 + (signal === null ? 0 : (signalNumbers[signal] ?? 0)),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** Removes a folder, read-only objects and folders in it included. */
function removeAll(folder: string): void {
  const open = (directory: string) => {
    chmodSync(directory, 0o700);
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) open(join(directory, entry.name));
    }
  };
  if (existsSync(folder)) open(folder);
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Makes a repository on branch `main`, with one commit when `init` is asked for, else without.
 * @param files what lies in its workspace at first: path → content.
 */
export async function testRepo(
  files: Record<string, string | Uint8Array> = {},
  options: TestRepoOptions = {},
): Promise<TestRepo> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'dv-test-')));
  const root = join(base, options.name ?? 'repo');
  const home = join(base, 'home');
  const outside = join(base, 'outside');
  mkdirSync(outside);
  if (options.copyOf === undefined) {
    mkdirSync(root);
    mkdirSync(home);
  } else {
    const exactly = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
    cpSync(options.copyOf.root, root, exactly);
    cpSync(options.copyOf.home, home, exactly);
  }
  const env = cleanEnvironment(home);
  writeFileSync(
    join(home, '.gitconfig'),
    '[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n[protocol "file"]\n\tallow = always\n',
  );
  // A copy's commands come later than those that made it.
  let minutes = options.copyOf === undefined ? 0 : 1000;

  const at = (path: string) => join(root, path);
  const run: TestRepo['run'] = (program, args, run = {}) => {
    const now = `${clockStart + 60 * minutes++} +0000`;
    const surroundings: NodeJS.ProcessEnv = { ...env, GIT_AUTHOR_DATE: now, GIT_COMMITTER_DATE: now };
    for (const [name, value] of Object.entries(run.env ?? {})) {
      if (value === undefined) delete surroundings[name];
      else surroundings[name] = value;
    }
    const cwd = run.cwd === undefined ? root : run.cwd.startsWith('/') ? run.cwd : at(run.cwd);
    return runProgram(program, args, {
      cwd,
      env: surroundings,
      ...(run.input === undefined ? {} : { input: run.input }),
    });
  };
  const expectOk = (what: string, outcome: Outcome) => {
    if (outcome.status === 0) return outcome;
    throw new Error(`${what} ended with ${outcome.status}:\n${outcome.stdout}${outcome.stderr}`);
  };

  const repo: TestRepo = {
    root,
    home,
    outside,
    env,
    run,
    tryGit: (...args) => run('git', args),
    git: async (...args) => expectOk(`git ${args.join(' ')}`, await repo.tryGit(...args)).stdout,
    dv: (...args) => {
      if (!existsSync(mainScript)) throw new Error('dv is not built: node scripts/build.mjs');
      return run(process.execPath, [mainScript, ...args]);
    },
    dvOk: async (...args) => expectOk(`dv ${args.join(' ')}`, await repo.dv(...args)),
    async commit(message) {
      await repo.git('add', '--all');
      await repo.git('commit', '--quiet', '--allow-empty', '--message', message);
      return (await repo.git('rev-parse', 'HEAD')).trim();
    },
    write(path, content, { executable = false } = {}) {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), content);
      if (executable) chmodSync(at(path), 0o755);
    },
    read: (path) => readFileSync(at(path), 'utf8'),
    readBytes: (path) => readFileSync(at(path)),
    exists: (path) => lstatSync(at(path), { throwIfNoEntry: false }) !== undefined,
    remove: (path) => rmSync(at(path), { recursive: true }),
    open: () => openRepo({ cwd: root, env }),
    tree(folder = '') {
      const found: Record<string, string> = {};
      const visit = (below: string) => {
        const entries = readdirSync(at(below), { withFileTypes: true });
        for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
          const path = below === '' ? entry.name : `${below}/${entry.name}`;
          if (entry.isDirectory()) {
            if (entry.name !== '.git') visit(path);
          } else if (entry.isSymbolicLink()) found[path] = `-> ${readlinkSync(at(path))}`;
          else {
            const hash = createHash('sha256')
              .update(readFileSync(at(path)))
              .digest('hex')
              .slice(0, 12);
            found[path] = lstatSync(at(path)).mode & 0o100 ? `${hash} x` : hash;
          }
        }
      };
      visit(folder);
      return found;
    },
    async [Symbol.asyncDispose]() {
      removeAll(base);
    },
  };

  if (options.bare) await repo.git('init', '--quiet', '--bare');
  else if (options.git !== false && options.copyOf === undefined) await repo.git('init', '--quiet');
  for (const [path, content] of Object.entries(files)) repo.write(path, content);
  if (options.init) {
    await repo.dvOk('init');
    await repo.git('commit', '--quiet', '--message', 'start');
  }
  return repo;
}
