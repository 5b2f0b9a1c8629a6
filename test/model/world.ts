/** The real repository a model is compared with: git itself, dv's operations in process, or the built `dv`. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../../core/model/digest.ts';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { comparePaths } from '../../core/model/repo-path.ts';
import { encodeTree } from '../../core/model/tree.ts';
import { checkout } from '../../core/ops/checkout.ts';
import { status } from '../../core/ops/status.ts';
import type { Remote } from '../../core/store/remote.ts';
import { openRepo, type Repo } from '../../core/store/repo.ts';
import { listTracked } from '../../core/store/tracked.ts';
import { openRemote } from '../../remotes/open.ts';
import { mainScript, type Outcome, type TestRepo } from '../support/repo.ts';
import type { Listing, Model } from './model.ts';

const preload = fileURLToPath(new URL('../crash/preload.mjs', import.meta.url));

/** Where a process is to be killed. */
export interface Kill {
  readonly at: number;
  readonly middle: boolean;
}

/** git's settings of a model run: hooks are called in process, and a pointer is never taken for another one renamed. */
const gitSettings = ['-c', 'core.hooksPath=/dev/null', '-c', 'merge.renames=false', '-c', 'gc.auto=0'];

/** Whether the model's content stands for an executable file. */
const isExecutable = (content: string) => content.startsWith('x');

/** A test repository under the operations of a model run. */
export class World {
  readonly repo: TestRepo;

  constructor(repo: TestRepo) {
    this.repo = repo;
  }

  open(): Repo {
    return openRepo({ cwd: this.repo.root, env: this.repo.env });
  }

  /** Runs git without hooks. */
  git(...args: string[]): Promise<Outcome> {
    return this.repo.run('git', [...gitSettings, ...args]);
  }

  /** Runs git without hooks, which must succeed. */
  async gitOk(...args: string[]): Promise<string> {
    const outcome = await this.git(...args);
    if (outcome.status !== 0)
      throw new Error(`git ${args.join(' ')} ended with ${outcome.status}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /** Runs the built dv, killed on the way when asked. */
  dv(args: readonly string[], kill?: Kill): Promise<Outcome> {
    return this.repo.run(process.execPath, [mainScript, ...args], { env: killing(kill) });
  }

  /** Runs git with its hooks, in which dv is killed when asked. */
  gitWithHooks(args: readonly string[], kill?: Kill): Promise<Outcome> {
    return this.repo.run('git', args, { env: killing(kill) });
  }

  /** What a hook does after git changed the pointers, or `dv checkout`. */
  async follow(complete: boolean): Promise<void> {
    await checkout(this.open(), { force: false, complete });
  }

  /** The remote, a folder. */
  openRemote(): Promise<Remote> {
    const url = `file://${join(this.repo.outside, 'remote')}`;
    return openRemote({ name: 'origin', endpointFromRepository: false, url }, this.repo.root);
  }

  /** A user writes, renames or deletes a file. */
  write(path: string, content: string): void {
    const absolute = join(this.repo.root, path);
    mkdirSync(dirname(absolute), { recursive: true });
    writeFileSync(absolute, content);
    chmodSync(absolute, isExecutable(content) ? 0o755 : 0o644);
  }

  rename(from: string, to: string): void {
    mkdirSync(dirname(join(this.repo.root, to)), { recursive: true });
    renameSync(join(this.repo.root, from), join(this.repo.root, to));
  }

  delete(path: string): void {
    rmSync(join(this.repo.root, path));
  }

  exists(path: string): boolean {
    return lstatSync(join(this.repo.root, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** Loses the whole cache. */
  loseCache(): void {
    rmSync(join(this.repo.root, '.git/dv/objects'), { recursive: true, force: true });
  }

  /** What differs between the workspace and the model: files at any of the paths, and pointers. */
  async differences(model: Model, paths: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const path of paths) {
      const expected = model.files.get(path) ?? new Map<string, string>();
      const actual = readListing(join(this.repo.root, path));
      for (const file of new Set([...expected.keys(), ...actual.keys()])) {
        const [a, b] = [expected.get(file), actual.get(file)];
        if (a !== b) found.push(`${path}/${file} holds ${b ?? 'nothing'} instead of ${a ?? 'nothing'}`);
      }
    }
    const { tracked, broken } = listTracked(this.open());
    found.push(...broken.map(({ pointerPath, error }) => `${pointerPath}: ${error.message}`));
    const pointers = new Map(tracked.map(({ path, pointer }) => [path as string, pointer.digest]));
    for (const path of new Set([...model.pointers.keys(), ...pointers.keys()])) {
      const listing = model.pointers.get(path);
      const expected = listing === undefined ? undefined : await digestOfListing(listing);
      if (expected !== pointers.get(path)) {
        found.push(`${path}.dv says ${pointers.get(path) ?? 'nothing'} instead of ${expected ?? 'nothing'}`);
      }
    }
    return found;
  }

  /** What `dv status` says that the model does not. */
  async statusDifferences(model: Model): Promise<string[]> {
    const { paths, failures } = await status(this.open(), { env: this.repo.env });
    const found = failures.map(({ path, reason }) => `status: ${path}: ${reason}`);
    for (const { path, state } of paths) {
      const files = model.files.get(path);
      const recorded = model.pointers.get(path)!;
      const same =
        files !== undefined &&
        files.size === recorded.size &&
        [...recorded].every(([file, content]) => files.get(file) === content);
      const fits = same
        ? state === 'clean' || state === 'uncommitted'
        : files === undefined || files.size === 0
          ? state !== 'clean'
          : state === 'modified';
      if (!fits) found.push(`status says that ${path} is ${state}`);
    }
    return found;
  }
}

function killing(kill: Kill | undefined): Record<string, string> {
  if (kill === undefined) return {};
  return {
    NODE_OPTIONS: `--import ${preload}`,
    DV_CRASH_AT: String(kill.at),
    ...(kill.middle ? { DV_CRASH_MIDDLE: '1' } : {}),
  };
}

/** What is at a path: the files below it, or the file itself as `''`. A wrong executable bit is part of the content. */
export function readListing(absolute: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (file: string) => {
    const path = file === '' ? absolute : `${absolute}/${file}`;
    const info = lstatSync(path);
    if (info.isDirectory()) {
      for (const name of readdirSync(path)) visit(file === '' ? name : `${file}/${name}`);
    } else {
      const content = readFileSync(path, 'utf8');
      found.set(
        file,
        isExecutable(content) === ((info.mode & 0o100) !== 0)
          ? content
          : `${content} with mode ${info.mode.toString(8)}`,
      );
    }
  };
  if (existsSync(absolute)) visit('');
  return found;
}

async function digestOfListing(listing: Listing): Promise<string> {
  const single = listing.get('');
  if (single !== undefined) return digestOf(single);
  const entries = [...listing]
    .map(([path, content]) => ({
      path: path as RepoPath,
      digest: digestOf(content),
      sizeBytes: Buffer.byteLength(content),
      mode: isExecutable(content) ? ('x' as const) : ('-' as const),
    }))
    .sort((a, b) => comparePaths(a.path, b.path));
  return (await encodeTree(entries)).digest;
}
