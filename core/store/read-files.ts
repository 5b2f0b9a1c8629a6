/** Reading many files: their digests and, when asked, copies for the cache. Synchronous; see stat-files.ts. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { reasonOf, systemCode } from '../errors.ts';
import { type Digest, DigestBuilder, digestOf } from '../model/digest.ts';
import { baseName, joinPaths, linkProblem, parentOf, type RepoPath } from '../model/repo-path.ts';
import { temporaryName } from './atomic.ts';
import { holdsObject } from './cache.ts';
import { linkedObject } from './cache-link.ts';
import { type FilledSpace, PackFiller, type PackSpace } from './cache-pack-space.ts';
import { HeldFolders } from './held-folders.ts';
import { adoptNewObject, newObjectPath, withFolder, writeNewObject } from './new-objects.ts';
import { bufferOf, chunkBytes, putStat, statWidth, writeAll } from './stat-files.ts';

/** Files to hash and, with `store`, to copy into the cache. */
export interface ReadTask {
  readonly kind: 'read';
  /** Absolute top of the repository. */
  readonly root: string;
  /** What `names` are below, relative to the top. No link on the way from the top to a file is followed. */
  readonly folder: RepoPath | '';
  readonly names: string;
  readonly store?: {
    readonly objectsDir: string;
    /** Existing folder for the new objects. */
    readonly temporaryFolder: string;
    /** Where small files' bytes go; without it, each becomes an object's file. */
    readonly space?: PackSpace | undefined;
    /** Whether the cache is to share the bytes of the file, where both can be one, rather than to copy them. */
    readonly share?: boolean;
  };
}

/** What was read, per file in the task's order. */
export interface ReadResult {
  /** Digest, or undefined where reading failed. */
  readonly digests: (Digest | undefined)[];
  readonly columns: Float64Array;
  /** Why reading failed, by position. */
  readonly reasons: [number, string][];
  /** Digests of the copies this task left in the temporary folder. */
  readonly stored: Digest[];
  readonly filled: FilledSpace | undefined;
  /** Files that are now one with their object, by position. */
  readonly shared: number[];
}

/** Where a task puts new objects. */
type Store = NonNullable<ReadTask['store']> & {
  readonly filler: PackFiller | undefined;
  /** Digests of the files it made in the temporary folder. */
  readonly stored: Digest[];
};

/** Hashes files; a file that changes while it is read is read once more, then given up on. */
export function readFiles(task: ReadTask): ReadResult {
  const names = task.names.split('\0');
  const columns = new Float64Array(names.length * statWidth);
  const digests: (Digest | undefined)[] = [];
  const reasons: [number, string][] = [];
  const stored: Digest[] = [];
  const shared: number[] = [];
  const space = task.store?.space;
  const filler = space && new PackFiller(space);
  const store: Store | undefined = task.store && { ...task.store, filler, stored };
  using held = new HeldFolders(task.root);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] === '' ? task.folder : joinPaths(task.folder, names[i]!);
    try {
      const path = `${held.at(parentOf(name))}/${baseName(name)}`;
      const read = readOne(path, names[i]!, store) ?? readOne(path, names[i]!, store);
      if (read === undefined) throw new Error('it changed while it was read');
      digests.push(read.digest);
      if (read.isShared) shared.push(i);
      putStat(columns, i, read.info);
    } catch (error) {
      // A full or read-only cache concerns the whole command, not this file.
      if (error instanceof StoreError) throw error.cause;
      digests.push(undefined);
      putStat(columns, i, undefined);
      reasons.push([i, reasonOf(error)]);
    }
  }
  filler?.flush();
  return { digests, columns, reasons, stored, filled: filler?.filled, shared };
}

/** A failure on the cache's side. */
class StoreError extends Error {}

function storing<Result>(write: () => Result): Result {
  try {
    return write();
  } catch (error) {
    throw new StoreError('the cache could not be written', { cause: error });
  }
}

/** A file that was read. */
interface Read {
  readonly digest: Digest;
  readonly info: Stats;
  readonly isShared?: boolean;
}

/** Reads one file, or gives undefined when it changed meanwhile. */
function readOne(path: string, name: string, store: Store | undefined): Read | undefined {
  const file = openFile(path) ?? openLinked(path);
  if (file === undefined) return readLink(path, name, store);
  try {
    const before = fstatSync(file);
    if (!before.isFile()) throw new Error('it is neither a file, a folder nor a link');
    const share = store?.share === true && mayShare(before);
    const copyTo = share ? undefined : store;
    const digest =
      before.size < chunkBytes
        ? readWhole(file, before.size, copyTo)
        : readStreamed(file, before.size, copyTo);
    const after = fstatSync(file);
    const same =
      digest !== undefined &&
      after.size === before.size &&
      after.mtimeMs === before.mtimeMs &&
      after.ctimeMs === before.ctimeMs;
    if (!same) return undefined;
    if (!share || store === undefined || holdsObject(store, digest, after.size))
      return { digest, info: after };
    const isShared = shareFile({ path, file, digest, info: after, store });
    if (isShared) store.stored.push(digest);
    else return readOne(path, name, { ...store, share: false });
    return { digest, info: fstatSync(file), isShared };
  } finally {
    closeSync(file);
  }
}

/**
 * Whether a file may become an object itself: read-only from then on, and under no other name. One that may be written
 * to just now, or whose executable bit a link would force on every file with the same bytes, is copied.
 */
function mayShare(info: Stats): boolean {
  return (
    info.nlink === 1 &&
    info.size > 0 &&
    (info.mode & 0o111) === 0 &&
    info.uid === process.getuid?.() &&
    info.mtimeMs < Date.now() - youngestSharedMs
  );
}

/** A file that was written to so lately may still be open for writing. */
const youngestSharedMs = 100;

/** Links a file among the new objects and takes away the right to write to it; `false` where that cannot be. */
function shareFile(item: { path: string; file: number; digest: Digest; info: Stats; store: Store }): boolean {
  const { path, file, digest, info, store } = item;
  const object = newObjectPath(store.temporaryFolder, digest);
  try {
    withFolder(object, () => linkSync(path, object));
  } catch {
    // Another thread has these bytes, or this file system cannot link: then they are copied, which tells what is wrong.
    return false;
  }
  const linked = lstatSync(object);
  const isSame = linked.ino === info.ino && linked.dev === info.dev;
  if (isSame) fchmodSync(file, 0o444);
  const now = fstatSync(file);
  if (isSame && now.size === info.size && now.mtimeMs === info.mtimeMs) return true;
  unlinkSync(object);
  return false;
}

/** Opens a file without waiting for the other end of a pipe; undefined for a link. */
function openFile(path: string): number | undefined {
  // Without O_NOFOLLOW (Windows) only a look tells, as that of the plan did.
  if (constants.O_NOFOLLOW === undefined && lstatSync(path).isSymbolicLink()) return undefined;
  try {
    return openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ELOOP' || code === 'EMLINK') return undefined;
    // What open(2) says of a socket.
    if (code === 'ENXIO') throw new Error('it is neither a file, a folder nor a link');
    throw error;
  }
}

/** Opens the object that a link of dv's own leads to; undefined for any other link. */
function openLinked(path: string): number | undefined {
  const object = lstatSync(path).isSymbolicLink() ? linkedObject(path) : undefined;
  if (object === undefined) return undefined;
  try {
    return openFile(object);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new Error('it is a link to an object that the cache no longer has; dv pull fetches it', {
      cause: error,
    });
  }
}

function readLink(path: string, name: string, store: Store | undefined): Read | undefined {
  const info = lstatSync(path);
  if (!info.isSymbolicLink()) return undefined;
  const target = readlinkSync(path);
  const problem = linkProblem(name === '' ? 'link' : name, target);
  if (problem !== undefined) throw new Error(`it is a link to ${target}: ${problem}`);
  const bytes = Buffer.from(target);
  const digest = digestOf(bytes);
  if (store) keepBytes(store, digest, bytes);
  return { digest, info };
}

function readWhole(file: number, size: number, store: Store | undefined): Digest | undefined {
  const room = storing(() => store?.filler?.room(size));
  const bytes = (room ?? bufferOf(size)).subarray(0, size);
  // Whether the file goes on is told by its size afterwards.
  for (let length = 0; length < size; ) {
    const got = readSync(file, bytes, length, size - length, null);
    if (got === 0) return undefined;
    length += got;
  }
  const digest = digestOf(bytes);
  if (store === undefined) return digest;
  if (room === undefined) keepBytes(store, digest, bytes);
  else if (!holdsObject(store, digest, size)) storing(() => store.filler?.keep(digest, size));
  return digest;
}

/** Puts bytes among the new objects, unless the cache or another thread has them already. */
function keepBytes(store: Store, digest: Digest, bytes: Uint8Array): void {
  if (holdsObject(store, digest, bytes.length)) return;
  if (storing(() => writeNewObject(store.temporaryFolder, digest, bytes))) store.stored.push(digest);
}

function readStreamed(file: number, size: number, store: Store | undefined): Digest | undefined {
  const space = bufferOf(chunkBytes);
  const hash = new DigestBuilder();
  const partial = store && join(store.temporaryFolder, `${temporaryName()}.part`);
  const copy = partial === undefined ? undefined : storing(() => openSync(partial, 'wx', 0o444));
  let length = 0;
  try {
    for (;;) {
      const got = readSync(file, space, 0, chunkBytes, null);
      if (got === 0) break;
      length += got;
      const bytes = space.subarray(0, got);
      hash.update(bytes);
      if (copy !== undefined) storing(() => writeAll(copy, bytes));
    }
  } finally {
    if (copy !== undefined) closeSync(copy);
  }
  const digest = hash.finish();
  if (store && partial) {
    if (length === size && !holdsObject(store, digest, size)) {
      storing(() => adoptNewObject(store.temporaryFolder, digest, partial));
      store.stored.push(digest);
    } else unlinkSync(partial);
  }
  return length === size ? digest : undefined;
}
