/**
 * What garbage collection on a remote is about to take away, as a pusher sees it. Why a pusher that asks before and
 * after, and a collector that says first what it deletes, never leave a root without its data: docs/remote-format.md.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DvError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { hexOf } from '../../model/digest.ts';
import { type GcRecord, parseGcRecord } from '../../model/gc-record.ts';
import type { Place } from '../../model/place.ts';
import type { PlaceTable } from '../../model/place-table.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote, RemoteEntry } from '../../store/remote.ts';
import {
  blobKey,
  condemnedPrefix,
  deletingPrefix,
  epochKey,
  gcPrefix,
  packKey,
} from '../../store/remote-layout.ts';

/** How many small questions are asked at once. */
const asksAtOnce = 16;
/** A collector gives a batch of deletions up long before this. */
export const deletingMostMs = 15 * 60_000;
const pollMs = 250;

/** A record and where it is. */
export interface FoundRecord extends GcRecord {
  readonly entry: RemoteEntry;
}

/** Everything below `gc/`. */
export interface GcState {
  readonly condemned: readonly FoundRecord[];
  readonly deleting: readonly FoundRecord[];
}

/** Of a remote where no garbage was ever collected. */
export const noGarbage: GcState = { condemned: [], deleting: [] };

/** Reads what collectors have written. A record that is gone when it is looked at was dealt with. */
export async function readGcState(remote: Remote, signal: AbortSignal | undefined): Promise<GcState> {
  const entries: RemoteEntry[] = [];
  for await (const entry of remote.list(gcPrefix, { signal })) entries.push(entry);
  const read = async (prefix: string) => {
    const found = entries.filter(({ key }) => key.startsWith(prefix));
    const records = await inParallel(found, asksAtOnce, async (entry): Promise<FoundRecord[]> => {
      const bytes = await remote.get(entry.key, { signal });
      return bytes === undefined ? [] : [{ ...parseGcRecord(bytes, `${remote.url}/${entry.key}`), entry }];
    });
    return records.flat();
  };
  return {
    condemned: await read(condemnedPrefix),
    deleting: await read(deletingPrefix),
  };
}

/** The places of objects on a remote, without those in packs that may go. */
export class UsablePlaces {
  readonly #table: PlaceTable;
  readonly #packs: ReadonlySet<string>;
  readonly #blobs: Set<string>;

  constructor(table: PlaceTable, state: Pick<GcState, 'condemned' | 'deleting'>) {
    const records = [...state.condemned, ...state.deleting];
    this.#table = table;
    this.#packs = new Set(records.flatMap(({ packs }) => packs));
    this.#blobs = new Set(records.flatMap(({ blobs }) => blobs));
  }

  /** Whether a place may be relied on. */
  isUsable(digest: Digest, place: Place): boolean {
    return place.pack === undefined ? !this.#blobs.has(hexOf(digest)) : !this.#packs.has(place.pack);
  }

  /** Whether an idx (of what was sent and not published yet) may be relied on. */
  isUsablePack(name: string): boolean {
    return !this.#packs.has(name);
  }

  /** Takes blobs, whose names never change, for there again: they were just sent. */
  vouchFor(blobs: Iterable<Digest>): void {
    for (const digest of blobs) this.#blobs.delete(hexOf(digest));
  }

  /** The places of an object that may be relied on. */
  places(digest: Digest): Place[] {
    return this.#table.places(digest).filter((place) => this.isUsable(digest, place));
  }

  /** Whether there is one. */
  has(digest: Digest): boolean {
    if (this.#packs.size + this.#blobs.size === 0) return this.#table.has(digest);
    return this.places(digest).length > 0;
  }

  /** One of them. */
  find(digest: Digest): Place | undefined {
    if (this.#packs.size + this.#blobs.size === 0) return this.#table.find(digest);
    return this.places(digest)[0];
  }
}

/** Packs and blobs that roots name. */
export interface Relied {
  /** Names of packs. */
  readonly packs: Set<string>;
  readonly blobs: Set<Digest>;
}

/**
 * Asks, after roots were published, whether a collector may have deleted what they name without having seen them.
 * @param epoch what `loadIndexes` gave before anything was relied on.
 * @param relied what the roots name; only asked for when a collector has begun or ended something since.
 * @returns whether everything is there; if not, it is to be sent again.
 * @throws {DvError} remote-busy
 */
export async function isStillThere(
  remote: Remote,
  epoch: string | undefined,
  relied: () => Relied,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await remote.head(epochKey, { signal }))?.version === epoch) return true;
  // Who had begun before the roots were there may not have seen them, and ends first.
  const begun = new Set(await listDeleting(remote, signal));
  const giveUpAt = Date.now() + deletingMostMs;
  for (let open = [...begun]; open.some((key) => begun.has(key)); open = await listDeleting(remote, signal)) {
    if (Date.now() > giveUpAt) throw new DvError('remote-busy', { remote: remote.url });
    await sleep(pollMs, undefined, { ...(signal === undefined ? {} : { signal }) });
  }
  const { packs, blobs } = relied();
  const keys = [...[...packs].map(packKey), ...[...blobs].map(blobKey)];
  const found = await inParallel(keys, asksAtOnce, (key) => remote.head(key, { signal }));
  return found.every((entry) => entry !== undefined);
}

async function listDeleting(remote: Remote, signal: AbortSignal | undefined): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of remote.list(deletingPrefix, { signal })) keys.push(key);
  return keys;
}
