/** Writing many files from the cache, each checked on the way. Synchronous; see stat-files.ts. */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { systemCode } from '../errors.ts';
import type { LinkMode } from '../model/config.ts';
import { type Digest, DigestBuilder, digestOf } from '../model/digest.ts';
import { linkProblem } from '../model/repo-path.ts';
import type { FileMode } from '../model/tree.ts';
import { temporaryName } from './atomic.ts';
import { objectPath } from './cache.ts';
import { absolute, bufferOf, chunkBytes, putStat, statWidth, unlinkIfThere, writeAll } from './stat-files.ts';
import { workspaceTemporarySuffix } from './walk.ts';

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
