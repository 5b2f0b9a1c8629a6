/** Sends packs and blobs. What has arrived is noted at once, so that a push that is cut goes on from there. */
import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../../errors.ts';
import type { Report } from '../../events.ts';
import { type Digest, DigestBuilder, hexOf } from '../../model/digest.ts';
import { type Blob, formatIdx, type PackListing } from '../../model/idx.ts';
import { objectPath } from '../../store/cache.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { PackTask } from '../../store/pack-objects.ts';
import type { Remote, RemoteSource } from '../../store/remote.ts';
import { blobKey, packKey } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';
import type { Repo } from '../../store/repo.ts';
import { ThreadPool } from '../../store/thread-pool.ts';
import type { Parcel, PushPlan } from './plan-push.ts';

/** Packs and blobs on their way at once; each pack holds about 34 MB of memory. */
const sendsAtOnce = 4;
/** A blob is read in pieces of this many bytes. */
const pieceBytes = 8 << 20;

/** What was sent. */
export interface Sent {
  readonly packs: readonly PackListing[];
  readonly blobs: readonly Blob[];
  /** Objects the cache does not hold whole; everything else was sent. */
  readonly damaged: readonly Parcel[];
  readonly missing: readonly Parcel[];
}

/** What sending needs. */
export interface SendOptions {
  readonly repo: Repo;
  readonly remote: Remote;
  readonly state: RemoteState;
  /** Nothing is sent before this. */
  readonly ready: Promise<void>;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Ends the reading of a blob whose bytes are not those of its digest. */
class Damaged extends Error {}

/** Reads an object in pieces, and fails before the last one when it is not what its name says. */
function blobSource(path: string, digest: Digest, sizeBytes: number): RemoteSource {
  return {
    sizeBytes,
    async *read() {
      const file = openSync(path, 'r');
      const hash = new DigestBuilder();
      try {
        for (let at = 0; at < sizeBytes; ) {
          const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, sizeBytes - at));
          let filled = 0;
          while (filled < piece.length) {
            const got = readSync(file, piece, filled, piece.length - filled, null);
            if (got === 0) throw new Damaged();
            filled += got;
          }
          hash.update(piece);
          at += piece.length;
          if (at === sizeBytes && (readSync(file, Buffer.alloc(1)) !== 0 || hash.finish() !== digest))
            throw new Damaged();
          yield piece;
        }
      } finally {
        closeSync(file);
      }
    },
  };
}

/**
 * Sends what a plan says. Objects that turn out damaged or gone are left out and named; the others are sent.
 * Guarantee: a pack or blob is noted in `state` after all its bytes are on the remote; if the process dies, the
 * next push takes up the notes.
 * @throws what the remote throws, once nothing is on its way any more.
 */
export async function sendPlan(plan: PushPlan, options: SendOptions): Promise<Sent> {
  const { repo, remote, state, ready, report, signal } = options;
  // A failure is met by whoever waits for it first.
  ready.catch(() => {});
  const pool = new ThreadPool();
  const packs: PackListing[] = [];
  const blobs: Blob[] = [];
  const damaged: Parcel[] = [];
  const missing: Parcel[] = [];
  const spaces: ArrayBuffer[] = [];
  const all = [...plan.packs.flat(), ...plan.blobs];
  const totalFiles = all.length;
  const totalBytes = all.reduce((sum, parcel) => sum + parcel.sizeBytes, 0);
  let files = 0;
  let bytes = 0;
  const advance = (count: number, size: number) => {
    files += count;
    bytes += size;
    report({ type: 'progress', task: 'sending', files, totalFiles, bytes, totalBytes });
  };

  const sendPack = async (parcels: readonly Parcel[]) => {
    const size = { files: parcels.length, bytes: parcels.reduce((sum, parcel) => sum + parcel.sizeBytes, 0) };
    const task: PackTask = {
      kind: 'pack',
      objectsDir: repo.objectsDir,
      digests: parcels.map((parcel) => parcel.digest),
      sizes: parcels.map((parcel) => parcel.sizeBytes),
      deflate: parcels.map((parcel) => parcel.listing),
      space: spaces.pop(),
    };
    const made = await pool.run<'pack'>(task, size);
    for (const { digest, reason } of made.failures) {
      const parcel = parcels.find((candidate) => candidate.digest === digest)!;
      (reason === 'damaged' ? damaged : missing).push(parcel);
    }
    if (made.sizeBytes > 0) {
      await ready;
      signal?.throwIfAborted();
      await remote.put(packKey(made.name), new Uint8Array(made.space, 0, made.sizeBytes), { signal });
      const pack: PackListing = { name: made.name, sizeBytes: made.sizeBytes, objects: made.objects };
      state.noteSent(made.name, formatIdx([pack], []));
      packs.push(pack);
    }
    spaces.push(made.space);
    advance(
      parcels.length,
      parcels.reduce((sum, parcel) => sum + parcel.sizeBytes, 0),
    );
  };

  const sendBlob = async (parcel: Parcel) => {
    const { digest, sizeBytes } = parcel;
    await ready;
    try {
      await remote.putStream(blobKey(digest), blobSource(objectPath(repo, digest), digest, sizeBytes), {
        signal,
      });
    } catch (error) {
      if (error instanceof Damaged) damaged.push(parcel);
      else if (systemCode(error) === 'ENOENT') missing.push(parcel);
      else throw error;
      return;
    }
    const blob = { digest, sizeBytes };
    state.noteSent(hexOf(digest), formatIdx([], [blob]));
    blobs.push(blob);
    advance(1, sizeBytes);
  };

  try {
    const work = [
      ...plan.packs.map((pack) => () => sendPack(pack)),
      ...plan.blobs.map((blob) => () => sendBlob(blob)),
    ];
    await inParallel(work, sendsAtOnce, async (send) => {
      signal?.throwIfAborted();
      await send();
    });
    await ready;
  } finally {
    await pool.close();
  }
  return { packs, blobs, damaged, missing };
}
