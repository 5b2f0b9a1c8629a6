/** What a push has to send: everything its snapshots need that the remote does not hold. */
import { DvError, isDvError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { packMostObjects, packTargetBytes } from '../../model/pack.ts';
import { blobMinBytes } from '../../model/place.ts';
import { isWithin } from '../../model/repo-path.ts';
import type { DataRef } from '../../model/snapshot.ts';
import { readTree, treeObjects } from '../../model/tree.ts';
import { objectSize, readObject } from '../../store/cache.ts';
import { missingObjects } from '../../store/objects.ts';
import type { Repo } from '../../store/repo.ts';
import { listUncommitted } from '../../store/uncommitted.ts';

/** An object to send. */
export interface Parcel {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Whether it is (part of) a tree's listing, which deflates well, rather than a file's bytes. */
  readonly listing: boolean;
  /** Where its bytes are used, for messages. */
  readonly path: string;
}

/** What will be sent. */
export interface PushPlan {
  /** Trees whose listings can be read here, each once: these may need a root. */
  readonly trees: readonly Digest[];
  /** Objects per pack, in path order. */
  readonly packs: readonly (readonly Parcel[])[];
  readonly blobs: readonly Parcel[];
  /** Trees of which something is to be sent: their roots cannot be on the remote yet. */
  readonly incomplete: ReadonlySet<Digest>;
}

/** What a plan is made from. */
export interface PushSources {
  /** The data of all snapshots, each once, in path order. */
  readonly refs: readonly DataRef[];
  /** Whether the remote holds an object. */
  onRemote(digest: Digest): boolean;
  /** Listings that are only on the remote, by digest: those `listingsElsewhere` asked for. */
  readonly fetched: ReadonlyMap<Digest, Uint8Array>;
  /** Trees whose roots are on the remote, as far as that was asked. */
  readonly rooted: ReadonlySet<Digest>;
}

/** Reads a listing's object from the cache, or from what was fetched. @throws {DvError} object-missing, object-damaged */
export const listingReader = (repo: Repo, fetched: ReadonlyMap<Digest, Uint8Array>) => (digest: Digest) =>
  fetched.get(digest) ?? readObject(repo, digest);

/** The listings (trees and leaves) of some data that the cache does not hold, as far as can be seen yet. */
export function listingsElsewhere(
  repo: Repo,
  refs: readonly DataRef[],
  fetched: ReadonlyMap<Digest, Uint8Array>,
): { tree: Digest; missing: Digest[] }[] {
  const read = listingReader(repo, fetched);
  return refs.flatMap(({ pointer }) => {
    if (pointer.kind !== 'tree') return [];
    const tree = pointer.digest;
    const has = (digest: Digest) => fetched.has(digest) || objectSize(repo, digest) !== undefined;
    if (!has(tree)) return [{ tree, missing: [tree] }];
    try {
      const missing = treeObjects(tree, read).filter((digest) => !has(digest));
      return missing.length > 0 ? [{ tree, missing }] : [];
    } catch (error) {
      if (isDvError(error, 'object-damaged')) return [];
      throw error;
    }
  });
}

/**
 * Plans a push. Reads listings, but no data.
 * @throws {DvError} data-missing naming every path whose bytes are neither here nor there; objects-damaged
 *   naming listings the cache holds damaged; invalid-file of a listing.
 */
export function planPush(repo: Repo, sources: PushSources, remoteUrl: string): PushPlan {
  const readOnce = listingReader(repo, sources.fetched);
  const trees: Digest[] = [];
  const parcels = new Map<Digest, Parcel>();
  const incomplete = new Set<Digest>();
  const lost: string[] = [];
  const damaged: string[] = [];

  for (const ref of sources.refs) {
    const { pointer, path } = ref;
    const listings = new Map<Digest, Uint8Array>();
    const read = (digest: Digest) => {
      const bytes = listings.get(digest) ?? readOnce(digest);
      listings.set(digest, bytes);
      return bytes;
    };
    const wanted: Parcel[] = [];
    const want = (parcel: Parcel) => {
      if (!sources.onRemote(parcel.digest)) wanted.push(parcel);
    };
    if (pointer.kind === 'file') {
      want({ digest: pointer.digest, sizeBytes: pointer.bytes, listing: false, path });
    } else {
      try {
        const own = treeObjects(pointer.digest, read);
        const entries = readTree(pointer.digest, read);
        for (const digest of own) {
          want({ digest, sizeBytes: read(digest).length, listing: true, path });
        }
        for (const entry of entries) {
          want({
            digest: entry.digest,
            sizeBytes: entry.sizeBytes,
            listing: false,
            path: `${path}/${entry.path}`,
          });
        }
        trees.push(pointer.digest);
      } catch (error) {
        if (isDvError(error, 'object-damaged')) damaged.push(path);
        else if (!isDvError(error, 'object-missing')) throw error;
        else if (!sources.rooted.has(pointer.digest)) lost.push(path);
        continue;
      }
    }
    if (wanted.length === 0) continue;
    const absent = new Set(
      missingObjects(
        repo,
        wanted.filter(({ digest }) => !sources.fetched.has(digest)).map(({ digest }) => digest),
      ),
    );
    for (const parcel of wanted) {
      if (absent.has(parcel.digest)) lost.push(parcel.path);
      else if (!parcels.has(parcel.digest)) parcels.set(parcel.digest, parcel);
    }
    if (pointer.kind === 'tree') incomplete.add(pointer.digest);
  }
  if (damaged.length > 0) throw new DvError('objects-damaged', { paths: damaged, where: 'the cache' });
  if (lost.length > 0) {
    throw new DvError('data-missing', {
      paths: [...new Set(lost)],
      where: `the cache, nor on ${remoteUrl}`,
      hint: isOnlyRecorded(repo, lost)
        ? 'dv commit, and push again: what dv add --no-commit recorded is only in the workspace'
        : 'push from where the data was added, or dv add the paths again if their files are here',
    });
  }
  return { trees, ...fillPacks([...parcels.values()]), incomplete };
}

/** Whether something that is missing was recorded here without its bytes. */
function isOnlyRecorded(repo: Repo, lost: readonly string[]): boolean {
  const noted = [...listUncommitted(repo)];
  return lost.some((path) => noted.some((folder) => isWithin(path, folder)));
}

/** Cuts objects into packs, in order; large ones go by themselves. */
function fillPacks(parcels: readonly Parcel[]): Pick<PushPlan, 'packs' | 'blobs'> {
  const packs: Parcel[][] = [];
  const blobs: Parcel[] = [];
  let pack: Parcel[] = [];
  let packBytes = 0;
  for (const parcel of parcels) {
    if (parcel.sizeBytes >= blobMinBytes) {
      blobs.push(parcel);
      continue;
    }
    pack.push(parcel);
    packBytes += parcel.sizeBytes;
    if (packBytes >= packTargetBytes || pack.length >= packMostObjects) {
      packs.push(pack);
      pack = [];
      packBytes = 0;
    }
  }
  if (pack.length > 0) packs.push(pack);
  return { packs, blobs };
}
