/** Which of many objects the cache holds. */
import { lstatSync } from 'node:fs';
import xxhash from 'xxhash-wasm';
import type { Digest } from '../model/digest.ts';
import { type Cache, hasOwnFile } from './cache.ts';
import { packsFolder, packsOf } from './cache-packs.ts';
import { listFolder } from './list-folder.ts';

/** Above this many it is cheaper to list the cache's folders than to ask for each object. */
const worthListing = 10_000;

/** The digests the cache does not hold, each once. Bytes are not checked. */
export function missingObjects(cache: Cache, digests: Iterable<Digest>): Digest[] {
  const packs = packsOf(cache);
  packs.refresh();
  const wanted = new Set<Digest>();
  for (const digest of digests) if (packs.findKnown(digest) === undefined) wanted.add(digest);
  if (wanted.size < worthListing) return [...wanted].filter((digest) => !hasOwnFile(cache, digest));
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
 * there is there. Object files are never written in place. 258 looks, where asking for 50,000 objects takes as many.
 */
export async function cacheStamp(cache: Pick<Cache, 'objectsDir'>): Promise<bigint> {
  const folders = 256;
  const looks = new Float64Array(2 * (folders + 2));
  const path = (i: number) => {
    if (i === folders) return cache.objectsDir;
    return i > folders
      ? packsFolder(cache.objectsDir)
      : `${cache.objectsDir}/${i.toString(16).padStart(2, '0')}`;
  };
  for (let i = 0; i < folders + 2; i++) {
    const info = lstatSync(path(i), { throwIfNoEntry: false });
    looks[2 * i] = info?.ino ?? 0;
    looks[2 * i + 1] = info?.mtimeMs ?? 0;
  }
  const { h64Raw } = await xxhash();
  return h64Raw(new Uint8Array(looks.buffer)) || 1n;
}
