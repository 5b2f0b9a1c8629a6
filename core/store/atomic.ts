/** Writing a file so that it is either the old one or the new one, whatever happens in between. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';

/** A name nobody else uses, for a file that is being written. */
export function temporaryName(): string {
  return `${process.pid.toString(36)}-${randomBytes(8).toString('hex')}`;
}

/**
 * Makes a folder and those above it, if they are not there. Unlike `mkdirSync` with `recursive`, which says
 * ENOENT on a read-only file system, it fails with the system's own reason.
 */
export function makeFolder(absolute: string): void {
  try {
    mkdirSync(absolute);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(absolute) !== absolute) {
      makeFolder(dirname(absolute));
      makeFolder(absolute);
    } else if (code !== 'EEXIST' || !statSync(absolute).isDirectory()) throw error;
  }
}

/**
 * Replaces a file's content, and keeps its permissions. The temporary file lies beside it, its bytes are flushed
 * before the rename, and the folder after it. A link is replaced, not followed.
 * Guarantee: if the process dies, the file holds either its old or its new content.
 * @param absolute where to write; missing folders are made.
 */
export function writeFileAtomic(
  absolute: string,
  content: string | Uint8Array,
  options: { durable?: boolean } = {},
): void {
  const temporary = writeBeside(absolute, content, options.durable !== false);
  try {
    renameSync(temporary, absolute);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (options.durable !== false) flushFolder(dirname(absolute));
}

/**
 * Writes what is to replace a file into a temporary one beside it, with the same permissions.
 * @returns the temporary file, absolute.
 */
export function writeBeside(absolute: string, content: string | Uint8Array, durable: boolean): string {
  const folder = dirname(absolute);
  makeFolder(folder);
  // Without the file's own name, which may be as long as the file system allows.
  const temporary = join(folder, `.${temporaryName()}.dvtmp`);
  try {
    const file = openSync(temporary, 'wx');
    try {
      const old = lstatSync(absolute, { throwIfNoEntry: false });
      if (old?.isFile()) fchmodSync(file, old.mode & 0o777);
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** What systems say that cannot flush a folder: Windows, some network file systems. */
const cannotFlush = new Set([
  'EPERM',
  'EACCES',
  'EISDIR',
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EBADF',
]);

/** Makes renames in a folder durable, where the file system lets folders be flushed; elsewhere they are only atomic. */
export function flushFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || !cannotFlush.has(code)) throw error;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
