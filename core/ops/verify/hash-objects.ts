/** Hashing objects of the cache on threads. */
import type { Report } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import { packsOf } from '../../store/cache-packs.ts';
import type { Repo } from '../../store/repo.ts';
import { ThreadPool } from '../../store/thread-pool.ts';
import type { Found } from './walk-data.ts';

/**
 * Reads objects and compares them with their names.
 * @param objects digest → bytes it should have, for progress.
 * @throws {DvError} newer-format
 */
export async function hashObjects(
  repo: Repo,
  objects: ReadonlyMap<Digest, number>,
  found: Found,
  { report, signal }: { report: Report; signal: AbortSignal | undefined },
): Promise<void> {
  // Here a pack of a later version says so in dv's words; a thread could not.
  packsOf(repo).refresh();
  const digests = [...objects.keys()];
  const totalBytes = digests.reduce((sum, digest) => sum + objects.get(digest)!, 0);
  const pool = new ThreadPool();
  let files = 0;
  let bytes = 0;
  try {
    await pool.runSliced(
      'check',
      digests.length,
      (from, to) => ({ kind: 'check', objectsDir: repo.objectsDir, digests: digests.slice(from, to) }),
      (from, { problems }, to) => {
        const absent = new Set<Digest>();
        for (const { digest, problem, reason } of problems) {
          found.faults.set(digest, reason === undefined ? { problem } : { problem, reason });
          if (problem === 'missing') absent.add(digest);
        }
        for (const digest of digests.slice(from, to)) {
          if (absent.has(digest)) continue;
          files++;
          bytes += objects.get(digest)!;
        }
        report({ type: 'progress', task: 'checking', files, totalFiles: digests.length, bytes, totalBytes });
      },
      { signal, totalBytes },
    );
  } finally {
    await pool.close();
  }
  found.objects += files;
  found.bytes += bytes;
}
