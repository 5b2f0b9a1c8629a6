/** Hashing objects of the cache on threads. */
import type { Report } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import { missingObjects } from '../../store/objects.ts';
import type { Repo } from '../../store/repo.ts';
import { ThreadPool } from '../../store/thread-pool.ts';
import type { Found } from './walk-data.ts';

/**
 * Reads objects and compares them with their names.
 * @param objects digest → bytes it should have, for progress.
 */
export async function hashObjects(
  repo: Repo,
  objects: ReadonlyMap<Digest, number>,
  found: Found,
  { report, signal }: { report: Report; signal: AbortSignal | undefined },
): Promise<void> {
  const missing = new Set(missingObjects(repo, objects.keys()));
  for (const digest of missing) found.faults.set(digest, { problem: 'missing' });
  const present = [...objects.keys()].filter((digest) => !missing.has(digest));
  const totalBytes = present.reduce((sum, digest) => sum + objects.get(digest)!, 0);
  const pool = new ThreadPool();
  let files = 0;
  let bytes = 0;
  try {
    await pool.runSliced(
      'read',
      present.length,
      (from, to) => ({
        kind: 'read',
        root: repo.objectsDir,
        folder: '',
        names: present
          .slice(from, to)
          .map((digest) => `${digest.slice(7, 9)}/${digest.slice(9)}`)
          .join('\0'),
      }),
      (from, result) => {
        const reasons = new Map(result.reasons);
        result.digests.forEach((digest, k) => {
          const expected = present[from + k]!;
          bytes += objects.get(expected)!;
          if (digest === expected) return;
          const reason = reasons.get(k);
          if (reason === undefined) found.faults.set(expected, { problem: 'damaged' });
          else if (reason.startsWith('ENOENT')) found.faults.set(expected, { problem: 'missing' });
          else found.faults.set(expected, { problem: 'unreadable', reason });
        });
        files += result.digests.length;
        report({ type: 'progress', task: 'checking', files, totalFiles: present.length, bytes, totalBytes });
      },
      { signal, totalBytes },
    );
  } finally {
    await pool.close();
  }
  found.objects += files;
  found.bytes += bytes;
}
