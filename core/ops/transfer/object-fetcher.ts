/** Gets objects from wherever a remote has them: where roots say, then wherever else the idx files say. */
import type { Report } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import type { Place } from '../../model/place.ts';
import type { CacheWriter } from '../../store/cache-writer.ts';
import { isWorthPacking } from '../../store/link.ts';
import type { Remote } from '../../store/remote.ts';
import type { RemoteState } from '../../store/remote-state.ts';
import type { Repo } from '../../store/repo.ts';
import { type Known, listIdx, loadIndexes } from './known.ts';
import { receive, type Wanted } from './receive.ts';

/** An object somebody waits for. */
export interface Open {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Where it is used, for messages. */
  readonly path: string;
  /** Whether it is part of a folder's listing, and no file. */
  readonly listing: boolean;
  /** Where a root says it is. */
  readonly place: Place | undefined;
}

/** Data that did not arrive. */
export interface NotFetched {
  /** The tracked path, and for a tree the file in it. */
  readonly path: string;
  readonly digest: Digest;
  /** The remote does not list it, or holds other bytes where it should be. */
  readonly reason: 'missing' | 'damaged';
}

interface Fetcher {
  readonly repo: Repo;
  readonly remote: Remote;
  readonly writer: CacheWriter;
  readonly state: RemoteState;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Fetches objects into the cache, and counts what arrived. */
export class ObjectFetcher {
  readonly #with: Fetcher;
  #known: Known | undefined;
  readonly failures: NotFetched[] = [];
  /** What arrived: all objects, and of these the files and their bytes. */
  readonly arrived = { objects: 0, files: 0, bytes: 0 };

  constructor(fetcher: Fetcher) {
    this.#with = fetcher;
  }

  /** Fetches objects, trying every place there is, and names what is left among the failures. */
  async fetchAll(wanted: readonly Open[]): Promise<void> {
    let open = [...new Map(wanted.map((object) => [object.digest, object])).values()];
    if (open.length === 0) return;
    const advance = this.#progressOf(open);
    const tried = new Map<Digest, Place[]>();
    for (;;) {
      const ready: Wanted[] = [];
      for (const { digest, sizeBytes, place: told } of open) {
        const place = this.#nextPlace(digest, told, tried.get(digest) ?? []);
        if (place === undefined) continue;
        tried.set(digest, [...(tried.get(digest) ?? []), place]);
        ready.push({ digest, sizeBytes, place });
      }
      if (ready.length > 0) {
        const came = await this.#receive(ready, advance);
        this.#count(open, came);
        open = open.filter((object) => !came.has(object.digest));
      } else if (!(await this.#learn())) break;
      if (open.length === 0) return;
      if (this.#known === undefined) await this.#learn();
    }
    for (const { digest, path } of open) {
      this.failures.push({ path, digest, reason: tried.has(digest) ? 'damaged' : 'missing' });
    }
  }

  /** Where to try next. @param told by a root. @param tried in vain. */
  #nextPlace(digest: Digest, told: Place | undefined, tried: readonly Place[]): Place | undefined {
    if (tried.length === 0 && told !== undefined) return told;
    const places = this.#known?.table.places(digest);
    return places?.find((place) => !tried.some((other) => samePlace(place, other)));
  }

  /** @returns what arrived. */
  async #receive(ready: readonly Wanted[], advance: (files: number, bytes: number) => void) {
    const { repo, remote, writer, signal } = this.#with;
    const pack = isWorthPacking(repo, ready.length);
    const failed = await receive(ready, { remote, writer, pack, advance, signal });
    const came = new Set(ready.map(({ digest }) => digest));
    for (const { digest } of failed) came.delete(digest);
    return came;
  }

  #count(open: readonly Open[], came: ReadonlySet<Digest>): void {
    this.arrived.objects += came.size;
    for (const { digest, listing, sizeBytes } of open) {
      if (listing || !came.has(digest)) continue;
      this.arrived.files++;
      this.arrived.bytes += sizeBytes;
    }
  }

  #progressOf(open: readonly Open[]) {
    const totalFiles = open.length;
    const totalBytes = open.reduce((sum, object) => sum + object.sizeBytes, 0);
    let files = 0;
    let bytes = 0;
    return (count: number, size: number) => {
      files += count;
      bytes += size;
      this.#with.report({ type: 'progress', task: 'receiving', files, totalFiles, bytes, totalBytes });
    };
  }

  /**
   * Reads the idx files, or those that are new since. Lists are no snapshots: while another replaces many by one, a
   * list may hold neither, and only the next one tells.
   * @returns whether there was anything new.
   */
  async #learn(): Promise<boolean> {
    const { remote, state, report, signal } = this.#with;
    if (this.#known !== undefined) {
      const listed = await listIdx(remote, signal);
      const before = new Set(this.#known.listed);
      if ([...listed.keys()].every((name) => before.has(name))) return false;
    }
    this.#known = await loadIndexes(remote, state, { report, signal });
    return true;
  }
}

const samePlace = (a: Place, b: Place) => a.pack === b.pack && a.offset === b.offset;
