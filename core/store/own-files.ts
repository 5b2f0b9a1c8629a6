/** Objects of packs as files of their own: only those can workspace files be linked to. */
import { type Digest, digestOf } from '../model/digest.ts';
import { hasOwnFile } from './cache.ts';
import { packsOf } from './cache-packs.ts';
import { CacheWriter } from './cache-writer.ts';
import { writeNewObject } from './new-objects.ts';
import type { Repo } from './repo.ts';

/**
 * Gives objects that are only in packs files of their own. Damaged ones stay as they are.
 * @throws {DvError} disk-full, not-writable
 */
export async function giveOwnFiles(repo: Repo, digests: Iterable<Digest>): Promise<void> {
  const packs = packsOf(repo);
  const writer = new CacheWriter(repo);
  try {
    for (const digest of new Set(digests)) {
      if (packs.find(digest) === undefined || hasOwnFile(repo, digest)) continue;
      const bytes = packs.readWhole(digest);
      if (bytes === undefined || digestOf(bytes) !== digest) continue;
      writeNewObject(writer.folder(), digest, bytes);
      writer.adopt([digest]);
    }
    await writer.commit();
  } finally {
    writer.discard();
  }
}
