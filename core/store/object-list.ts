/** Everything the cache holds, with sizes and times, as columns. */
import { statSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Digest } from '../model/digest.ts';
import type { Cache } from './cache.ts';
import { type CachePack, packsOf } from './cache-packs.ts';
import { listFolder } from './list-folder.ts';

/** All objects of a cache as they were when they were listed. */
export class ObjectList {
  readonly #rows = new Map<string, number>();
  readonly #hex: string[] = [];
  /** Bytes of each object. */
  readonly sizes: number[] = [];
  /** When each was written or last relied on, milliseconds since 1970. */
  readonly times: number[] = [];

  /** How many objects there are. */
  get length(): number {
    return this.#hex.length;
  }

  /** The digest of a row. */
  digest(row: number): Digest {
    return `sha256:${this.#hex[row]!}` as Digest;
  }

  /** The row of an object, or undefined when it is not listed. @param hex its 64 hex digits. */
  row(hex: string): number | undefined {
    return this.#rows.get(hex);
  }

  /** Adds an object; of one that is there twice, the later time counts. */
  add(hex: string, sizeBytes: number, timeMs: number): void {
    const row = this.#rows.get(hex);
    if (row !== undefined) {
      this.times[row] = Math.max(this.times[row]!, timeMs);
      return;
    }
    this.#rows.set(hex, this.#hex.length);
    this.#hex.push(hex);
    this.sizes.push(sizeBytes);
    this.times.push(timeMs);
  }
}

/** Lists a cache's objects; what has no object's name is not one. One that goes meanwhile is left out. */
export async function listObjects(
  cache: Pick<Cache, 'objectsDir'>,
  signal?: AbortSignal,
): Promise<ObjectList> {
  const list = new ObjectList();
  for (const prefix of listFolder(cache.objectsDir)) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
    await breathe();
    signal?.throwIfAborted();
    const folder = `${cache.objectsDir}/${prefix}`;
    for (const name of listFolder(folder)) {
      if (!/^[0-9a-f]{62}$/.test(name)) continue;
      const info = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
      // One with a workspace file, an object has the file's time; when it came here is then only in its ctime.
      const timeMs =
        info === undefined || info.nlink === 1 ? (info?.mtimeMs ?? 0) : Math.max(info.mtimeMs, info.ctimeMs);
      if (info?.isFile()) list.add(prefix + name, info.size, timeMs);
    }
  }
  const times = new Map<CachePack, number>();
  for (const { hex, length, pack } of packsOf(cache).objects()) {
    let timeMs = times.get(pack);
    if (timeMs === undefined) {
      timeMs = statSync(pack.path, { throwIfNoEntry: false })?.mtimeMs ?? pack.timeMs;
      times.set(pack, timeMs);
    }
    list.add(hex, length, timeMs);
  }
  return list;
}
