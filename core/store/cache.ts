/**
 * The content-addressed store: one read-only file per object, `objects/ab/cdef…`, named by its digest, or many small
 * ones in a pack (cache-packs.ts).
 * Here: whether an object is there, reading it (always checked). Writing is in cache-writer.ts.
 */
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { DvError, systemCode } from '../errors.ts';
import { type Digest, digestOf } from '../model/digest.ts';
import { packsOf } from './cache-packs.ts';

/** The folders of a cache; `Repo` is one. */
export interface Cache {
  readonly objectsDir: string;
  readonly temporaryDir: string;
  /** Permissions that its files have at least, where several users write to it. */
  readonly sharedPermissions?: number | undefined;
}

/** Where an object is or would be as a file of its own. */
export function objectPath(cache: Pick<Cache, 'objectsDir'>, digest: Digest): string {
  return `${cache.objectsDir}/${digest.slice(7, 9)}/${digest.slice(9)}`;
}

/** The size of an object in bytes, or undefined when the cache does not hold it. Its bytes are not checked. */
export function objectSize(cache: Pick<Cache, 'objectsDir'>, digest: Digest): number | undefined {
  return (
    statSync(objectPath(cache, digest), { throwIfNoEntry: false })?.size ??
    packsOf(cache).find(digest)?.length
  );
}

/** Whether an object is a file of its own in the cache. */
export function hasOwnFile(cache: Pick<Cache, 'objectsDir'>, digest: Digest): boolean {
  return statSync(objectPath(cache, digest), { throwIfNoEntry: false }) !== undefined;
}

/** Whether the cache holds an object. Its bytes are not checked. */
export function hasObject(cache: Pick<Cache, 'objectsDir'>, digest: Digest): boolean {
  return objectSize(cache, digest) !== undefined;
}

/** An object relied on is marked as young again when it is older than this; cheaper than doing so each time. */
const freshMs = 60_000;

/**
 * Whether an object need not be written again. One of another length lost its bytes, and is to be replaced; what
 * has the right length is taken for intact here, and checked when it is used.
 * An old one is given the time of now, as git does with its own: gc keeps what is young, and looks at the time again
 * when it has taken an object away but before it is gone (core/ops/gc/sweep.ts).
 */
export function holdsObject(cache: Pick<Cache, 'objectsDir'>, digest: Digest, sizeBytes: number): boolean {
  const packed = packsOf(cache).findKnown(digest);
  if (packed !== undefined && packed.length === sizeBytes) {
    const { path, timeMs } = packed.pack;
    const fresh = packsMadeYoung.get(path) ?? timeMs;
    if (Date.now() - fresh <= freshMs) return true;
    // A pack that is gone was rewritten by gc: the object is looked for once more, or written again.
    if (makeYoung(path)) {
      packsMadeYoung.set(path, Date.now());
      return true;
    }
  }
  return holdsOwnFile(cache, digest, sizeBytes);
}

/** Like `holdsObject`, but looks only for a file of its own. */
export function holdsOwnFile(cache: Pick<Cache, 'objectsDir'>, digest: Digest, sizeBytes: number): boolean {
  const path = objectPath(cache, digest);
  const info = statSync(path, { throwIfNoEntry: false });
  if (info?.size !== sizeBytes) return false;
  return Date.now() - info.mtimeMs <= freshMs || makeYoung(path);
}

/** When packs were given a new time by this thread. Milliseconds since 1970. */
const packsMadeYoung = new Map<string, number>();

/** Gives a file the time of now; `false` when it is gone. */
function makeYoung(path: string): boolean {
  const now = Date.now() / 1000;
  try {
    utimesSync(path, now, now);
    return true;
  } catch (error) {
    const code = systemCode(error);
    // Another user's cache, or one on a read-only disk: whoever may collect its garbage holds its repositories' locks.
    if (code === 'EPERM' || code === 'EACCES' || code === 'EROFS') return true;
    if (code === 'ENOENT') return false;
    throw error;
  }
}

/** No listing, and nothing else that is read whole, is larger: what is was named by a pointer or tree that lies. */
const mostBytesAtOnce = 256 << 20;

/**
 * Reads an object that fits in memory and checks it against its name.
 * @throws {DvError} object-missing, object-damaged; invalid-file when it is larger than 256 MiB
 */
export function readObject(cache: Pick<Cache, 'objectsDir'>, digest: Digest): Buffer {
  const path = objectPath(cache, digest);
  const own = readOwnFile(path, digest);
  if (own !== undefined && digestOf(own) === digest) return own;
  const packed = packsOf(cache).readWhole(digest);
  if (packed !== undefined && digestOf(packed) === digest) return packed;
  if (own === undefined && packed === undefined) throw new DvError('object-missing', { digest });
  throw new DvError('object-damaged', {
    digest,
    path: own === undefined ? (packsOf(cache).find(digest)?.pack.path ?? path) : path,
  });
}

function readOwnFile(path: string, digest: Digest): Buffer | undefined {
  try {
    const size = statSync(path).size;
    if (size > mostBytesAtOnce) {
      const message = `expected a listing of at most ${mostBytesAtOnce} bytes, found ${size}`;
      throw new DvError('invalid-file', { problems: [{ file: digest, message }] });
    }
    return readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
