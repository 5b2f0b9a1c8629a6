/** Which objects some snapshots need, each once, and where it is used. */
import { isDvError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { parseIndex, readTree, treeObjects } from '../../model/tree.ts';
import { readObject } from '../../store/cache.ts';
import type { Repo } from '../../store/repo.ts';
import { distinctData } from '../transfer/data-sets.ts';

/** An object that is needed. */
export interface WantedObject {
  readonly digest: Digest;
  /** Of a listing its own bytes; of a file what the listing says. */
  readonly sizeBytes: number;
  readonly path: string;
}

/**
 * Lists what snapshots need. Listings come from the cache, or from the remote.
 * @returns also the listings nobody has (`lost`): what they name is not known.
 */
export async function readWanted(
  repo: Repo,
  snapshots: readonly Snapshot[],
  readRemote: (digest: Digest) => Promise<Uint8Array | undefined>,
): Promise<{ objects: WantedObject[]; lost: { digest: Digest; path: string }[] }> {
  const found = new Map<Digest, WantedObject>();
  const lost: { digest: Digest; path: string }[] = [];
  const want = (object: WantedObject) => {
    if (!found.has(object.digest)) found.set(object.digest, object);
  };
  for (const { path, pointer } of distinctData(snapshots)) {
    if (pointer.kind === 'file') {
      want({ digest: pointer.digest, sizeBytes: pointer.bytes, path });
      continue;
    }
    const listings = new Map<Digest, Uint8Array>();
    const load = async (digest: Digest): Promise<Uint8Array | undefined> => {
      const bytes = readCached(repo, digest) ?? (await readRemote(digest));
      if (bytes === undefined) lost.push({ digest, path });
      else listings.set(digest, bytes);
      return bytes;
    };
    const top = await load(pointer.digest);
    if (top === undefined) continue;
    for (const leaf of parseIndex(top, `tree ${pointer.digest}`) ?? []) await load(leaf.digest);
    const read = (digest: Digest) => listings.get(digest)!;
    for (const digest of treeObjects(pointer.digest, read))
      want({ digest, sizeBytes: listings.get(digest)?.length ?? 0, path });
    if (lost.some((each) => each.path === path)) continue;
    for (const entry of readTree(pointer.digest, read))
      want({ digest: entry.digest, sizeBytes: entry.sizeBytes, path: `${path}/${entry.path}` });
  }
  return { objects: [...found.values()], lost };
}

function readCached(repo: Repo, digest: Digest): Uint8Array | undefined {
  try {
    return readObject(repo, digest);
  } catch (error) {
    if (isDvError(error, 'object-missing') || isDvError(error, 'object-damaged')) return undefined;
    throw error;
  }
}
