/**
 * Looking at many files, as a plain synchronous function over a list: synchronous calls on a few threads are
 * several times faster than promises. thread-pool.ts runs it on threads; short lists run where they are.
 * Also here: what reading (read-files.ts) and writing (write-files.ts) share.
 */
import { constants, lstatSync, type Stats, unlinkSync, writeSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import type { FileMode } from '../model/tree.ts';
import { linkedObject } from './cache-link.ts';

/** Numbers kept per file: size in bytes, mtime and ctime in ms since 1970, inode, and the mode bits. */
export const statWidth = 5;
/** In place of the size: there is no such file. */
export const statMissing = -1;

/** Fills in row `i` of the columns. */
export function putStat(columns: Float64Array, i: number, info: Stats | undefined): void {
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

/** Looks at the files of a task. */
export function statFiles(task: StatTask): { columns: Float64Array } {
  return { columns: statPaths(task.folder, task.names.split('\0')) };
}

/** Looks at files below an absolute folder. @returns `statWidth` numbers per file. */
export function statPaths(folder: string, names: readonly string[]): Float64Array {
  const columns = new Float64Array(names.length * statWidth);
  for (let i = 0; i < names.length; i++) putStat(columns, i, lookAt(absolute(folder, names[i]!)));
  return columns;
}

/**
 * How something looks; undefined when there is nothing, or nothing that could be reached. A link of dv's own to an
 * object looks like the object: it stands for the file.
 */
export function lookAt(path: string): Stats | undefined {
  try {
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info === undefined || !info.isSymbolicLink()) return info;
    const object = linkedObject(path);
    return object === undefined ? info : lstatSync(object, { throwIfNoEntry: false });
  } catch (error) {
    const code = systemCode(error);
    // A file stands where a folder above this path would be; or nothing of such a name can be here; or nobody knows.
    if (
      code === 'ENOTDIR' ||
      code === 'ENAMETOOLONG' ||
      code === 'EACCES' ||
      code === 'EIO' ||
      code === 'ELOOP'
    )
      return undefined;
    throw error;
  }
}

/** A name below a folder; `''` is the folder (or file) itself. */
export const absolute = (folder: string, name: string) => (name === '' ? folder : `${folder}/${name}`);

/** Reads up to this many bytes at once; larger files are streamed. */
export const chunkBytes = 8 << 20;
let buffer = Buffer.allocUnsafeSlow(1 << 16);

/** Space for at least this many bytes (at most a chunk), shared by all calls on this thread. */
export function bufferOf(bytes: number): Buffer {
  if (buffer.length < bytes)
    buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, 2 ** Math.ceil(Math.log2(bytes))));
  return buffer;
}

/** Writes all of the bytes, however often the system writes less than asked. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Removes a file; that it is gone already is as good. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
