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
import type { Commit, History } from '../store/history.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked } from '../store/tracked.ts';
import { isMetricsPath, isWanted, type Kind, type Parsed, paramsFile, parseFile } from './metric-files.ts';
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
  const commits = columns.filter((column) => column !== 'workspace');
  const listed = await history.listFiles(
    commits.map((column) => column.commit.id),
    (path) => isWanted(kind, path) || (kind === 'metrics' && path.endsWith(pointerSuffix)),
  );
  const ids = [...new Set(listed.flat().map((file) => file.id))];
  const blobs = new Map((await history.readBlobs(ids)).map((bytes, i) => [ids[i]!, bytes]));
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
    files: readonly { path: string; id: string; bytes: Buffer }[],
  ): Promise<RevisionValues> => {
    const values = new Map<string, ReadonlyMap<string, Value>>();
    const dataDigests: Record<string, string> = {};
    const dataFiles: Record<string, number> = {};
    const complain = (file: string, message: string) =>
      problems.push({ revision: about.name, file, message });
    for (const { path, id, bytes } of files) {
      if (isWanted(kind, path)) {
        const result = await parseOnce(path, id, bytes);
        if ('values' in result) values.set(path, result.values);
        else complain(path, result.problem);
        continue;
      }
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
      filled.push(
        await columnOf(
          { name: column.name, commit: id, date, subject },
          listed[next++]!.filter((file) => file.mode !== '120000').map((file) => ({
            path: file.path,
            id: file.id,
            bytes: blobs.get(file.id)!,
          })),
        ),
      );
    }
  }
  return buildTable(filled, problems, kind);
}

/** A pointer file's pointer, or undefined when it is another program's file. @throws {DvError} invalid-file, newer-format */
function pointerOf(path: string, bytes: Buffer): Pointer | undefined {
  if (bytes.length > 4096) return undefined;
  const text = bytes.toString();
  return looksLikePointer(text) ? parsePointer(text, path) : undefined;
}

/**
 * Files of the workspace: pointers, and metrics where a revision has some or in `metrics/` at the top. Other
 * folders are not searched: data may lie there.
 */
function readWorkspace(
  repo: Repo,
  kind: Kind,
  elsewhere: readonly { path: string }[],
): { path: string; id: string; bytes: Buffer }[] {
  const wanted = new Set(elsewhere.filter(({ path }) => isWanted(kind, path)).map(({ path }) => path));
  if (kind === 'params') wanted.add(paramsFile);
  else {
    const folders = [...wanted].map((path) => /^(?:.*\/)?metrics(?=\/)/.exec(path)?.[0]);
    for (const folder of new Set(['metrics', ...folders])) {
      if (folder !== undefined) for (const path of listBelow(repo, folder)) wanted.add(path);
    }
    const { tracked, broken } = listTracked(repo);
    for (const { pointerPath } of [...tracked, ...broken]) wanted.add(pointerPath);
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
