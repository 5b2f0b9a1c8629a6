/** `dv restore`: files as they are recorded, as a revision recorded them, or as dv saved them before it replaced them. */
import { lstatSync } from 'node:fs';
import { DvError, isDvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import { isWithin, joinPaths, type RepoPath } from '../model/repo-path.ts';
import { type FileMode, readTree, type TreeEntry, totalBytes } from '../model/tree.ts';
import { objectSize, readObject } from '../store/cache.ts';
import { findObject, isTreeObject } from '../store/find-object.ts';
import { openHistory } from '../store/history.ts';
import { withLock } from '../store/lock.ts';
import { type Materialised, materialise, type Target } from '../store/materialise.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { fileModeOf } from '../store/stat-files.ts';
import { loadStatIndex } from '../store/stat-index.ts';
import { type ChosenData, chooseData } from './choose-data.ts';
import { listDataAt } from './data-at.ts';
import { type DataPath, listWorkspaceData } from './workspace-data.ts';

/** What to bring back. */
export interface RestoreOptions {
  /** Tracked paths, files and folders in them, stage outputs, folders that hold some, patterns; by default everything. */
  readonly paths?: readonly RepoPath[];
  /** The revision to take it from; by default the pointers of the workspace say. */
  readonly from?: string;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Brings files back, over local changes, which are saved first. Pointers stay as they are: what comes from a
 * revision counts as an edit, which `dv status` shows and `dv add` records. Files nothing records are left alone.
 * @throws {DvError} path-not-tracked, path-not-recorded, unknown-revision, object-damaged, invalid-file, unsafe-link,
 *   locked, disk-full, not-writable
 */
export async function restore(repo: Repo, options: RestoreOptions): Promise<Materialised> {
  const { from, paths } = options;
  return withLock(repo, { command: 'dv restore', signal: options.signal }, async () => {
    const source = from === undefined ? listWorkspaceData(repo) : await dataOf(repo, from);
    const edit = from === undefined ? {} : { edit: {} };
    const targets = (await choose(repo, source, { paths, from })).map(
      ({ path, pointer, part }): Target =>
        part === undefined
          ? { path, pointer, ...edit }
          : { path, pointer, edit: { only: (file) => part(joinPaths(path, file)) } },
    );
    return materialise(repo, targets, { ...options, complete: true, force: true });
  });
}

async function dataOf(repo: Repo, revision: string): Promise<DataPath[]> {
  await using history = await openHistory(repo);
  const { id } = await history.resolve(revision);
  return (await listDataAt(history, [id]))[0]!;
}

/** What the paths mean; a name that neither the source has nor dv ever put there is a slip, and refused. */
async function choose(
  repo: Repo,
  source: readonly DataPath[],
  { paths, from }: { paths: readonly RepoPath[] | undefined; from: string | undefined },
): Promise<readonly ChosenData[]> {
  try {
    const choice = chooseData(source, paths);
    let allRead = true;
    for (const data of choice.data) {
      if (data.part !== undefined) allRead = (await look(repo, data, data.part)) && allRead;
    }
    // A listing that is not here tells nothing; what is missing is named later, with what fetches it.
    if (allRead) choice.checkUsed();
    return choice.data;
  } catch (error) {
    if (!isDvError(error, 'path-not-tracked')) throw error;
    const { repoPath } = error.details;
    const around = [...source, ...listWorkspaceData(repo)].find(
      (data) => isWithin(repoPath, data.path) || isWithin(data.path, repoPath),
    );
    if (around === undefined) throw error;
    throw new DvError('path-not-recorded', { repoPath, where: from ?? `the pointer of ${around.path}` });
  }
}

/** Shows every file a tree has, or that dv put there, to a choice. @returns false when the cache lacks a listing */
async function look(
  repo: Repo,
  { path, pointer }: DataPath,
  part: (path: string) => boolean,
): Promise<boolean> {
  const placed = await loadStatIndex(repo, path);
  const trees = [pointer.digest, ...(placed?.placed && placed.kind === 'tree' ? [placed.digest] : [])];
  try {
    for (const tree of new Set(trees)) {
      for (const entry of readTree(tree, (digest) => readObject(repo, digest)))
        part(joinPaths(path, entry.path));
    }
    return true;
  } catch (error) {
    if (isDvError(error, 'object-missing')) return false;
    throw error;
  }
}

/** What an object is to become. */
export type ObjectKind = 'file' | 'executable' | 'link' | 'folder';

/** Which object to bring back, and how. */
export interface RestoreObjectOptions {
  /** The object's digest, or enough of its first digits. */
  readonly object: string;
  /** By default a listing becomes a folder, anything else a file, executable if what it replaces is. */
  readonly as?: ObjectKind;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Puts an object of the cache at a path of the workspace, over what is there, which is saved first. Of a folder,
 * files the object does not list stay as they are.
 * @throws {DvError} usage, unknown-object, object-damaged, unsafe-link, locked, disk-full,
 *   not-writable
 */
export async function restoreObject(
  repo: Repo,
  path: RepoPath,
  options: RestoreObjectOptions,
): Promise<Materialised> {
  const { pointer, entries, mode } = describeObject(repo, options);
  return withLock(repo, { command: 'dv restore', signal: options.signal }, async () => {
    const tracked = listWorkspaceData(repo).find((data) => data.path !== path && isWithin(data.path, path));
    if (tracked !== undefined) {
      throw new DvError('usage', { message: `${path} holds ${tracked.path}, which dv tracks on its own` });
    }
    const there = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
    const wanted = mode ?? (there?.isFile() ? fileModeOf(there.mode) : undefined);
    const files = new Set<string>(entries.map((entry) => entry.path));
    const edit = {
      only: (file: string) => files.has(file),
      ...(wanted === undefined ? {} : { mode: wanted }),
    };
    return materialise(repo, [{ path, pointer, edit }], { ...options, complete: true, force: true });
  });
}

/** An object, and what it becomes in a workspace. */
export interface DescribedObject {
  /** What a pointer to it would say. */
  readonly pointer: Pointer;
  /** Its files; a file is one entry with the path `''`. */
  readonly entries: readonly TreeEntry[];
  /** What a file is to be, when that was asked for. */
  readonly mode: FileMode | undefined;
}

/** Finds an object and says what it becomes. @throws {DvError} usage, unknown-object, object-damaged */
export function describeObject(
  repo: Repo,
  { object, as }: Pick<RestoreObjectOptions, 'object' | 'as'>,
): DescribedObject {
  const digest = findObject(repo, object);
  const isTree = (as === undefined || as === 'folder') && isTreeObject(repo, digest);
  if (as === 'folder' && !isTree) {
    throw new DvError('usage', { message: `${object} is a file's object, not a folder's` });
  }
  if (isTree) {
    const entries = readTree(digest, (each) => readObject(repo, each));
    const pointer = { kind: 'tree', digest, files: entries.length, bytes: totalBytes(entries) } as const;
    return { pointer, entries, mode: undefined };
  }
  const modes = { file: '-', executable: 'x', link: 'l' } as const;
  const mode = as === undefined || as === 'folder' ? undefined : modes[as];
  const bytes = objectSize(repo, digest) ?? 0;
  const entry = { path: '' as RepoPath, digest, sizeBytes: bytes, mode: mode ?? '-' };
  return { pointer: { kind: 'file', digest, bytes }, entries: [entry], mode };
}
