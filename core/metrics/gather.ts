/** Reads metrics with the pointers beside them, or params, of many revisions and of the workspace into one table. */
import { type Dirent, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { DvError, systemCode } from '../errors.ts';
import {
  looksLikePointer,
  type Pointer,
  parsePointer,
  pointerSuffix,
  trackedPathOf,
} from '../model/pointer.ts';
import { lockFileName, parseLock } from '../pipeline/lock-file.ts';
import type { Commit, History } from '../store/history.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked } from '../store/tracked.ts';
import {
  isMetricsPath,
  isReadable,
  isWanted,
  type Kind,
  type Parsed,
  paramsFile,
  parseFile,
} from './metric-files.ts';
import { buildTable, type Problem, type RevisionValues, type Table } from './table.ts';
import type { Value } from './values.ts';

/** A column to fill: a commit under a name, or the workspace. */
export type Column = { readonly name: string; readonly commit: Commit } | 'workspace';

/** The name of the workspace's column. */
export const workspaceName = 'workspace';

/** What a table is made of. */
export interface Gathering {
  readonly repo: Repo;
  readonly history: History;
  readonly kind: Kind;
}

/**
 * Reads the columns' files and pointers. Nothing is checked out; every distinct file is read and parsed once.
 * Files that cannot be read become problems of the table.
 * @throws {DvError} git-failed
 */
export async function gather({ repo, history, kind }: Gathering, columns: readonly Column[]): Promise<Table> {
  const commits = columns.flatMap((column) => (column === 'workspace' ? [] : [column.commit.id]));
  const listed = await readCommits(history, kind, commits);
  const problems: Problem[] = [];
  const parsed = new Map<string, Promise<Parsed>>();
  const parseOnce = (path: string, id: string, bytes: Uint8Array): Promise<Parsed> => {
    const key = `${id} ${path}`;
    const known = parsed.get(key) ?? parseFile(kind, path, bytes);
    parsed.set(key, known);
    return known;
  };

  /** Files and pointers of one column, from the bytes of its paths. */
  const columnOf = async (
    about: Pick<RevisionValues['revision'], 'name' | 'commit' | 'date' | 'subject'>,
    files: readonly ReadFile[],
  ): Promise<RevisionValues> => {
    const values = new Map<string, ReadonlyMap<string, Value>>();
    const dataDigests: Record<string, string> = {};
    const dataFiles: Record<string, number> = {};
    const complain = (file: string, message: string) =>
      problems.push({ revision: about.name, file, message });
    const recorded = recordedMetrics(kind, files, complain);
    for (const { path, id, bytes } of files) {
      if (isWanted(kind, path) || recorded.has(path)) {
        const result = await parseOnce(path, id, bytes);
        if ('values' in result) values.set(path, result.values);
        else complain(path, result.problem);
        continue;
      }
      if (!path.endsWith(pointerSuffix)) continue;
      try {
        const pointer = pointerOf(path, bytes);
        if (pointer === undefined) continue;
        dataDigests[trackedPathOf(path)] = pointer.digest;
        dataFiles[trackedPathOf(path)] = pointer.kind === 'tree' ? pointer.files : 1;
      } catch (error) {
        if (!(error instanceof DvError)) throw error;
        complain(path, error.message);
      }
    }
    return { revision: { ...about, dataDigests, dataFiles }, files: values };
  };

  let next = 0;
  const filled: RevisionValues[] = [];
  for (const column of columns) {
    if (column === 'workspace') {
      const about = { name: workspaceName, commit: null, date: null, subject: null };
      filled.push(await columnOf(about, readWorkspace(repo, kind, listed.flat())));
    } else {
      const { id, date, subject } = column.commit;
      filled.push(await columnOf({ name: column.name, commit: id, date, subject }, listed[next++]!));
    }
  }
  return buildTable(filled, problems, kind);
}

/** A file that was read; equal ids are equal bytes. */
interface ReadFile {
  readonly path: string;
  readonly id: string;
  readonly bytes: Buffer;
}

const locks = new WeakMap<Buffer, readonly string[] | DvError>();

/** The metrics files a stages.lock names, read once per content. */
function metricsOfLock(bytes: Buffer): readonly string[] | DvError {
  let known = locks.get(bytes);
  if (known === undefined) {
    try {
      const entries = [...parseLock(bytes.toString(), lockFileName).values()];
      known = entries.flatMap((entry) => [...entry.metrics.keys()]).filter(isReadable);
    } catch (error) {
      if (!(error instanceof DvError)) throw error;
      known = error;
    }
    locks.set(bytes, known);
  }
  return known;
}

/** Metrics files stages say they wrote, wherever they lie. */
function recordedMetrics(
  kind: Kind,
  files: readonly ReadFile[],
  complain: (file: string, message: string) => void = () => {},
): ReadonlySet<string> {
  const lock = kind === 'metrics' ? files.find(({ path }) => path === lockFileName) : undefined;
  if (lock === undefined) return new Set();
  const paths = metricsOfLock(lock.bytes);
  if (!(paths instanceof DvError)) return new Set(paths);
  complain(lockFileName, paths.message);
  return new Set();
}

/** Reads what a table is made of, for each commit. */
async function readCommits(
  history: History,
  kind: Kind,
  commits: readonly string[],
): Promise<readonly (readonly ReadFile[])[]> {
  const listed = await history.listFiles(
    commits,
    (path) =>
      isWanted(kind, path) || (kind === 'metrics' && (path.endsWith(pointerSuffix) || path === lockFileName)),
  );
  const ids = [...new Set(listed.flat().map((file) => file.id))];
  const blobs = new Map((await history.readBlobs(ids)).map((bytes, i) => [ids[i]!, bytes]));
  const files = listed.map((ofCommit) =>
    ofCommit
      .filter(({ mode }) => mode !== '120000')
      .map(({ path, id }): ReadFile => ({ path, id, bytes: blobs.get(id)! })),
  );
  // Only now it is known which others the commits' stages.lock name.
  const others = files.flatMap((ofCommit, i) =>
    [...recordedMetrics(kind, ofCommit)]
      .filter((path) => !isMetricsPath(path))
      .map((path) => ({ at: i, commit: commits[i]!, path })),
  );
  for (const [i, bytes] of (await history.readFiles(others)).entries()) {
    const { at, commit, path } = others[i]!;
    if (bytes !== undefined) files[at]!.push({ path, id: commit, bytes });
  }
  return files;
}

/** A pointer file's pointer, or undefined when it is another program's file. @throws {DvError} invalid-file, newer-format */
function pointerOf(path: string, bytes: Buffer): Pointer | undefined {
  if (bytes.length > 4096) return undefined;
  const text = bytes.toString();
  return looksLikePointer(text) ? parsePointer(text, path) : undefined;
}

/**
 * Files of the workspace: pointers, and metrics where stages.lock or a revision has some or in `metrics/` at the
 * top. Other folders are not searched: data may lie there.
 */
function readWorkspace(repo: Repo, kind: Kind, elsewhere: readonly { path: string }[]): ReadFile[] {
  const wanted = new Set(elsewhere.filter(({ path }) => isWanted(kind, path)).map(({ path }) => path));
  if (kind === 'params') wanted.add(paramsFile);
  else {
    const folders = [...wanted].map((path) => /^(?:.*\/)?metrics(?=\/)/.exec(path)?.[0]);
    for (const folder of new Set(['metrics', ...folders])) {
      if (folder !== undefined) for (const path of listBelow(repo, folder)) wanted.add(path);
    }
    const { tracked, broken } = listTracked(repo);
    for (const { pointerPath } of [...tracked, ...broken]) wanted.add(pointerPath);
    const lock = readRegularFile(absolutePath(repo, lockFileName));
    if (lock !== undefined) {
      wanted.add(lockFileName);
      const file = { path: lockFileName, id: 'workspace', bytes: lock };
      for (const path of recordedMetrics(kind, [file])) wanted.add(path);
    }
  }
  return [...wanted].sort().flatMap((path) => {
    const bytes = readRegularFile(absolutePath(repo, path));
    return bytes === undefined ? [] : [{ path, id: 'workspace', bytes }];
  });
}

/** Metrics files below a folder of the workspace; links are not followed. */
function listBelow(repo: Repo, folder: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(absolutePath(repo, folder), { withFileTypes: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return listBelow(repo, path);
    return entry.isFile() && isMetricsPath(path) ? [path] : [];
  });
}

function readRegularFile(path: string): Buffer | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : undefined;
}
