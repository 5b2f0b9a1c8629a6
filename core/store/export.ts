/** Cache → a new file or folder anywhere: nothing is replaced, and nothing is half there. */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import { linkProblem, parentOf, type RepoPath } from '../model/repo-path.ts';
import type { FileMode, TreeEntry } from '../model/tree.ts';
import { temporaryName } from './atomic.ts';
import type { Cache } from './cache.ts';
import { explainWriteFailure } from './cache-writer.ts';
import { statMissing, statWidth } from './stat-files.ts';
import { ThreadPool } from './thread-pool.ts';
import { workspaceTemporarySuffix } from './walk.ts';

/** A small file whose bytes are at hand. */
export interface LooseFile {
  /** Below the target; `''` when the target is a file itself. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: FileMode;
}

/** What to write. Paths are valid, relative to the target, each once; a single `''` makes it a file. */
export interface ExportContent {
  /** Files from the cache, which holds them all. */
  readonly entries: readonly TreeEntry[];
  readonly loose?: readonly LooseFile[];
}

/** How to write it. */
export interface ExportOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was written. */
export interface Exported {
  readonly files: number;
  readonly bytes: number;
}

/** Refuses a target that is there. @throws {DvError} target-exists */
export function refuseExisting(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined)
    throw new DvError('target-exists', { path: target });
}

/**
 * Writes files beside the target under a temporary name and gives them its name when all are there.
 * Guarantee: the target is not there, or complete; if the process dies, `.*.dvtmp` may be left beside it.
 * @param target absolute; the folders above it are made.
 * @throws {DvError} target-exists, objects-damaged, some-failed (a link that leads outside), disk-full, not-writable
 */
export async function exportFiles(
  cache: Cache,
  target: string,
  { entries, loose = [] }: ExportContent,
  options: ExportOptions = {},
): Promise<Exported> {
  refuseExisting(target);
  const temporary = join(dirname(target), `.${temporaryName()}${workspaceTemporarySuffix}`);
  const pool = new ThreadPool();
  try {
    mkdirSync(dirname(target), { recursive: true });
    const all = [...entries, ...loose];
    if (!(all.length === 1 && all[0]!.path === '')) mkdirSync(temporary);
    for (const folder of new Set(all.map(({ path }) => parentOf(path)))) {
      if (folder !== '') mkdirSync(join(temporary, folder), { recursive: true });
    }
    await writeEntries(cache, { temporary, target, entries, pool }, options);
    for (const file of loose) writeLoose(temporary, target, file);
    refuseExisting(target);
    renameSync(temporary, target);
    const bytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    return { files: all.length, bytes: loose.reduce((sum, file) => sum + file.bytes.length, bytes) };
  } catch (error) {
    throw explainWriteFailure(error, dirname(target));
  } finally {
    await pool.close();
    rmSync(temporary, { recursive: true, force: true });
  }
}

interface Writing {
  readonly temporary: string;
  readonly target: string;
  readonly entries: readonly TreeEntry[];
  readonly pool: ThreadPool;
}

async function writeEntries(cache: Cache, job: Writing, options: ExportOptions): Promise<void> {
  const { entries, pool } = job;
  const report = options.report ?? silent;
  const totalBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  const damaged = new Set<string>();
  const failures: string[] = [];
  const shown = (i: number) => join(job.target, entries[i]!.path);
  let files = 0;
  let bytes = 0;
  await pool.runSliced(
    'write',
    entries.length,
    (from, to) => {
      const part = entries.slice(from, to);
      return {
        kind: 'write',
        root: dirname(job.temporary),
        folder: basename(job.temporary) as RepoPath,
        names: part.map((entry) => entry.path).join('\0'),
        objectsDir: cache.objectsDir,
        digests: part.map((entry) => entry.digest),
        sizes: part.map((entry) => entry.sizeBytes),
        modes: part.map((entry) => entry.mode),
        replace: part.map(() => false),
        // A copy of one's own: an edit of it must reach neither the cache nor another copy.
        link: 'copy',
      };
    },
    (from, result) => {
      const failed = new Set(result.reasons.map(([k]) => k));
      for (const [k, reason] of result.reasons) failures.push(`${shown(from + k)}: ${reason}`);
      for (let k = 0; k * statWidth < result.columns.length; k++) {
        if (result.columns[k * statWidth] === statMissing && !failed.has(k)) damaged.add(shown(from + k));
        bytes += entries[from + k]!.sizeBytes;
      }
      files += result.columns.length / statWidth;
      report({ type: 'progress', task: 'writing', files, totalFiles: entries.length, bytes, totalBytes });
    },
    { signal: options.signal, totalBytes },
  );
  if (damaged.size > 0) throw new DvError('objects-damaged', { paths: [...damaged], where: 'the cache' });
  if (failures.length > 0)
    throw new DvError('some-failed', { verb: 'written', failures, total: entries.length });
}

function writeLoose(temporary: string, target: string, { path, bytes, mode }: LooseFile): void {
  const absolute = path === '' ? temporary : join(temporary, path);
  if (mode === 'l') {
    const leadsTo = Buffer.from(bytes).toString();
    const problem = linkProblem(path === '' ? basename(target) : path, leadsTo);
    if (problem !== undefined)
      throw new DvError('unsafe-link', { repoPath: join(target, path), target: leadsTo });
    symlinkSync(leadsTo, absolute);
    return;
  }
  writeFileSync(absolute, bytes, { flag: 'wx' });
  if (mode === 'x') chmodSync(absolute, 0o777 & ~process.umask());
}
