/** What a capture does for files that share their bytes with the cache: see cache-link.ts. */
import type { Digest } from '../model/digest.ts';
import { joinPaths, type RepoPath } from '../model/repo-path.ts';
import type { Edited } from './cache-link.ts';
import type { Known } from './capture-index.ts';
import { absolutePath, type Repo } from './repo.ts';
import { statMissing, statWidth } from './stat-files.ts';

/** The recorded files that were read and hold something else now. */
export function editedFiles(
  path: RepoPath,
  found: {
    paths: readonly RepoPath[];
    toRead: readonly number[];
    digests: readonly (Digest | undefined)[];
    columns: Float64Array;
    rowOf: Int32Array;
    known: Known;
  },
): Edited[] {
  const edited: Edited[] = [];
  for (const i of found.toRead) {
    const entry = found.known.entries[found.rowOf[i] ?? -1];
    const digest = found.digests[i];
    if (entry === undefined || digest === undefined || digest === entry.digest) continue;
    const file = found.paths[i] === '' ? path : joinPaths(path, found.paths[i]!);
    edited.push({ path: file, digest: entry.digest, inode: found.columns[i * statWidth + 3]! });
  }
  return edited;
}

/** Getting its name in the cache changed the times of a file that is one with its object: what else changed is an edit. */
export async function lookAgain(job: {
  repo: Repo;
  path: RepoPath;
  paths: readonly RepoPath[];
  columns: Float64Array;
  shared: readonly number[];
  /** Looks at files below a folder. */
  statAll(folder: string, names: readonly string[]): Promise<Float64Array>;
}): Promise<void> {
  const { columns, shared } = job;
  const names = shared.map((i) => job.paths[i]!);
  const now = await job.statAll(absolutePath(job.repo, job.path), names);
  shared.forEach((i, k) => {
    const [was, is] = [i * statWidth, k * statWidth];
    const same =
      columns[was] === now[is] && columns[was + 1] === now[is + 1] && columns[was + 3] === now[is + 3];
    if (same) columns.set(now.subarray(is, is + statWidth), was);
    else columns[was] = statMissing;
  });
}
