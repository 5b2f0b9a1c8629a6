/** Writing a file so that it is either the old one or the new one, whatever happens in between. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A name nobody else uses, for a file that is being written. */
export function temporaryName(): string {
  return `${process.pid.toString(36)}-${randomBytes(8).toString('hex')}`;
}

/**
 * Replaces a file's content. The temporary file lies beside it, its bytes are flushed before the rename, and
 * the folder after it.
 * Guarantee: if the process dies, the file holds either its old or its new content.
 * @param absolute where to write; missing folders are made.
 */
export function writeFileAtomic(
  absolute: string,
  content: string | Uint8Array,
  options: { durable?: boolean } = {},
): void {
  const folder = dirname(absolute);
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `.${basename(absolute).slice(0, 200)}.${temporaryName()}.dvtmp`);
  try {
    const file = openSync(temporary, 'wx');
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      if (options.durable !== false) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, absolute);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (options.durable !== false) flushFolder(folder);
}

/** Makes renames in a folder durable, where the file system lets folders be flushed. */
export function flushFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch {
    // Windows and some network file systems refuse to flush a folder; the rename itself is still atomic.
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
