/**
 * Adds, upgrades and removes dv's hooks where git looks for hooks. Only what dv wrote is ever changed; a hook
 * of anybody else is moved aside, run first, and put back on removal.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DvError, systemCode } from '../core/errors.ts';
import { writeFileAtomic } from '../core/store/atomic.ts';
import type { Repo } from '../core/store/repo.ts';
import { type HookEvent, hookEvents } from './events.ts';
import { isShim, keptSuffix, type Launcher, shellOf, shimText } from './shim.ts';

/**
 * Whom a hooks folder serves: `private` to this clone; `generated`: in the workspace but ignored by git, as a
 * hook manager makes it; `tracked`: in the workspace and committed; `outside`: shared by other repositories.
 */
export type HooksFolderKind = 'private' | 'generated' | 'tracked' | 'outside';

/** Where git looks for hooks. */
export interface HooksFolder {
  /** Absolute. */
  readonly path: string;
  readonly kind: HooksFolderKind;
}

/** `current`: dv's, as this dv writes it; `outdated`: dv's of another version or place; `foreign`: not dv's. */
export type HookState = 'current' | 'outdated' | 'foreign' | 'absent';

/** One hook as it is found. */
export interface Hook {
  readonly event: HookEvent;
  readonly state: HookState;
  /** Whether a hook that was there before is kept beside it. */
  readonly kept: boolean;
}

/** What was done to a hook; `blocked`: a stranger's hook stands where another one is already kept. */
export type HookChange =
  | 'installed'
  | 'chained'
  | 'upgraded'
  | 'unchanged'
  | 'blocked'
  | 'removed'
  | 'restored'
  | 'absent'
  | 'foreign';

/** One hook and what was done to it. */
export interface ChangedHook {
  readonly event: HookEvent;
  readonly change: HookChange;
}

/** Asks git where it looks for hooks, which `core.hooksPath` can change. @throws {DvError} git-missing, git-failed */
export function findHooksFolder(repo: Repo): HooksFolder {
  const path = resolve(repo.root, repo.git.output(['rev-parse', '--git-path', 'hooks']).replace(/\n$/, ''));
  return { path, kind: kindOf(repo, path) };
}

function kindOf(repo: Repo, folder: string): HooksFolderKind {
  if (isBelow(folder, repo.commonDir) || isBelow(folder, repo.gitDir)) return 'private';
  if (!isBelow(folder, repo.root)) return 'outside';
  const ignored = repo.git.run(['check-ignore', '--quiet', join(folder, hookEvents[0]!)]).status === 0;
  return ignored ? 'generated' : 'tracked';
}

function isBelow(path: string, folder: string): boolean {
  const between = relative(folder, path);
  return between !== '' && between !== '..' && !between.startsWith(`..${sep}`) && !isAbsolute(between);
}

/** Each event's hook as it stands. */
export function inspectHooks(folder: HooksFolder, launcher: Launcher): Hook[] {
  return hookEvents.map((event) => {
    const path = join(folder.path, event);
    const text = readHook(path);
    const wanted = wantedText(folder, event, launcher);
    const state: HookState =
      text === undefined
        ? 'absent'
        : !isShim(text)
          ? 'foreign'
          : text === wanted && isExecutable(path)
            ? 'current'
            : 'outdated';
    return { event, state, kept: isThere(path + keptSuffix) };
  });
}

/**
 * Installs every hook. Repeating it changes nothing.
 * Guarantee: a hook that was there is at its place or at its kept name at every moment; if the process dies,
 * running it again ends in the same state.
 * @throws {DvError} hooks-not-writable
 */
export function installHooks(folder: HooksFolder, launcher: Launcher): ChangedHook[] {
  return guard(folder, () => {
    mkdirSync(folder.path, { recursive: true });
    return inspectHooks(folder, launcher).map((hook) => ({
      event: hook.event,
      change: installOne(folder, hook, launcher),
    }));
  });
}

function installOne(folder: HooksFolder, hook: Hook, launcher: Launcher): HookChange {
  const path = join(folder.path, hook.event);
  if (hook.state === 'current') return 'unchanged';
  if (hook.state === 'foreign') {
    // A hook manager that ran again leaves the same hook twice; anything else is for its owner to sort out.
    if (hook.kept && !sameBytes(path, path + keptSuffix)) return 'blocked';
    renameSync(path, path + keptSuffix);
  }
  writeFileAtomic(path, wantedText(folder, hook.event, launcher));
  chmodSync(path, 0o755);
  return hook.state === 'foreign' ? 'chained' : hook.state === 'outdated' ? 'upgraded' : 'installed';
}

/**
 * Takes dv's hooks away and puts back those that were there before.
 * @throws {DvError} hooks-not-writable
 */
export function uninstallHooks(folder: HooksFolder): ChangedHook[] {
  return guard(folder, () =>
    hookEvents.map((event) => {
      const path = join(folder.path, event);
      const text = readHook(path);
      if (text !== undefined && !isShim(text)) return { event, change: 'foreign' };
      if (isThere(path + keptSuffix)) {
        renameSync(path + keptSuffix, path);
        return { event, change: 'restored' };
      }
      if (text === undefined) return { event, change: 'absent' };
      rmSync(path);
      return { event, change: 'removed' };
    }),
  );
}

/** The shim that belongs at an event's place, given the hook kept there. */
function wantedText(folder: HooksFolder, event: HookEvent, launcher: Launcher): string {
  const kept = join(folder.path, event + keptSuffix);
  const shell = isThere(kept) ? shellOf(readHead(kept)) : shellOfForeign(join(folder.path, event));
  return shimText(event, {
    ...(folder.kind === 'tracked' ? {} : { launcher }),
    ...(shell === undefined ? {} : { keptShell: shell }),
  });
}

/** The shell of a hook that is still at its place and would be kept. */
function shellOfForeign(path: string): string | undefined {
  const text = readHook(path);
  return text === undefined || isShim(text) ? undefined : shellOf(readHead(path));
}

const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
const isExecutable = (path: string) => (statSync(path).mode & 0o100) !== 0 || process.platform === 'win32';
const sameBytes = (a: string, b: string) =>
  existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));

/** A hook's text; `''` for a link to nowhere; undefined when there is none. */
function readHook(path: string): string | undefined {
  if (!isThere(path)) return undefined;
  return readHead(path, 65_536).toString('utf8');
}

/** The first bytes of a file; none when it cannot be read. */
function readHead(path: string, mostBytes = 512): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EACCES') return Buffer.alloc(0);
    throw error;
  }
  try {
    if (!fstatSync(file).isFile()) return Buffer.alloc(0);
    const bytes = Buffer.alloc(mostBytes);
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

function guard<Result>(folder: HooksFolder, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || !['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOSPC'].includes(code))
      throw error;
    throw new DvError('hooks-not-writable', { folder: folder.path, reason: code }, { cause: error });
  }
}
