/** Finding an object by the first digits of its digest, and telling trees from files. */
import { DvError, isDvError } from '../errors.ts';
import { type Digest, digestFromHex } from '../model/digest.ts';
import { readTree } from '../model/tree.ts';
import { type Cache, hasObject, readObject } from './cache.ts';
import { packsOf } from './cache-packs.ts';
import { listFolder } from './list-folder.ts';
import { objectSources } from './object-source.ts';

/** How many digits are needed: with fewer, many objects would match. */
const fewestDigits = 4;

/**
 * The object whose digest begins so.
 * @param typed at least four hex digits, with or without `sha256:`.
 * @throws {DvError} usage (no digest, or more than one object begins so), unknown-object
 */
export function findObject(cache: Pick<Cache, 'objectsDir'>, typed: string): Digest {
  const hex = typed.replace(/^sha256:/, '').toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(hex) || hex.length < fewestDigits) {
    throw new DvError('usage', {
      message: `${JSON.stringify(typed)} is no digest: expected at least ${fewestDigits} hex digits`,
    });
  }
  const whole = digestFromHex(hex);
  if (whole !== undefined && hasObject(cache, whole)) return whole;
  const names = new Set<string>();
  for (const name of listFolder(`${cache.objectsDir}/${hex.slice(0, 2)}`)) names.add(hex.slice(0, 2) + name);
  for (const object of packsOf(cache).objects()) if (object.hex.startsWith(hex)) names.add(object.hex);
  const found = [...names].flatMap((name) => (name.startsWith(hex) ? (digestFromHex(name) ?? []) : []));
  if (found.length > 1) {
    throw new DvError('usage', {
      message: `${found.length} objects begin with ${hex}`,
      hint: 'write more of its digits',
    });
  }
  if (found[0] === undefined) throw new DvError('unknown-object', { digest: typed });
  return found[0];
}

/** Whether an object is a folder's listing, complete with its leaves; a file may look like one only by intent. */
export function isTreeObject(cache: Pick<Cache, 'objectsDir'>, digest: Digest): boolean {
  const start = Buffer.alloc(8);
  for (const source of objectSources(cache, digest, 'file')) {
    source.read(start, 0);
    break;
  }
  if (start.toString('latin1') !== 'dv-tree ' && start.toString('latin1') !== 'dv-tree-') return false;
  try {
    readTree(digest, (each) => readObject(cache, each));
    return true;
  } catch (error) {
    if (isDvError(error, 'invalid-file') || isDvError(error, 'newer-format')) return false;
    throw error;
  }
}
