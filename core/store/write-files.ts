/** Writing many files from the cache, each checked on the way. Synchronous; see stat-files.ts. */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { reasonOf, systemCode } from '../errors.ts';
import type { LinkMode } from '../model/config.ts';
import type { Digest } from '../model/digest.ts';
import { baseName, joinPaths, linkProblem, parentOf, type RepoPath } from '../model/repo-path.ts';
import type { FileMode } from '../model/tree.ts';
import { temporaryName } from './atomic.ts';
import { linkedObject } from './cache-link.ts';
import { HeldFolders } from './held-folders.ts';
import { type ObjectSource, objectSources, readChecked, streamChecked } from './object-source.ts';
import { putStat, statWidth, unlinkIfThere, writeAll } from './stat-files.ts';
import { type StopFlag, throwIfStopped } from './stop-flag.ts';
import { workspaceTemporarySuffix } from './walk.ts';

/** Files to write from the cache, in parallel lists. */
export interface WriteTask {
  readonly kind: 'write';
  /** Absolute top of the repository. */
  readonly root: string;
  /** What `names` are below, relative to the top. No link on the way from the top to a file is followed. */
  readonly folder: RepoPath | '';
  readonly names: string;
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
  /** What the listing says of their sizes, in bytes. */
  readonly sizes: readonly number[];
  readonly modes: readonly FileMode[];
  /** Whether something is at the path now that is to be replaced. */
  readonly replace: readonly boolean[];
  /** How objects become files. */
  readonly link: LinkMode;
  /** Goes by paths alone, as where folders cannot be held open. */
  readonly byPath?: boolean;
  /** Ends the task early, within a large file too. */
  readonly stop?: StopFlag | undefined;
}

/** What was written. */
export interface WriteResult {
  /** As the files are now; `statMissing` where writing failed. */
  readonly columns: Float64Array;
  readonly reasons: [number, string][];
  /** Objects whose bytes are not those of their digest. */
  readonly damaged: Digest[];
}

/** One file to write. */
interface Item {
  /** Its path in the tracked folder; `''` for a single file. */
  readonly name: string;
  /** Where it goes, in a folder that is held. */
  readonly target: string;
  readonly cache: Pick<WriteTask, 'objectsDir'>;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mode: FileMode;
  readonly replace: boolean;
  readonly link: LinkMode;
  readonly stop: StopFlag | undefined;
}

/**
 * Writes files. Each is written under a temporary name, checked, and then renamed: at every moment the path
 * holds its old content, nothing, or its new content. Missing folders are made.
 */
export function writeFiles(task: WriteTask): WriteResult {
  const names = task.names.split('\0');
  const columns = new Float64Array(names.length * statWidth);
  const reasons: [number, string][] = [];
  const damaged: Digest[] = [];
  using held = new HeldFolders(task.root, task);
  const fail = (i: number, error: unknown) => {
    if (['ENOSPC', 'EDQUOT', 'ECANCELED'].includes(systemCode(error) ?? '')) throw error;
    putStat(columns, i, undefined);
    reasons.push([i, reasonOf(error)]);
  };
  let inFolder: { folder: string; files: { i: number; target: string }[] } = { folder: '', files: [] };
  const leaveFolder = () => {
    if (inFolder.files.length === 0 || held.isSame(inFolder.folder)) return;
    for (const { i, target } of inFolder.files) {
      removeAgain(target, columns[i * statWidth + 3]!);
      fail(i, new Error('its folder was replaced while it was written'));
    }
  };
  for (let i = 0; i < names.length; i++) {
    const path = names[i] === '' ? task.folder : joinPaths(task.folder, names[i]!);
    const digest = task.digests[i]!;
    try {
      throwIfStopped(task.stop);
      refuseTooLong(task.root, path);
      const folder = parentOf(path);
      if (folder !== inFolder.folder) {
        leaveFolder();
        inFolder = { folder, files: [] };
      }
      const target = `${held.make(folder)}/${baseName(path)}`;
      const intact = writeOne({
        name: names[i]!,
        target,
        cache: task,
        digest,
        sizeBytes: task.sizes[i]!,
        mode: task.modes[i]!,
        replace: task.replace[i]!,
        link: task.link,
        stop: task.stop,
      });
      if (!intact) damaged.push(digest);
      putStat(columns, i, intact ? lstatSync(target) : undefined);
      if (intact) inFolder.files.push({ i, target });
    } catch (error) {
      fail(i, error);
    }
  }
  leaveFolder();
  return { columns, reasons, damaged };
}

/** The longest path a system takes, its NUL byte included (PATH_MAX in limits.h); Windows has no such limit for Node. */
const mostPathBytes = { linux: 4096, darwin: 1024 }[process.platform as string] ?? 32_768;

/** Relative to an open folder a file could be made whose path is too long for every other program. */
function refuseTooLong(root: string, path: string): void {
  if (root.length + path.length < 300) return;
  if (Buffer.byteLength(root) + 1 + Buffer.byteLength(path) >= mostPathBytes)
    throw new Error(`its whole path would be longer than the ${mostPathBytes - 1} bytes this system takes`);
}

/** Takes back what was written, perhaps into a folder that only took the right one's place. */
function removeAgain(target: string, inode: number): void {
  if (lstatSync(target, { throwIfNoEntry: false })?.ino === inode) unlinkIfThere(target);
}

/** Writes one file; `false` when every copy of the object is damaged. */
function writeOne(item: Item): boolean {
  const { target, digest, replace } = item;
  const slash = target.lastIndexOf('/');
  const temporary = `${target.slice(0, slash + 1)}.${temporaryName()}${workspaceTemporarySuffix}`;
  let found = false;
  try {
    for (const source of objectSources(item.cache, digest, item.link === 'copy' ? 'pack' : 'file')) {
      found = true;
      if (!writeTemporary(item, source, temporary)) continue;
      // Removing the old file first keeps ext4 from flushing the new one's blocks at once, which a rename over it does.
      if (replace) unlinkIfThere(target);
      else refuseExisting(target);
      renameSync(temporary, target);
      return true;
    }
  } catch (error) {
    unlinkIfThere(temporary);
    throw error;
  }
  if (!found) throw new Error(`ENOENT: ${digest} is not in the cache`);
  return false;
}

/** Makes the temporary file from one copy of the object; `false`, and no file, when that is damaged. */
function writeTemporary(item: Item, source: ObjectSource, temporary: string): boolean {
  const { name, digest, mode } = item;
  if (mode === 'l') {
    const bytes = Buffer.alloc(source.sizeBytes);
    if (!readChecked(source, digest, bytes)) return false;
    const problem = linkProblem(name === '' ? 'link' : name, bytes.toString());
    if (problem !== undefined) throw new Error(`its link leads to ${bytes.toString()}: ${problem}`);
    symlinkSync(bytes.toString(), temporary);
  } else if (!writeContent(item, source, temporary)) {
    unlinkIfThere(temporary);
    return false;
  }
  // The bytes are those of the digest, so it is the listing that lies.
  if (source.sizeBytes !== item.sizeBytes)
    throw new Error(`it is recorded with ${item.sizeBytes} bytes, but has ${source.sizeBytes}`);
  return true;
}

/** Writes or links a file's content; `false` when the object is damaged. */
function writeContent(item: Item, source: ObjectSource, temporary: string): boolean {
  const { digest, mode, link, stop } = item;
  const permissions = mode === 'x' ? 0o777 : 0o666;
  const object = source.path;
  // The executable bit belongs to the bytes: linked, the object and every file linked to it would have it.
  if (object === undefined || link === 'copy' || (mode === 'x' && link !== 'reflink')) {
    const copy = openSync(temporary, 'wx', permissions);
    try {
      return streamChecked(source, digest, (bytes) => {
        throwIfStopped(stop);
        writeAll(copy, bytes);
      });
    } finally {
      closeSync(copy);
    }
  }
  if (!streamChecked(source, digest, () => throwIfStopped(stop))) return false;
  if (link === 'reflink') {
    copyFileSync(object, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    chmodSync(temporary, permissions & ~umask());
  } else if (link === 'symlink') symlinkSync(object, temporary);
  else if (!tryHardLink(object, temporary)) copyFileSync(object, temporary, constants.COPYFILE_EXCL);
  else return true;
  if (link === 'hardlink') chmodSync(temporary, permissions & ~umask());
  return true;
}

/** Links, unless the object has as many names as its file system takes, or is another user's. */
function tryHardLink(object: string, path: string): boolean {
  try {
    linkSync(object, path);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EMLINK' || code === 'EPERM' || code === 'EXDEV') return false;
    throw error;
  }
}

let mask: number | undefined;
function umask(): number {
  mask ??= process.umask();
  return mask;
}

/** Why a file was not written where there was none when the plan was made. */
export const appearedReason = 'something was put there in the meantime; it was kept';

/** Something that appeared after the plan was made is somebody's new file: it is not replaced. */
function refuseExisting(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  // A link of dv's own whose object was gone when the plan was made is no file of anybody's.
  if (there?.isSymbolicLink() && linkedObject(path) !== undefined) return;
  if (there !== undefined) {
    throw new Error(appearedReason);
  }
}
