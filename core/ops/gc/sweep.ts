/**
 * Removing objects. Each is first taken out of the cache, under a name of its own, then looked at again: whoever
 * relied on it in the meantime has given it a new time (`holdsObject`), and it goes back; whoever came later did not
 * find it, and writes it again. Nobody is ever left relying on something that is gone.
 */
import { lstatSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { systemCode } from '../../errors.ts';
import { type Digest, digestFromHex, hexOf } from '../../model/digest.ts';
import { makeFolder } from '../../store/atomic.ts';
import { type Cache, objectPath } from '../../store/cache.ts';
import { packsOf } from '../../store/cache-packs.ts';
import { withFolder } from '../../store/new-objects.ts';
import { removeFromPacks, returnPack } from './sweep-packs.ts';

/** Where objects are between being taken away and being gone. On the same file system as the objects. */
const asideFolder = (cache: Pick<Cache, 'objectsDir'>) => join(dirname(cache.objectsDir), 'gc');

/** An object to remove, as it was when that was decided. */
export interface Condemned {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly timeMs: number;
}

/** How many objects are removed between two looks at Ctrl-C. */
const batch = 500;

/**
 * Brings back what a killed gc had taken away: whether it was still unneeded was not certain.
 * Call before listing what there is.
 */
export function returnAside(cache: Pick<Cache, 'objectsDir'>): void {
  const folder = asideFolder(cache);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  for (const name of names) {
    if (returnPack(cache, folder, name)) continue;
    const digest = digestFromHex(name);
    if (digest === undefined) continue;
    const path = objectPath(cache, digest);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      withFolder(path, () => renameSync(join(folder, name), path));
    else rmSync(join(folder, name), { force: true });
  }
}

/**
 * Removes objects.
 * Guarantee: if the process dies, each is either there, or gone, or brought back by the next gc.
 * @returns what was removed; the others were relied on, or gone, in the meantime.
 */
export async function removeObjects(
  cache: Cache,
  condemned: readonly Condemned[],
  options: { signal?: AbortSignal | undefined; advance?: (objects: number, bytes: number) => void } = {},
): Promise<{ objects: number; bytes: number }> {
  const removed = { objects: 0, bytes: 0 };
  const folder = asideFolder(cache);
  makeFolder(folder);
  const inPacks = new Map<Digest, number>();
  for (let at = 0; at < condemned.length; at += batch) {
    options.signal?.throwIfAborted();
    for (const object of condemned.slice(at, at + batch)) {
      // One that is there twice is gone when its last copy is.
      if (packsOf(cache).findKnown(object.digest) !== undefined) inPacks.set(object.digest, object.timeMs);
      if (!removeOne(cache, join(folder, hexOf(object.digest)), object)) continue;
      if (inPacks.has(object.digest)) continue;
      removed.objects++;
      removed.bytes += object.sizeBytes;
    }
    options.advance?.(removed.objects, removed.bytes);
    await breathe();
  }
  const sizes = new Map(condemned.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  await removeFromPacks(cache, inPacks, folder, {
    signal: options.signal,
    removed(digest) {
      removed.objects++;
      removed.bytes += sizes.get(digest)!;
      options.advance?.(removed.objects, removed.bytes);
    },
  });
  return removed;
}

function removeOne(cache: Pick<Cache, 'objectsDir'>, aside: string, { digest, timeMs }: Condemned): boolean {
  const path = objectPath(cache, digest);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  if (lstatSync(aside).mtimeMs > timeMs) {
    withFolder(path, () => renameSync(aside, path));
    return false;
  }
  unlinkSync(aside);
  return true;
}
