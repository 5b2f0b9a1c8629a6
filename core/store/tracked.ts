/** The pointers of a workspace: which paths dv tracks here, and what each pointer says. */
import { closeSync, constants, type Dirent, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { withUnixLineEnds } from '../model/line-ends.ts';
import {
  looksLikePointer,
  type Pointer,
  parsePointer,
  parseTrackedPath,
  pointerPathOf,
  pointerSuffix,
  trackedPathOf,
} from '../model/pointer.ts';
import { quote } from '../model/quote.ts';
import { comparePaths, parentOf, pathProblem, type RepoPath } from '../model/repo-path.ts';
import type { Repo } from './repo.ts';

/** A tracked path with its pointer as it stands in the workspace. */
export interface Tracked {
  readonly path: RepoPath;
  readonly pointerPath: RepoPath;
  readonly pointer: Pointer;
}

/** A pointer that could not be read. */
export interface BrokenPointer {
  readonly pointerPath: RepoPath;
  readonly error: DvError;
}

/** Far more than a pointer needs, conflict markers included; a DV video has gigabytes. */
const mostPointerBytes = 65_536;

/** Reads the pointer of a tracked path, or gives undefined when there is none. @throws {DvError} invalid-file, newer-format */
export function readPointer(repo: Pick<Repo, 'root'>, path: string): Pointer | undefined {
  const pointerPath = pointerPathOf(path);
  const bytes = readStart(join(repo.root, pointerPath));
  const text = bytes === undefined ? undefined : withUnixLineEnds(bytes);
  return text !== undefined && looksLikePointer(text) ? parsePointer(text, pointerPath) : undefined;
}

/** The first bytes of a regular file as text; undefined when there is none: a link or a pipe is no pointer. */
function readStart(absolute: string): string | undefined {
  let file: number;
  try {
    file = openSync(absolute, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = systemCode(error);
    if (code !== undefined && notThere.has(code)) return undefined;
    throw error;
  }
  try {
    if (!fstatSync(file).isFile()) return undefined;
    const bytes = Buffer.alloc(mostPointerBytes);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(file, bytes, length, bytes.length - length, null);
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

// ELOOP: the name is a link. ENXIO: it is a socket or a device without a driver.
const notThere = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EMLINK', 'ENXIO', 'ENAMETOOLONG']);

/** Known to core/pipeline, which is above; git is asked once for both kinds of file. */
const lockFile = 'stages.lock';

/** What is listed: pointer files, and what of them and of stages.lock a merge left for the user to decide. */
interface Listed {
  readonly files: readonly string[];
  readonly unmerged: readonly string[];
  /** Pointer files, and stages.lock, that git does not have in its index; none where it was not asked. */
  readonly untracked: readonly string[];
}

/** Pointer files git knows or would add. Its answer needs no walk over ignored data. */
function listWithGit(repo: Repo): Listed {
  const listed = repo.git.output(
    [
      ...['ls-files', '-z', '-t', '--cached', '--others', '--exclude-standard', '--'],
      ...[`*${pointerSuffix}`, lockFile],
    ],
    { cwd: repo.root },
  );
  const files = new Set<string>();
  const unmerged = new Set<string>();
  const untracked: string[] = [];
  for (const line of listed.split('\0')) {
    const path = line.slice(2);
    // git-ls-files(1), `-t`: M stands for each version of an unmerged path.
    if (line.startsWith('M ')) unmerged.add(path);
    // An untracked repository inside this one is listed as a folder, with a slash at the end.
    if (path.endsWith(pointerSuffix)) files.add(path);
    else if (path !== lockFile) continue;
    if (line.startsWith('? ')) untracked.push(path);
  }
  return { files: [...files], unmerged: [...unmerged], untracked };
}

/** Pointer files found by walking, where there is no git; folders that a pointer stands for are not entered. */
function listByWalking(repo: Repo): Listed {
  const found: string[] = [];
  const visit = (folder: string) => {
    const entries = readFolder(join(repo.root, folder));
    if (folder !== '' && entries.some((entry) => entry.name === '.git')) return;
    const pointers = new Set<string>();
    for (const { name } of entries.filter((entry) => entry.isFile() && entry.name.endsWith(pointerSuffix))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      found.push(path);
      if (looksLikePointer(readStart(join(repo.root, path)) ?? '')) pointers.add(name);
    }
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name === '.git' || entry.name === 'node_modules') continue;
      if (!pointers.has(pointerPathOf(entry.name)))
        visit(folder === '' ? entry.name : `${folder}/${entry.name}`);
    }
  };
  visit('');
  return { files: found, unmerged: [], untracked: [] };
}

/** The entries of a folder; none when it went away or may not be read, as git lists it too. */
function readFolder(absolute: string): Dirent[] {
  try {
    return readdirSync(absolute, { withFileTypes: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM') return [];
    throw error;
  }
}

/**
 * All tracked paths of the workspace, sorted, and the pointers that could not be read. `unmerged`: the pointer files,
 * readable or not, and stages.lock, where git shows them as conflicted. `untracked`: those that git's index lacks.
 */
export function listTracked(repo: Repo): {
  tracked: Tracked[];
  broken: BrokenPointer[];
  unmerged: readonly string[];
  untracked: readonly string[];
} {
  const found = new Map<string, Tracked>();
  const broken: BrokenPointer[] = [];
  const { files, unmerged, untracked } = repo.git.available ? listWithGit(repo) : listByWalking(repo);
  for (const file of files) {
    try {
      const pointer = readPointer(repo, trackedPathOf(file));
      if (pointer === undefined) continue;
      const path = parseTrackedPath(file);
      if (path === undefined) throw new DvError('path-invalid', { path: file, reason: noPointerName(file) });
      found.set(path, { path, pointerPath: file as RepoPath, pointer });
    } catch (error) {
      if (!(error instanceof DvError)) throw error;
      broken.push({ pointerPath: file as RepoPath, error });
    }
  }
  const tracked: Tracked[] = [];
  for (const each of found.values()) {
    const outer = trackedAround(each.path, found);
    if (outer === undefined) tracked.push(each);
    else {
      const error = new DvError('path-inside-tracked', { repoPath: each.path, tracked: outer });
      broken.push({ pointerPath: each.pointerPath, error });
    }
  }
  tracked.sort((a, b) => comparePaths(a.path, b.path));
  return { tracked, broken, unmerged, untracked };
}

/** Why a file's name cannot be that of a pointer: it stands for nothing dv may write. */
function noPointerName(file: string): string {
  const path = trackedPathOf(file);
  return pathProblem(file) ?? `it would stand for ${quote(path)}, and ${pathProblem(path)}`;
}

/** The tracked path, if any, that a path lies below: two pointers must not claim the same files. */
function trackedAround(path: string, tracked: ReadonlyMap<string, Tracked>): string | undefined {
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
    if (tracked.has(folder)) return folder;
  }
  return undefined;
}

/** Like `listTracked`, for commands that must not go on past a broken pointer. @throws {DvError} the first broken pointer's */
export function requireTracked(repo: Repo): Tracked[] {
  const { tracked, broken } = listTracked(repo);
  if (broken[0] !== undefined) throw broken[0].error;
  return tracked;
}
