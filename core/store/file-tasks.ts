/**
 * The bulk work on files, as plain synchronous functions over lists: looking at them, reading them into the
 * cache, writing them from it. Synchronous calls on a few threads are several times faster than promises;
 * file-worker.ts runs these on threads, and short lists run where they are.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import type { LinkMode } from '../model/config.ts';
import { type Digest, DigestBuilder, digestOf } from '../model/digest.ts';
import { linkProblem } from '../model/repo-path.ts';
import type { FileMode } from '../model/tree.ts';
import { temporaryName } from './atomic.ts';
import { hasObject, objectPath } from './cache.ts';
import { workspaceTemporarySuffix } from './walk.ts';

/** Numbers kept per file: size in bytes, mtime and ctime in ms since 1970, inode, and the mode bits. */
export const statWidth = 5;
/** In place of the size: there is no such file. */
export const statMissing = -1;

/** Reads up to this many bytes at once; larger files are streamed. */
const chunkBytes = 8 << 20;
let buffer = Buffer.allocUnsafeSlow(1 << 16);

function bufferOf(bytes: number): Buffer {
  if (buffer.length < bytes)
    buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, 2 ** Math.ceil(Math.log2(bytes))));
  return buffer;
}

function putStat(columns: Float64Array, i: number, info: Stats | undefined): void {
  const at = i * statWidth;
  columns[at] = info === undefined ? statMissing : info.size;
  columns[at + 1] = info?.mtimeMs ?? 0;
  columns[at + 2] = info?.ctimeMs ?? 0;
  columns[at + 3] = info?.ino ?? 0;
  columns[at + 4] = info?.mode ?? 0;
}

/** The tree mode a file's mode bits stand for, or undefined for what a tree cannot hold. */
export function fileModeOf(modeBits: number): FileMode | undefined {
  const type = modeBits & constants.S_IFMT;
  if (type === constants.S_IFLNK) return 'l';
  if (type !== constants.S_IFREG) return undefined;
  return process.platform !== 'win32' && (modeBits & 0o100) !== 0 ? 'x' : '-';
}

/** Files to look at: names below an absolute folder, separated by NUL (cheaper to hand over than a list). */
export interface StatTask {
  readonly kind: 'stat';
  readonly folder: string;
  readonly names: string;
}

/** `statWidth` numbers per file. */
export function statFiles(task: StatTask): { columns: Float64Array } {
  const names = task.names.split('\0');
  const columns = new Float64Array(names.length * statWidth);
  for (let i = 0; i < names.length; i++) {
    putStat(columns, i, lstatSync(absolute(task.folder, names[i]!), { throwIfNoEntry: false }));
  }
  return { columns };
}

const absolute = (folder: string, name: string) => (name === '' ? folder : `${folder}/${name}`);

/** Files to hash and, with `store`, to copy into the cache. */
export interface ReadTask {
  readonly kind: 'read';
  readonly folder: string;
  readonly names: string;
  readonly store?: {
    readonly objectsDir: string;
    /** Existing folder for finished copies, named by the hex of their digest. */
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
  for (let i = 0; i < names.length; i++) {
    const path = absolute(task.folder, names[i]!);
    try {
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
      reasons.push([i, error instanceof Error ? error.message : String(error)]);
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
  const link = lstatSync(path);
  if (link.isSymbolicLink()) {
    const target = readlinkSync(path);
    const problem = linkProblem(name === '' ? 'link' : name, target);
    if (problem !== undefined) throw new Error(`it is a link to ${target}: ${problem}`);
    const bytes = Buffer.from(target);
    const digest = digestOf(bytes);
    if (store) keepBytes(store, digest, bytes, stored);
    return { digest, info: link };
  }
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const before = fstatSync(file);
    if (!before.isFile()) throw new Error('it is neither a file, a folder nor a link');
    const digest =
      before.size <= chunkBytes
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

/** Puts bytes beside the other new objects, unless the cache or another thread has them already. */
function keepBytes(
  store: NonNullable<ReadTask['store']>,
  digest: Digest,
  bytes: Uint8Array,
  stored: Digest[],
): void {
  if (hasObject(store, digest)) return;
  storing(() => {
    const target = join(store.temporaryFolder, digest.slice(7));
    let copy: number;
    try {
      copy = openSync(target, 'wx', 0o444);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return;
      throw error;
    }
    try {
      writeAll(copy, bytes);
    } finally {
      closeSync(copy);
    }
    stored.push(digest);
  });
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
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
    if (length === size && !hasObject(store, digest)) {
      storing(() => renameSync(partial, join(store.temporaryFolder, digest.slice(7))));
      stored.push(digest);
    } else unlinkSync(partial);
  }
  return length === size ? digest : undefined;
}

/** Files to write from the cache, in parallel lists. */
export interface WriteTask {
  readonly kind: 'write';
  readonly folder: string;
  readonly names: string;
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
  readonly modes: readonly FileMode[];
  /** Whether something is at the path now that is to be replaced. */
  readonly replace: readonly boolean[];
  /** How objects become files. */
  readonly link: LinkMode;
}

/** What was written. */
export interface WriteResult {
  /** As the files are now; `statMissing` where writing failed. */
  readonly columns: Float64Array;
  readonly reasons: [number, string][];
  /** Objects whose bytes are not those of their digest. */
  readonly damaged: Digest[];
}

/**
 * Writes files. Each is written under a temporary name, checked, and then renamed: at every moment the path
 * holds its old content, nothing, or its new content.
 */
export function writeFiles(task: WriteTask): WriteResult {
  const names = task.names.split('\0');
  const columns = new Float64Array(names.length * statWidth);
  const reasons: [number, string][] = [];
  const damaged: Digest[] = [];
  for (let i = 0; i < names.length; i++) {
    const target = absolute(task.folder, names[i]!);
    const digest = task.digests[i]!;
    try {
      if (
        !writeOne(
          target,
          names[i]!,
          objectPath(task, digest),
          digest,
          task.modes[i]!,
          task.replace[i]!,
          task.link,
        )
      ) {
        damaged.push(digest);
        putStat(columns, i, undefined);
      } else putStat(columns, i, lstatSync(target));
    } catch (error) {
      if (systemCode(error) === 'ENOSPC' || systemCode(error) === 'EDQUOT') throw error;
      putStat(columns, i, undefined);
      reasons.push([i, error instanceof Error ? error.message : String(error)]);
    }
  }
  return { columns, reasons, damaged };
}

/** Writes one file; `false` when the cached object is damaged. */
function writeOne(
  target: string,
  name: string,
  object: string,
  digest: Digest,
  mode: FileMode,
  replace: boolean,
  link: LinkMode,
): boolean {
  const slash = target.lastIndexOf('/');
  const temporary = `${target.slice(0, slash + 1)}.${temporaryName()}${workspaceTemporarySuffix}`;
  const settle = () => {
    // Removing the old file first keeps ext4 from flushing the new one's blocks at once, which a rename over it does.
    if (replace) unlinkIfThere(target);
    else refuseExisting(target);
    renameSync(temporary, target);
  };
  const source = openSync(object, 'r');
  try {
    const { size } = fstatSync(source);
    if (mode === 'l') {
      const bytes = Buffer.alloc(size);
      readSync(source, bytes, 0, size, 0);
      if (digestOf(bytes) !== digest) return false;
      const problem = linkProblem(name === '' ? 'link' : name, bytes.toString());
      if (problem !== undefined) throw new Error(`its link leads to ${bytes.toString()}: ${problem}`);
      symlinkSync(bytes.toString(), temporary);
      settle();
      return true;
    }
    const permissions = mode === 'x' ? 0o777 : 0o666;
    let intact = true;
    try {
      if (link === 'copy') {
        const copy = openSync(temporary, 'wx', permissions);
        try {
          intact = copyChecked(source, size, digest, copy);
        } finally {
          closeSync(copy);
        }
      } else {
        intact = copyChecked(source, size, digest, undefined);
        if (intact && link === 'reflink') {
          copyFileSync(object, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
          chmodSync(temporary, permissions & ~umask());
        } else if (intact && link === 'hardlink') linkSync(object, temporary);
        else if (intact) symlinkSync(object, temporary);
      }
    } catch (error) {
      unlinkIfThere(temporary);
      throw error;
    }
    if (!intact) {
      unlinkIfThere(temporary);
      return false;
    }
    settle();
    return true;
  } finally {
    closeSync(source);
  }
}

/** Copies an open object, or only reads it, and says whether its bytes are those of the digest. */
function copyChecked(source: number, size: number, digest: Digest, copy: number | undefined): boolean {
  const space = bufferOf(Math.min(size, chunkBytes) || 1);
  if (size <= chunkBytes) {
    let length = 0;
    while (length < size) {
      const got = readSync(source, space, length, size - length, null);
      if (got === 0) return false;
      length += got;
    }
    const bytes = space.subarray(0, size);
    if (digestOf(bytes) !== digest) return false;
    if (copy !== undefined) writeAll(copy, bytes);
    return true;
  }
  const hash = new DigestBuilder();
  for (;;) {
    const got = readSync(source, space, 0, chunkBytes, null);
    if (got === 0) break;
    hash.update(space.subarray(0, got));
    if (copy !== undefined) writeAll(copy, space.subarray(0, got));
  }
  return hash.finish() === digest;
}

let mask: number | undefined;
function umask(): number {
  mask ??= process.umask();
  return mask;
}

/** Something that appeared after the plan was made is somebody's new file: it is not replaced. */
function refuseExisting(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    throw new Error('something was put there in the meantime; it was kept');
  }
}

/** Removes a file; that it is gone already is as good. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Everything a thread can be asked to do. */
export type FileTask = StatTask | ReadTask | WriteTask;
