/** Conflicts of tracked data that git has left open, found anew from git's index: nothing else records them. */
import { isDvError } from '../errors.ts';
import type { FileConflict } from '../model/merge-tree.ts';
import { type Pointer, parsePointer, parseTrackedPath } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { sameEntry, type TreeEntry } from '../model/tree.ts';
import { lockFileName } from '../pipeline/lock-file.ts';
import type { Cache } from '../store/cache.ts';
import type { Repo } from '../store/repo.ts';
import { entriesOf, mergePointers, type PointerVersions } from './merge-pointers.ts';

/** One tracked path that git shows as conflicted. */
export interface DataConflict {
  readonly path: RepoPath;
  /** The versions in git's index; undefined where that side has no pointer, or none that can be read. */
  readonly versions: { readonly [side in 'base' | 'ours' | 'theirs']: Pointer | undefined };
  /** Files both sides changed; undefined when that cannot be told: a side deleted the path, or a listing is missing. */
  readonly files: readonly FileConflict[] | undefined;
}

const sides = [undefined, 'base', 'ours', 'theirs'] as const;

/**
 * The conflicts of some pointer files, sorted by path.
 * @param pointerPaths as `listTracked` gives them: git shows them as unmerged.
 * @throws {DvError} git-failed, object-damaged, invalid-file (of a listing)
 */
export async function listConflicts(repo: Repo, pointerPaths: readonly string[]): Promise<DataConflict[]> {
  const conflicts: DataConflict[] = [];
  if (pointerPaths.length === 0) return conflicts;
  for (const [file, versions] of readVersions(repo, pointerPaths)) {
    const path = parseTrackedPath(file);
    if (path !== undefined) conflicts.push({ path, versions, files: await filesOf(repo, versions) });
  }
  return conflicts;
}

/** Reads the versions of unmerged files from git's index. */
function readVersions(repo: Repo, files: readonly string[]): Map<string, DataConflict['versions']> {
  const { git, root } = repo;
  const listed = git.output(['--literal-pathspecs', 'ls-files', '-z', '--unmerged', '--', ...files], {
    cwd: root,
  });
  const found = new Map<string, { [side in 'base' | 'ours' | 'theirs']: Pointer | undefined }>();
  for (const line of listed.split('\0')) {
    const match = /^\d+ ([0-9a-f]+) ([123])\t(.+)$/s.exec(line);
    if (match === null) continue;
    const [, id, stage, file] = match as unknown as [string, string, string, string];
    const versions = found.get(file) ?? { base: undefined, ours: undefined, theirs: undefined };
    versions[sides[Number(stage)]!] = parseVersion(git.output(['cat-file', 'blob', id]), file);
    found.set(file, versions);
  }
  return found;
}

function parseVersion(text: string, file: string): Pointer | undefined {
  try {
    return parsePointer(text, file);
  } catch (error) {
    if (isDvError(error)) return undefined;
    throw error;
  }
}

async function filesOf(cache: Cache, versions: DataConflict['versions']): Promise<DataConflict['files']> {
  if (versions.ours === undefined || versions.theirs === undefined) return undefined;
  const merged = await mergePointers(cache, versions as PointerVersions, { store: false });
  return merged.outcome === 'merged' ? merged.conflicts : undefined;
}

/** A file in conflict, and which side's version the pointer names now; undefined: neither's. */
export interface OpenFile extends FileConflict {
  readonly taken: 'ours' | 'theirs' | undefined;
}

/** A conflict with what has been chosen so far. */
export interface OpenConflict extends Omit<DataConflict, 'files'> {
  readonly files: readonly OpenFile[] | undefined;
}

/** Like `listConflicts`, with what was chosen so far, and with stages.lock where that is among the files. @throws {DvError} as `listConflicts` */
export async function listOpenConflicts(
  repo: Repo,
  pointerPaths: readonly string[],
  pointers: ReadonlyMap<RepoPath, Pointer>,
): Promise<OpenConflict[]> {
  const none = { base: undefined, ours: undefined, theirs: undefined };
  const lock: OpenConflict[] = pointerPaths.includes(lockFileName)
    ? [{ path: lockFileName as RepoPath, versions: none, files: undefined }]
    : [];
  const data = (await listConflicts(repo, pointerPaths)).map(({ files, ...conflict }): OpenConflict => {
    const now = pointers.get(conflict.path);
    if (files === undefined || now === undefined) return { ...conflict, files: undefined };
    const entries = entriesByPath(repo, now);
    return { ...conflict, files: files.map((file) => ({ ...file, taken: sideTaken(entries, file) })) };
  });
  return [...data, ...lock];
}

/** What a pointer names, by path; empty when its listing is not in the cache. */
function entriesByPath(repo: Repo, pointer: Pointer): ReadonlyMap<RepoPath, TreeEntry> {
  try {
    return new Map(entriesOf(repo, pointer).map((entry) => [entry.path, entry]));
  } catch (error) {
    if (isDvError(error, 'object-missing')) return new Map();
    throw error;
  }
}

/** Which side's version of a file in conflict a listing has; undefined when neither's. */
function sideTaken(
  entries: ReadonlyMap<RepoPath, TreeEntry>,
  conflict: FileConflict,
): 'ours' | 'theirs' | undefined {
  const now = entries.get(conflict.path);
  const is = (entry: TreeEntry | undefined) =>
    entry === undefined || now === undefined ? entry === now : sameEntry(entry, now);
  if (is(conflict.ours)) return 'ours';
  return is(conflict.theirs) ? 'theirs' : undefined;
}
