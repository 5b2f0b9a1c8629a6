/** Taking packs and blobs out of idx files, so that nobody relies on them any more. */
import type { Digest } from '../../model/digest.ts';
import { formatIdx, type Idx, idxNameOf, packListings } from '../../model/idx.ts';
import type { Remote } from '../../store/remote.ts';
import { idxKey } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';
import { type KnownOptions, loadIndexes } from '../transfer/known.ts';

/** What an idx must not name any more. */
export interface Dropped {
  /** Names of packs. */
  readonly packs: ReadonlySet<string>;
  readonly blobs: ReadonlySet<Digest>;
  /** Objects that are not whole in a pack: pack → digests. */
  readonly objects?: ReadonlyMap<string, ReadonlySet<Digest>>;
}

/** Somebody who merges may put back what was dropped, once, before noticing. */
const mostRounds = 10;

const names = (idx: Idx, { packs, blobs, objects }: Dropped) =>
  idx.packs.some(({ name }) => packs.has(name)) ||
  idx.blobs.some(({ digest }) => blobs.has(digest)) ||
  (objects !== undefined &&
    idx.packs.some(({ name }) => objects.has(name)) &&
    packListings(idx).some((pack) => pack.objects.some(({ digest }) => objects.get(pack.name)?.has(digest))));

/**
 * Replaces idx files by others without what is dropped, until none names it: each is written anew before the old one
 * goes, so that at every instant all else that some idx listed is listed.
 * @returns whether none names it any more.
 */
export async function dropFromIdx(
  remote: Remote,
  state: RemoteState,
  dropped: Dropped,
  options: KnownOptions,
): Promise<boolean> {
  for (let round = 0; round < mostRounds; round++) {
    const { files } = await loadIndexes(remote, state, options);
    const open = files.filter(({ idx }) => names(idx, dropped));
    if (open.length === 0) return true;
    for (const { idx, entry } of open) {
      options.signal?.throwIfAborted();
      const packs = packListings(idx)
        .filter(({ name }) => !dropped.packs.has(name))
        .map((pack) => ({
          ...pack,
          objects: pack.objects.filter(({ digest }) => !dropped.objects?.get(pack.name)?.has(digest)),
        }))
        .filter(({ objects }) => objects.length > 0);
      const blobs = idx.blobs.filter(({ digest }) => !dropped.blobs.has(digest));
      if (packs.length + blobs.length > 0) {
        const bytes = formatIdx(packs, blobs);
        await remote.put(idxKey(idxNameOf(bytes)), bytes, { signal: options.signal });
      }
      await remote.delete(entry.key, { version: entry.version, signal: options.signal });
    }
  }
  return false;
}
