/** Which of many objects the cache holds. */
import { lstatSync } from 'node:fs';
import xxhash from 'xxhash-wasm';
import type { Digest } from '../model/digest.ts';
import { type Cache, hasObject } from './cache.ts';
import { listFolder } from './list-folder.ts';

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

/**
 * Names the state of the cache's folders: equal stamps mean that no object came or went in between, so that what was
 * there is there. Object files are never written in place. 256 looks, where asking for 50,000 objects takes as many.
 */
export async function cacheStamp(cache: Pick<Cache, 'objectsDir'>): Promise<bigint> {
  const folders = 256;
  const looks = new Float64Array(2 * (folders + 1));
  for (let i = 0; i <= folders; i++) {
    const name = i === folders ? '' : i.toString(16).padStart(2, '0');
    const info = lstatSync(`${cache.objectsDir}/${name}`, { throwIfNoEntry: false });
    looks[2 * i] = info?.ino ?? 0;
    looks[2 * i + 1] = info?.mtimeMs ?? 0;
  }
  const { h64Raw } = await xxhash();
  return h64Raw(new Uint8Array(looks.buffer)) || 1n;
}
