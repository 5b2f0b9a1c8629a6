/** Reading many files: their digests and, when asked, copies for the cache. Synchronous; see stat-files.ts. */
import {
  closeSync,
  constants,
  fstatSync,
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
import { HeldFolders } from './held-folders.ts';
import { adoptNewObject, writeNewObject } from './new-objects.ts';
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
}

/** Hashes files; a file that changes while it is read is read once more, then given up on. */
export function readFiles(task: ReadTask): ReadResult {
  const names = task.names.split('\0');
  const columns = new Float64Array(names.length * statWidth);
  const digests: (Digest | undefined)[] = [];
  const reasons: [number, string][] = [];
  const stored: Digest[] = [];
  using held = new HeldFolders(task.root);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] === '' ? task.folder : joinPaths(task.folder, names[i]!);
    try {
      const path = `${held.at(parentOf(name))}/${baseName(name)}`;
      const read =
        readOne(path, names[i]!, task.store, stored) ?? readOne(path, names[i]!, task.store, stored);
      if (read === undefined) throw new Error('it changed while it was read');
      digests.push(read.digest);
      putStat(columns, i, read.info);
    } catch (error) {
      // A full or read-only cache concerns the whole command, not this file.
      if (error instanceof StoreError) throw error.cause;
      digests.push(undefined);
      putStat(columns, i, undefined);
      reasons.push([i, reasonOf(error)]);
    }
  }
  return { digests, columns, reasons, stored };
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

/** Reads one file, or gives undefined when it changed meanwhile. */
function readOne(
  path: string,
  name: string,
  store: ReadTask['store'],
  stored: Digest[],
): { digest: Digest; info: Stats } | undefined {
  const file = openFile(path);
  if (file === undefined) return readLink(path, name, store, stored);
  try {
    const before = fstatSync(file);
    if (!before.isFile()) throw new Error('it is neither a file, a folder nor a link');
    const digest =
      before.size < chunkBytes
        ? readWhole(file, before.size, store, stored)
        : readStreamed(file, before.size, store, stored);
    const after = fstatSync(file);
    const same =
      digest !== undefined &&
      after.size === before.size &&
      after.mtimeMs === before.mtimeMs &&
      after.ctimeMs === before.ctimeMs;
    return same ? { digest, info: after } : undefined;
  } finally {
    closeSync(file);
  }
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

function readLink(
  path: string,
  name: string,
  store: ReadTask['store'],
  stored: Digest[],
): { digest: Digest; info: Stats } | undefined {
  const info = lstatSync(path);
  if (!info.isSymbolicLink()) return undefined;
  const target = readlinkSync(path);
  const problem = linkProblem(name === '' ? 'link' : name, target);
  if (problem !== undefined) throw new Error(`it is a link to ${target}: ${problem}`);
  const bytes = Buffer.from(target);
  const digest = digestOf(bytes);
  if (store) keepBytes(store, digest, bytes, stored);
  return { digest, info };
}

function readWhole(
  file: number,
  size: number,
  store: ReadTask['store'],
  stored: Digest[],
): Digest | undefined {
  const space = bufferOf(size + 1);
  let length = 0;
  while (length <= size) {
    const got = readSync(file, space, length, size + 1 - length, null);
    if (got === 0) break;
    length += got;
  }
  if (length !== size) return undefined;
  const bytes = space.subarray(0, size);
  const digest = digestOf(bytes);
  if (store) keepBytes(store, digest, bytes, stored);
  return digest;
}

/** Puts bytes among the new objects, unless the cache or another thread has them already. */
function keepBytes(
  store: NonNullable<ReadTask['store']>,
  digest: Digest,
  bytes: Uint8Array,
  stored: Digest[],
): void {
  if (holdsObject(store, digest, bytes.length)) return;
  if (storing(() => writeNewObject(store.temporaryFolder, digest, bytes))) stored.push(digest);
}

function readStreamed(
  file: number,
  size: number,
  store: ReadTask['store'],
  stored: Digest[],
): Digest | undefined {
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
      stored.push(digest);
    } else unlinkSync(partial);
  }
  return length === size ? digest : undefined;
}
