/** Opening an object wherever the cache has it: in a pack, or as a file of its own. Synchronous, for use on any thread. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { type Digest, DigestBuilder, digestOf } from '../model/digest.ts';
import { type Cache, objectPath } from './cache.ts';
import { packsOf } from './cache-packs.ts';
import { bufferOf, chunkBytes } from './stat-files.ts';

/** An open object. Its bytes are not checked. */
export interface ObjectSource {
  /** Bytes. */
  readonly sizeBytes: number;
  /** The object's own file, which others may be linked to; undefined in a pack. */
  readonly path: string | undefined;
  /** Reads from an offset on. @returns bytes read; fewer than there is room for only at the end. */
  read(into: Uint8Array, at: number): number;
}

type Where = 'pack' | 'file';

/**
 * The places that have an object, one after the other: with the first that has it whole, stop. A copy that got damaged
 * does no harm while there is another.
 * @param first where to look first.
 */
export function* objectSources(
  cache: Pick<Cache, 'objectsDir'>,
  digest: Digest,
  first: Where = 'pack',
): Generator<ObjectSource> {
  const order: Where[] = first === 'pack' ? ['pack', 'file'] : ['file', 'pack'];
  for (const where of order) {
    if (where === 'pack') {
      yield* packedSources(cache, digest);
      continue;
    }
    const path = objectPath(cache, digest);
    const file = openIfThere(path);
    if (file === undefined) continue;
    try {
      yield {
        sizeBytes: fstatSync(file).size,
        path,
        read: (into, at) => readFully(file, into, at),
      };
    } finally {
      closeSync(file);
    }
  }
}

function* packedSources(cache: Pick<Cache, 'objectsDir'>, digest: Digest): Generator<ObjectSource> {
  const packs = packsOf(cache);
  for (const object of packs.copies(digest)) {
    yield {
      sizeBytes: object.length,
      path: undefined,
      read: (into, at) => packs.read(object, into, at),
    };
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readFully(file: number, into: Uint8Array, at: number): number {
  let got = 0;
  while (got < into.length) {
    const more = readSync(file, into, got, into.length - got, at + got);
    if (more === 0) break;
    got += more;
  }
  return got;
}

/** Fills memory with an object and says whether these are its bytes, all of them. */
export function readChecked(source: ObjectSource, digest: Digest, into: Uint8Array): boolean {
  return (
    source.sizeBytes === into.length && source.read(into, 0) === into.length && digestOf(into) === digest
  );
}

/** Large objects are read in steps of so many bytes, which are still near the processor when they are hashed and written. */
const stepBytes = 1 << 20;

/**
 * Reads all of an object, of any size, and says whether its bytes are those of the digest.
 * @param take is handed the pieces in order; they are valid only during the call.
 */
export function streamChecked(
  source: ObjectSource,
  digest: Digest,
  take: (bytes: Uint8Array) => void = () => {},
): boolean {
  const size = source.sizeBytes;
  const space = bufferOf(Math.min(size, chunkBytes) || 1);
  if (size <= chunkBytes) {
    const bytes = space.subarray(0, size);
    if (!readChecked(source, digest, bytes)) return false;
    take(bytes);
    return true;
  }
  const hash = new DigestBuilder();
  for (let at = 0; ; ) {
    const got = source.read(space.subarray(0, stepBytes), at);
    if (got === 0) break;
    hash.update(space.subarray(0, got));
    take(space.subarray(0, got));
    at += got;
  }
  return hash.finish() === digest;
}
