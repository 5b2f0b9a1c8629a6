/** Which tracked data was changed and not recorded, told from the look of the files: for git commit, which waits. */
import { lstatSync } from 'node:fs';
import type { RepoPath } from '../model/repo-path.ts';
import { entriesOfIndex, matchRows } from '../store/capture-index.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { fileModeOf, statMissing, statWidth } from '../store/stat-files.ts';
import { loadStatIndex, looksUnchanged, type StatIndex } from '../store/stat-index.ts';
import type { Survey } from '../store/survey.ts';
import { surveyPath } from '../store/survey.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { listTracked } from '../store/tracked.ts';

/** What was done to a tracked path since dv last recorded it or put it there. */
export interface Unrecorded {
  readonly path: RepoPath;
  readonly added: number;
  readonly modified: number;
  readonly deleted: number;
  /** Whether some of `modified` only look different, and hold too much to be read now. */
  readonly unsure: boolean;
}

/** Files of the same size with other times are read up to so many bytes of each path; it takes about 50 ms. */
const mostBytesRead = 64 * 1024 * 1024;

/**
 * The tracked paths that hold other files than dv put there. Nothing is said of paths that were removed as a whole, or
 * that dv has not put here; nothing is written.
 * @throws {DvError} git-missing, git-failed
 */
export async function listUnrecorded(repo: Repo, signal: AbortSignal | undefined): Promise<Unrecorded[]> {
  const found: Unrecorded[] = [];
  const pool = new ThreadPool();
  try {
    for (const { path } of listTracked(repo).tracked) {
      signal?.throwIfAborted();
      const index = await loadStatIndex(repo, path);
      if (index?.placed !== true) continue;
      const changes = await compareLook(repo, index, pool, signal);
      if (changes !== undefined && changes.added + changes.modified + changes.deleted > 0)
        found.push({ path, ...changes });
    }
  } finally {
    await pool.close();
  }
  return found;
}

async function compareLook(
  repo: Repo,
  index: StatIndex,
  pool: ThreadPool,
  signal: AbortSignal | undefined,
): Promise<Omit<Unrecorded, 'path'> | undefined> {
  const top = lstatSync(absolutePath(repo, index.path), { throwIfNoEntry: false });
  if (top === undefined) return undefined;
  const isFolder = top.isDirectory();
  const rows = index.columns.length / statWidth;
  const survey = await surveyPath(repo, index.path, { isFolder, pool }, { expected: rows, signal });
  const isListed = survey.pathsHash === index.pathsHash && isFolder === (index.kind === 'tree');
  const entries = isListed ? undefined : entriesOfIndex(repo, index);
  if (!isListed && entries === undefined) return undefined;
  const files = survey.columns.length / statWidth;
  const rowOf = entries === undefined ? undefined : matchRows(entries, survey.paths);
  let matched = 0;
  let modified = 0;
  const sameSize: { row: number; file: number }[] = [];
  for (let file = 0; file < files; file++) {
    const row = rowOf === undefined ? file : rowOf[file]!;
    if (row < 0) continue;
    matched++;
    if (looksUnchanged(index, row, survey.columns, file)) continue;
    const before = index.columns[row * statWidth]!;
    if (before !== statMissing && before !== survey.columns[file * statWidth]) modified++;
    else sameSize.push({ row, file });
  }
  const read = await countChanged(repo, { index, sameSize, survey }, pool, signal);
  return {
    added: files - matched,
    deleted: rows - matched,
    modified: modified + (read ?? sameSize.length),
    unsure: read === undefined,
  };
}

/** How many of the files whose look does not tell have other content; undefined when that is too much to read. */
async function countChanged(
  repo: Repo,
  job: {
    readonly index: StatIndex;
    readonly sameSize: readonly { row: number; file: number }[];
    readonly survey: Survey;
  },
  pool: ThreadPool,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const { index, sameSize, survey } = job;
  const { columns } = survey;
  if (sameSize.length === 0) return 0;
  const totalBytes = sameSize.reduce((sum, { file }) => sum + Math.max(0, columns[file * statWidth]!), 0);
  const entries = totalBytes <= mostBytesRead ? entriesOfIndex(repo, index) : undefined;
  if (entries === undefined) return undefined;
  let changed = 0;
  await pool.runSliced(
    'read',
    sameSize.length,
    (from, to) => ({
      kind: 'read',
      root: repo.root,
      folder: index.path,
      names: sameSize
        .slice(from, to)
        .map(({ file }) => survey.paths[file])
        .join('\0'),
    }),
    (from, result) => {
      result.digests.forEach((digest, k) => {
        const { row, file } = sameSize[from + k]!;
        const { digest: recorded, mode } = entries[row]!;
        if (digest !== recorded || fileModeOf(columns[file * statWidth + 4]!) !== mode) changed++;
      });
    },
    { signal, totalBytes },
  );
  return changed;
}
