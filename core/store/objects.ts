/** Which of many objects the cache holds. */
import { readdirSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { type Cache, hasObject } from './cache.ts';

/** Above this many it is cheaper to list the cache's folders than to ask for each object. */
const worthListing = 10_000;

/** The digests the cache does not hold, each once. Bytes are not checked. */
export function missingObjects(cache: Cache, digests: Iterable<Digest>): Digest[] {
  const wanted = new Set(digests);
  if (wanted.size < worthListing) return [...wanted].filter((digest) => !hasObject(cache, digest));
  const folders = new Map<string, Set<string>>();
  const missing: Digest[] = [];
  for (const digest of wanted) {
    const prefix = digest.slice(7, 9);
    let names = folders.get(prefix);
    if (names === undefined) {
      names = new Set(listFolder(`${cache.objectsDir}/${prefix}`));
      folders.set(prefix, names);
    }
    if (!names.has(digest.slice(9))) missing.push(digest);
  }
  return missing;
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
