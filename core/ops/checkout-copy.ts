/** `dv checkout --copy`: files of the workspace that share their bytes with the cache become copies of their own. */
import { lstatSync } from 'node:fs';
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { isWithin, joinPaths, type RepoPath } from '../model/repo-path.ts';
import type { TreeEntry } from '../model/tree.ts';
import { objectPath } from '../store/cache.ts';
import { explainWriteFailure } from '../store/cache-writer.ts';
import { capture, type FileFailure } from '../store/capture.ts';
import { markFinished, markUnfinished, sweepUnfinished } from '../store/leftovers.ts';
import { withLock } from '../store/lock.ts';
import { makeWritable } from '../store/make-writable.ts';
import { entriesOf } from '../store/materialise-listing.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { statWidth } from '../store/stat-files.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { type DataPath, listWorkspaceData } from './workspace-data.ts';

/** What was done. */
export interface CopyResult {
  /** Files that were links into the cache, or one with an object, and are copies now. */
  readonly copied: number;
  /** Files that were copies already, but not writable. */
  readonly madeWritable: number;
  readonly failures: readonly FileFailure[];
}

/**
 * Makes files of the workspace independent of the cache and writable; what is in them stays.
 * @param paths tracked paths, folders that hold some, or files and folders inside them.
 * @throws {DvError} path-not-tracked, object-missing (of a listing), locked, disk-full, not-writable
 */
export async function copyOut(
  repo: Repo,
  paths: readonly RepoPath[],
  options: { report?: Report; signal?: AbortSignal } = {},
): Promise<CopyResult> {
  return withLock(repo, { command: 'dv checkout --copy', signal: options.signal }, async () => {
    const data = listWorkspaceData(repo);
    for (const path of paths) {
      if (!data.some((each) => isWithin(path, each.path) || isWithin(each.path, path)))
        throw new DvError('path-not-tracked', { repoPath: path });
    }
    sweepUnfinished(repo);
    const total = { copied: 0, madeWritable: 0, failures: [] as FileFailure[] };
    for (const each of data) {
      const within = paths.filter((path) => isWithin(path, each.path) || isWithin(each.path, path));
      if (within.length > 0) await copyOne(repo, each, { paths: within, total, ...options });
    }
    return total;
  });
}

interface Work {
  paths: readonly RepoPath[];
  total: { copied: number; madeWritable: number; failures: FileFailure[] };
  report?: Report;
  signal?: AbortSignal;
}

async function copyOne(repo: Repo, data: DataPath, work: Work): Promise<void> {
  const { total } = work;
  // An edit through a link is found here, and the cache lets go of it, before anything is copied back from there.
  const { failures } = await capture(repo, data.path, { store: false, ...work });
  total.failures.push(...failures);
  const nameOf = (entry: TreeEntry) => (entry.path === '' ? data.path : joinPaths(data.path, entry.path));
  const chosen = entriesOf(repo, data.pointer).filter(
    (entry) => entry.mode !== 'l' && work.paths.some((path) => isWithin(nameOf(entry), path)),
  );
  const linked: TreeEntry[] = [];
  for (const entry of chosen) {
    if (isLinked(repo, nameOf(entry), entry.digest)) linked.push(entry);
    else if (makeWritable(repo.root, nameOf(entry))) total.madeWritable++;
  }
  if (linked.length > 0) await writeCopies(repo, data.path, linked, work);
  await capture(repo, data.path, { store: false, ...work });
}

/** Whether a file is a link to its object, or one with it. */
function isLinked(repo: Repo, path: RepoPath, digest: Digest): boolean {
  const file = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
  if (file === undefined) return false;
  if (file.isSymbolicLink()) return true;
  const object = lstatSync(objectPath(repo, digest), { throwIfNoEntry: false });
  return object !== undefined && object.ino === file.ino && object.dev === file.dev;
}

async function writeCopies(repo: Repo, folder: RepoPath, linked: readonly TreeEntry[], work: Work) {
  const { total } = work;
  const pool = new ThreadPool();
  markUnfinished(repo, [folder]);
  try {
    await pool.runSliced(
      'write',
      linked.length,
      (from, to) => {
        const part = linked.slice(from, to);
        return {
          kind: 'write',
          root: repo.root,
          folder,
          names: part.map(({ path }) => path).join('\0'),
          objectsDir: repo.objectsDir,
          digests: part.map(({ digest }) => digest),
          sizes: part.map(({ sizeBytes }) => sizeBytes),
          modes: part.map(({ mode }) => mode),
          replace: part.map(() => true),
          link: 'copy',
        };
      },
      (from, { reasons, damaged, columns }) => {
        const part = linked.slice(from, from + columns.length / statWidth);
        for (const [k, reason] of reasons)
          total.failures.push({ path: joinPaths(folder, part[k]!.path), reason });
        for (const digest of damaged) {
          const entry = part.find((each) => each.digest === digest)!;
          total.failures.push({
            path: joinPaths(folder, entry.path),
            reason: `${digest} is damaged in the cache`,
          });
        }
        total.copied += part.length - reasons.length - damaged.length;
      },
      { signal: work.signal, totalBytes: linked.reduce((sum, entry) => sum + entry.sizeBytes, 0) },
    );
    markFinished(repo);
  } catch (error) {
    throw explainWriteFailure(error, repo.root);
  } finally {
    await pool.close();
  }
}
