/**
 * Removing objects from packs: what is left of a pack is put into a new one, and only then does the old one go. It goes
 * as a single object does (sweep.ts): taken away first, and brought back if somebody relied on it in the meantime.
 */
import { lstatSync, renameSync, rmSync, unlinkSync, utimesSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { systemCode } from '../../errors.ts';
import { digestBytes } from '../../model/binary.ts';
import { cachePackMostBytes, packedMostBytes } from '../../model/cache-pack.ts';
import { type Digest, digestFromHex, digestOf } from '../../model/digest.ts';
import { makeFolder, temporaryName } from '../../store/atomic.ts';
import { type Cache, hasObject, objectPath } from '../../store/cache.ts';
import { PackFiller } from '../../store/cache-pack-space.ts';
import {
  type CachePack,
  type CachePacks,
  type PackedObject,
  packFileName,
  packsFolder,
  packsOf,
} from '../../store/cache-packs.ts';
import { explainWriteFailure } from '../../store/cache-writer.ts';
import { flushFiles, flushFolders } from '../../store/flush.ts';
import { NewPacks, settlePacks } from '../../store/new-packs.ts';
import { objectSources, streamChecked } from '../../store/object-source.ts';
import { sharePath } from '../../store/shared-cache.ts';

/** Packs smaller than this are put together when they are many: every command reads the columns of each. */
const smallPackBytes = 32 << 20;
const manySmallPacks = 50;

/** What is to be done about one pack. */
interface Victim {
  readonly pack: CachePack;
  readonly timeMs: number;
  /** Rows that stay. */
  readonly kept: number[];
  /** Rows that go because nothing needs them. */
  readonly dropped: number[];
}

/** Brings back a pack that a killed gc had taken away. @param name without its folder. @returns whether it was one. */
export function returnPack(cache: Pick<Cache, 'objectsDir'>, folder: string, name: string): boolean {
  if (!packFileName.test(name)) return false;
  const path = join(packsFolder(cache.objectsDir), name);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    makeFolder(packsFolder(cache.objectsDir));
    renameSync(join(folder, name), path);
  } else rmSync(join(folder, name), { force: true });
  return true;
}

/**
 * Removes objects from the packs that hold them, and second copies, and puts small packs together.
 * Guarantee: if the process dies, every object that stays is in an old or in a new pack.
 * @param condemned the time each was listed with, by digest: in a pack that is younger, nothing is dropped.
 * @param aside existing folder for packs between being taken away and being gone.
 * @param removed called with every object of which no copy is left.
 * @param groupBytes about so much is copied before the packs it was copied from go: a full disk need not have room for more.
 */
export async function removeFromPacks(
  cache: Cache,
  condemned: ReadonlyMap<Digest, number>,
  aside: string,
  options: {
    removed: (digest: Digest) => void;
    signal?: AbortSignal | undefined;
    groupBytes?: number;
  },
): Promise<void> {
  const packs = packsOf(cache);
  for (const victims of groupsOf(chooseVictims(cache, packs, condemned), options.groupBytes)) {
    options.signal?.throwIfAborted();
    await keepRest(cache, packs, victims);
    await takeAway(packs, victims, aside);
    packs.refresh();
    const dropped = victims.flatMap((victim) => victim.dropped.map((row) => digestAt(victim.pack, row)));
    for (const digest of new Set(dropped)) if (!hasObject(cache, digest)) options.removed(digest);
  }
}

/** Victims that are dealt with together, those that leave least first: removing them makes room for the others. */
function groupsOf(victims: readonly Victim[], mostBytes = cachePackMostBytes): Victim[][] {
  const left = new Map(
    victims.map((victim) => [
      victim,
      victim.kept.reduce((sum, row) => sum + victim.pack.columns.lengths[row]!, 0),
    ]),
  );
  const groups: Victim[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [victim, keptBytes] of [...left].sort(([, a], [, b]) => a - b)) {
    if (bytes + keptBytes > mostBytes || (bytes === 0 && keptBytes > 0)) {
      groups.push([]);
      bytes = 0;
    }
    bytes += keptBytes;
    groups.at(-1)!.push(victim);
  }
  return groups;
}

async function takeAway(packs: CachePacks, victims: readonly Victim[], aside: string): Promise<void> {
  packs.close();
  for (const { pack, timeMs } of victims) {
    const away = join(aside, basename(pack.path));
    try {
      renameSync(pack.path, away);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      continue;
    }
    if (lstatSync(away).mtimeMs > timeMs) renameSync(away, pack.path);
    else unlinkSync(away);
    await breathe();
  }
}

const digestAt = ({ columns: { digests } }: CachePack, row: number) =>
  digestFromHex(digests.toString('hex', row * digestBytes, (row + 1) * digestBytes))!;

function chooseVictims(cache: Cache, packs: CachePacks, condemned: ReadonlyMap<Digest, number>): Victim[] {
  // Of one whose columns are damaged, nobody knows what it holds.
  const all = packs.list().filter(({ columns }) => columns.isWhole());
  const small = all.filter(({ sizeBytes }) => sizeBytes < smallPackBytes);
  const together = new Set(small.length > manySmallPacks ? small : []);
  const times = new Map<CachePack, number>();
  for (const pack of all) {
    const info = lstatSync(pack.path, { throwIfNoEntry: false });
    // Its copies must not be what others are dropped for.
    if (info === undefined) return chooseVictims(cache, packs, condemned);
    times.set(pack, info.mtimeMs);
  }
  const better = findBetterCopies(packs, times);
  return all.flatMap((pack) => {
    const timeMs = times.get(pack)!;
    const kept: number[] = [];
    const dropped: number[] = [];
    const rows = pack.columns.lengths.length;
    for (let row = 0; row < rows; row++) {
      const digest = digestAt(pack, row);
      const listedMs = condemned.get(digest);
      if (listedMs !== undefined) {
        // Somebody relied on a pack that is younger now, perhaps on this object of it.
        (timeMs > listedMs ? kept : dropped).push(row);
        continue;
      }
      const chosen = better.get(digest) ?? packs.findKnown(digest);
      if (chosen?.pack !== pack || chosen.offset !== pack.columns.offsets[row]) continue;
      if (!isOwnFileAsGood(cache, digest, timeMs)) kept.push(row);
    }
    return kept.length === rows && !together.has(pack) ? [] : [{ pack, timeMs, kept, dropped }];
  });
}

/** Of objects that several packs have: the youngest copy that is whole, where that is not the first. */
function findBetterCopies(
  packs: CachePacks,
  times: ReadonlyMap<CachePack, number>,
): Map<Digest, PackedObject> {
  const better = new Map<Digest, PackedObject>();
  for (const [pack, timeMs] of times) {
    const { offsets, lengths } = pack.columns;
    for (let row = 0; row < lengths.length; row++) {
      const digest = digestAt(pack, row);
      const best = better.get(digest) ?? packs.findKnown(digest);
      if (best === undefined || (best.pack === pack && best.offset === offsets[row])) continue;
      const other = { pack, offset: offsets[row]!, length: lengths[row]! };
      // Of a pack that is left alone because its columns are damaged, there is no time: no copy in it counts.
      const bestMs = times.get(best.pack);
      if (bestMs !== undefined && timeMs <= bestMs && isWhole(packs, best, digest)) continue;
      if (isWhole(packs, other, digest)) better.set(digest, other);
    }
  }
  return better;
}

function isWhole(packs: CachePacks, object: PackedObject, digest: Digest): boolean {
  const bytes = Buffer.allocUnsafe(object.length);
  return packs.read(object, bytes, 0) === bytes.length && digestOf(bytes) === digest;
}

/** Whether an object has a file of its own that is whole, and no older: what is in a pack can go without a loss. */
function isOwnFileAsGood(cache: Cache, digest: Digest, timeMs: number): boolean {
  const own = lstatSync(objectPath(cache, digest), { throwIfNoEntry: false });
  if (own === undefined || own.mtimeMs < timeMs) return false;
  for (const source of objectSources(cache, digest, 'file')) {
    return source.path !== undefined && streamChecked(source, digest);
  }
  return false;
}

/** Puts what stays of packs into new ones, with the time of the youngest. */
async function keepRest(cache: Cache, packs: CachePacks, victims: readonly Victim[]): Promise<void> {
  const folder = join(cache.temporaryDir, temporaryName());
  const fresh = new NewPacks();
  try {
    makeFolder(folder);
    for (const { pack, kept } of victims) {
      const { offsets, lengths } = pack.columns;
      const inOrder = [...kept].sort((a, b) => offsets[a]! - offsets[b]!);
      const filler = new PackFiller(
        fresh.reserve(
          folder,
          inOrder.reduce((sum, row) => sum + lengths[row]!, 0),
        ),
      );
      for (const row of inOrder) {
        const length = lengths[row]!;
        const room = filler.room(length);
        if (room === undefined)
          throw new Error(`${pack.path} holds an object of more than ${packedMostBytes} bytes`);
        // What a truncated pack has lost is lost; everything else is kept as it is, and checked when it is used.
        if (packs.read({ pack, offset: offsets[row]!, length }, room, 0) < length) continue;
        filler.keep(digestAt(pack, row), length);
      }
      filler.flush();
      fresh.add(filler.filled);
      await breathe();
    }
    const files = fresh.finish();
    const time = Math.max(...victims.map(({ timeMs }) => timeMs)) / 1000;
    for (const file of files) {
      utimesSync(file, time, time);
      if (cache.sharedPermissions !== undefined) sharePath(file, cache.sharedPermissions);
    }
    await flushFiles(folder, files);
    settlePacks(cache.objectsDir, files);
    await flushFolders(cache.objectsDir, [packsFolder(cache.objectsDir)]);
  } catch (error) {
    throw explainWriteFailure(error, cache.objectsDir);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
