/**
 * Folders of the workspace, held open while dv works in them. What lies there may be another program's doing: a
 * folder that was looked at can be a link to `/etc` a moment later. Names are therefore used relative to an open
 * folder, not to a path that is looked up again each time.
 */
import { closeSync, constants, lstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import { DvError, systemCode } from '../errors.ts';
import { parentOf } from '../model/repo-path.ts';

/** `O_PATH` of open(2), which Node does not name: opens a folder that may be entered but not read. */
const pathOnly = ['x64', 'arm64', 'riscv64'].includes(process.arch) ? 0x200000 : 0;
const openFolder =
  (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0) | (process.platform === 'linux' ? pathOnly : 0);

/** A folder that is held: by a descriptor where `base` begins with `/proc`, else by what it looked like. */
interface Held {
  /** Relative to the top; `''` for the top. */
  readonly folder: string;
  /** Names in the folder go behind this and a slash. */
  readonly base: string;
  readonly descriptor: number | undefined;
  readonly device: number;
  readonly inode: number;
}

/**
 * Leads to folders below a top without following links.
 *
 * On Linux each folder is opened relative to the one above it, and names in it are reached through
 * `/proc/self/fd` (proc(5)): whatever happens to the path meanwhile, they stay names in that folder. Elsewhere a
 * path is all there is: it is checked when the folder is entered, and `isSame` tells afterwards whether it still led there.
 * Folders should be asked for in tree order: those on the way to the last one are kept open.
 */
export class HeldFolders implements Disposable {
  readonly #root: string;
  readonly #byPath: boolean;
  readonly #chain: Held[] = [];

  /**
   * @param root absolute; taken as it is, links and all.
   * @param options `byPath`: goes by paths also where folders can be held open.
   */
  constructor(root: string, options: { byPath?: boolean } = {}) {
    this.#root = root;
    this.#byPath = options.byPath ?? !descriptorsWork();
  }

  /**
   * What names in a folder go behind (with a slash between), usable until the next call.
   * @param folder relative to the top; `''` for the top itself.
   * @throws {DvError} unsafe-link when it or a folder above it is a link; the system's ENOENT, ENOTDIR, EACCES
   */
  at(folder: string): string {
    return this.#enter(folder, false).base;
  }

  /** Like `at`, and makes the folders that are missing. */
  make(folder: string): string {
    return this.#enter(folder, true).base;
  }

  /** Whether the path of a folder that was entered still leads to it; always true where it was held open. */
  isSame(folder: string): boolean {
    for (let at = folder; ; at = parentOf(at)) {
      const held = this.#chain.find((each) => each.folder === at);
      if (held !== undefined && held.descriptor === undefined) {
        const now = lstatSync(held.base, { throwIfNoEntry: false });
        if (now === undefined || now.ino !== held.inode || now.dev !== held.device) return false;
      }
      if (at === '') return true;
    }
  }

  #enter(folder: string, make: boolean): Held {
    let last = this.#chain.at(-1);
    if (last?.folder === folder) return last;
    while (last !== undefined && last.folder !== '' && !folder.startsWith(`${last.folder}/`)) {
      this.#leave();
      last = this.#chain.at(-1);
      if (last?.folder === folder) return last;
    }
    last ??= this.#hold('', this.#root, 0);
    if (folder === '') return last;
    for (const part of (last.folder === '' ? folder : folder.slice(last.folder.length + 1)).split('/')) {
      const below: string = last.folder === '' ? part : `${last.folder}/${part}`;
      last = this.#step(below, `${last.base}/${part}`, make);
    }
    return last;
  }

  #step(folder: string, path: string, make: boolean): Held {
    try {
      return this.#hold(folder, path, constants.O_NOFOLLOW ?? 0);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT' && make) {
        makeOne(path);
        return this.#hold(folder, path, constants.O_NOFOLLOW ?? 0);
      }
      // Linux says ENOTDIR of a link that was to be a folder.
      const isLink = code === 'ELOOP' || code === 'EMLINK' || code === 'ENOTDIR';
      if (isLink && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
        throw linkInTheWay(folder, path);
      throw error;
    }
  }

  #hold(folder: string, path: string, noFollow: number): Held {
    if (!this.#byPath) {
      const descriptor = openSync(path, (openFolder & ~(constants.O_NOFOLLOW ?? 0)) | noFollow);
      const held = { folder, base: `/proc/self/fd/${descriptor}`, descriptor, device: 0, inode: 0 };
      this.#chain.push(held);
      return held;
    }
    const info = lstatSync(path);
    if (info.isSymbolicLink() && noFollow !== 0) throw linkInTheWay(folder, path);
    if (!info.isDirectory() && noFollow !== 0)
      throw Object.assign(new Error(`ENOTDIR: not a directory, open '${path}'`), { code: 'ENOTDIR' });
    const held = { folder, base: path, descriptor: undefined, device: info.dev, inode: info.ino };
    this.#chain.push(held);
    return held;
  }

  #leave(): void {
    const left = this.#chain.pop();
    if (left?.descriptor !== undefined) closeSync(left.descriptor);
  }

  /** Lets go of all folders. */
  [Symbol.dispose](): void {
    while (this.#chain.length > 0) this.#leave();
  }
}

const linkInTheWay = (folder: string, path: string) =>
  new DvError('unsafe-link', { repoPath: folder, target: readlinkSync(path) });

function makeOne(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

let works: boolean | undefined;

/** Whether names can be reached through an open folder here: Linux, with /proc mounted. */
function descriptorsWork(): boolean {
  if (works !== undefined) return works;
  works = false;
  if (process.platform !== 'linux') return works;
  const descriptor = openSync('/', openFolder);
  try {
    const through = lstatSync(`/proc/self/fd/${descriptor}/.`, { throwIfNoEntry: false });
    const itself = lstatSync('/');
    works = through?.ino === itself.ino && through.dev === itself.dev;
  } finally {
    closeSync(descriptor);
  }
  return works;
}
