/** What remotes confirm to hold: objects that an idx lists in a pack or blob that is there, with its size. */
import { DvError } from '../../errors.ts';
import type { Report } from '../../events.ts';
import type { Digest } from '../../model/digest.ts';
import type { Place } from '../../model/place.ts';
import type { PlaceTable } from '../../model/place-table.ts';
import type { Remote } from '../../store/remote.ts';
import { blobKey, packKey, readIdentity } from '../../store/remote-layout.ts';
import { RemoteState } from '../../store/remote-state.ts';
import type { Repo } from '../../store/repo.ts';
import { noGarbage, readGcState, UsablePlaces } from './gc-state.ts';
import { loadIndexes } from './known.ts';
import { readPlaced } from './receive.ts';

/** A remote that can be asked. */
export interface NamedRemote {
  readonly name: string;
  /** The caller of this closes it. */
  open(): Promise<Remote>;
}

/** What all remotes together hold. */
export interface Holdings {
  /** Whether some remote confirms to hold an object. */
  has(digest: Digest): boolean;
  /** Where each remote's idx files say that an object is. */
  readonly sources: readonly { readonly remote: Remote; places(digest: Digest): readonly Place[] }[];
  /** Reads a small object from whichever remote has it. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Remotes that could not be asked, and why: what only they may hold is not confirmed. */
  readonly unasked: readonly { readonly remote: string; readonly reason: string }[];
  close(): Promise<void>;
}

/** One remote's packs and blobs, and what they hold. */
interface Held {
  readonly remote: Remote;
  readonly table: PlaceTable;
  /** Without what its own garbage collection is about to take. */
  readonly usable: UsablePlaces;
  /** Key → bytes, of packs and blobs that are there. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Asks the remotes. One that cannot be reached is named and left out. */
export async function askRemotes(
  repo: Repo,
  remotes: readonly NamedRemote[],
  options: { report: Report; signal: AbortSignal | undefined },
): Promise<Holdings> {
  const all: Held[] = [];
  const unasked: { remote: string; reason: string }[] = [];
  const opened: Remote[] = [];
  for (const { name, open } of remotes) {
    try {
      const remote = await open();
      opened.push(remote);
      const held = await askOne(repo, remote, options);
      if (held !== undefined) all.push(held);
    } catch (error) {
      if (!(error instanceof DvError)) throw error;
      unasked.push({ remote: name, reason: error.message });
    }
  }
  const confirmed = ({ usable, sizes }: Held, digest: Digest) =>
    usable
      .places(digest)
      .some(({ pack, offset, length }) =>
        pack === undefined ? sizes.has(blobKey(digest)) : (sizes.get(packKey(pack)) ?? -1) >= offset + length,
      );
  return {
    unasked,
    sources: all.map(({ remote, table }) => ({ remote, places: (digest) => table.places(digest) })),
    has: (digest) => all.some((held) => confirmed(held, digest)),
    async read(digest) {
      for (const { remote, table } of all) {
        const bytes = await readPlaced(remote, table.places(digest), digest, options.signal);
        if (bytes !== undefined) return bytes;
      }
      return undefined;
    },
    async close() {
      for (const remote of opened) await remote.close();
    },
  };
}

/** What one remote holds; undefined when nothing was ever pushed there. */
async function askOne(
  repo: Repo,
  remote: Remote,
  { report, signal }: { report: Report; signal: AbortSignal | undefined },
): Promise<Held | undefined> {
  const identity = await readIdentity(remote, { signal });
  if (identity === undefined) return undefined;
  const state = new RemoteState(repo.dvDir, remote.url);
  state.bindTo(identity.id);
  const { table, epoch } = await loadIndexes(remote, state, { report, signal });
  const usable = new UsablePlaces(table, epoch === undefined ? noGarbage : await readGcState(remote, signal));
  const sizes = new Map<string, number>();
  for (const prefix of ['packs/', 'blobs/']) {
    for await (const { key, sizeBytes } of remote.list(prefix, { signal })) sizes.set(key, sizeBytes);
  }
  return { remote, table, usable, sizes };
}
