/** `dv verify --remote`: whether a remote holds what some commits need, and putting back what it lost. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import { type Digest, hexOf } from '../model/digest.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { temporaryName } from '../store/atomic.ts';
import type { Remote } from '../store/remote.ts';
import { blobKey, idxKey, packKey, readIdentity, rootKey } from '../store/remote-layout.ts';
import { RemoteState } from '../store/remote-state.ts';
import type { Repo } from '../store/repo.ts';
import { push } from './push.ts';
import { dropFromIdx } from './remote-gc/drop-from-idx.ts';
import { type FoundRoot, listNamed, readRootsOf } from './remote-gc/survey.ts';
import { readSelection, type Selection } from './transfer/data-sets.ts';
import { type Known, loadIndexes } from './transfer/known.ts';
import { readPlaced } from './transfer/receive.ts';
import { hashPlaces, type PlacedObject } from './verify-remote/hash-places.ts';
import { readWanted, type WantedObject } from './verify-remote/wanted.ts';

/** How to verify. */
export interface VerifyRemoteOptions {
  /** Which data; by default the workspace and HEAD. */
  readonly select?: Selection;
  /** Whether bytes are downloaded and hashed; otherwise existence and sizes count. */
  readonly deep: boolean;
  /** Whether what is bad is put again, from the cache. */
  readonly repair: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Something that is not as it should be. */
export interface RemoteProblem {
  /** The key it is about; of an object that no idx lists, none. */
  readonly key?: string;
  /** Of an object. */
  readonly digest?: Digest;
  readonly problem: 'missing' | 'damaged';
  /** Where it is used. */
  readonly paths: readonly string[];
}

/** What was found. */
export interface VerifyRemoteResult {
  readonly remote: string;
  /** How many objects were looked at, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** What was bad. */
  readonly problems: readonly RemoteProblem[];
  /** With `repair`, what still is; else the same. */
  readonly open: readonly RemoteProblem[];
}

/**
 * Verifies a remote.
 * @throws {DvError} remote-empty, invalid-file, newer-format, unknown-revision, remote-*
 */
export async function verifyRemote(
  repo: Repo,
  remote: Remote,
  options: VerifyRemoteOptions,
): Promise<VerifyRemoteResult> {
  const identity = await readIdentity(remote, { signal: options.signal });
  if (identity === undefined) throw new DvError('remote-empty', { remote: remote.url });
  const state = new RemoteState(repo.dvDir, remote.url);
  state.bindTo(identity.id);
  const select = options.select ?? { workspace: true, revisions: ['HEAD'], all: false };
  const snapshots = await readSelection(repo, select);
  const found = await inspect(repo, remote, snapshots, options);
  const result = { remote: remote.url, objects: found.objects, bytes: found.bytes, problems: found.problems };
  if (!options.repair || found.problems.length === 0) return { ...result, open: found.problems };
  await repair(repo, remote, state, snapshots, found, options);
  const { problems } = await inspect(repo, remote, snapshots, options);
  return { ...result, open: problems };
}

/** What is wrong, and what must go from idx files before it can be put again. */
interface Inspected {
  readonly objects: number;
  readonly bytes: number;
  readonly problems: RemoteProblem[];
  /** Packs that are gone or cut. */
  readonly badPacks: Set<string>;
  readonly badBlobs: Set<Digest>;
  /** Objects whose bytes are wrong, by pack. */
  readonly badObjects: Map<string, Set<Digest>>;
}

async function inspect(
  repo: Repo,
  remote: Remote,
  snapshots: readonly Snapshot[],
  { deep, report = silent, signal }: VerifyRemoteOptions,
): Promise<Inspected> {
  const { table, files, listed } = await readIdxAnew(repo, remote, signal);
  const packs = await listNamed(remote, 'packs/', signal);
  const blobs = await listNamed(remote, 'blobs/', signal);
  const result: Inspected = {
    ...{ objects: 0, bytes: 0, problems: [] },
    ...{ badPacks: new Set(), badBlobs: new Set(), badObjects: new Map() },
  };
  const { problems, badPacks, badBlobs } = result;
  const whole = new Set(files.map(({ name }) => name));
  for (const name of listed)
    if (!whole.has(name)) problems.push({ key: idxKey(name), problem: 'damaged', paths: [] });
  for (const { idx } of files) {
    for (const { name, sizeBytes } of idx.packs)
      if (packs.get(name)?.sizeBytes !== sizeBytes) badPacks.add(name);
    for (const { digest, sizeBytes } of idx.blobs)
      if (blobs.get(hexOf(digest))?.sizeBytes !== sizeBytes) badBlobs.add(digest);
  }
  const wanted = await readWanted(repo, snapshots, (digest) =>
    readPlaced(remote, table.places(digest), digest, signal),
  );
  const placed: PlacedObject[] = [];
  const blamed = new Map<string, string[]>();
  const blame = (object: WantedObject, key: string | undefined) => {
    if (key === undefined) problems.push({ digest: object.digest, problem: 'missing', paths: [object.path] });
    else blamed.set(key, [...(blamed.get(key) ?? []), object.path]);
  };
  for (const object of wanted.objects) {
    const places = table.places(object.digest);
    const good = places.find(({ pack }) =>
      pack === undefined ? !badBlobs.has(object.digest) : !badPacks.has(pack),
    );
    if (good !== undefined) placed.push({ ...object, place: good });
    else {
      const bad = places[0];
      blame(object, bad && (bad.pack === undefined ? blobKey(object.digest) : packKey(bad.pack)));
    }
  }
  for (const [key, paths] of blamed) {
    const there = packs.has(key.slice(9, 73)) || blobs.has(key.slice(9));
    problems.push({ key, problem: there ? 'damaged' : 'missing', paths });
  }
  for (const { digest, path } of wanted.lost) problems.push({ digest, problem: 'missing', paths: [path] });
  await inspectRoots(
    remote,
    snapshots,
    { report: silent, signal },
    (name) => packs.has(name) && !badPacks.has(name),
    problems,
  );
  if (deep) {
    for (const { digest, place, path } of await hashPlaces(remote, placed, { report, signal })) {
      const key = place.pack === undefined ? blobKey(digest) : packKey(place.pack);
      problems.push({ key, digest, problem: 'damaged', paths: [path] });
      if (place.pack === undefined) badBlobs.add(digest);
      else result.badObjects.set(place.pack, (result.badObjects.get(place.pack) ?? new Set()).add(digest));
    }
  }
  const bytes = wanted.objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { ...result, objects: wanted.objects.length, bytes };
}

/** Reads all idx files from the remote, also those this machine remembers: what counts is what others will read. */
async function readIdxAnew(repo: Repo, remote: Remote, signal: AbortSignal | undefined): Promise<Known> {
  const scratch = join(repo.temporaryDir, temporaryName());
  try {
    return await loadIndexes(remote, new RemoteState(scratch, remote.url), { report: silent, signal });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Roots of the snapshots and their trees: there, whole, and naming packs that are there. */
async function inspectRoots(
  remote: Remote,
  snapshots: readonly Snapshot[],
  talk: { report: Report; signal: AbortSignal | undefined },
  isGoodPack: (name: string) => boolean,
  problems: RemoteProblem[],
): Promise<void> {
  const wanted = new Map<Digest, string[]>();
  for (const snapshot of snapshots) {
    wanted.set(
      snapshot.digest,
      snapshot.refs.map(({ path }) => path),
    );
    for (const { pointer, path } of snapshot.refs)
      if (pointer.kind === 'tree' && !wanted.has(pointer.digest)) wanted.set(pointer.digest, [path]);
  }
  const roots = await readRootsOf(remote, [...wanted.keys()], talk);
  const found = new Map<string, FoundRoot>(roots.map((root) => [root.name, root]));
  for (const [digest, paths] of wanted) {
    const root = found.get(hexOf(digest));
    const bad = root !== undefined && (root.data.length === 0 || !root.packs.every(isGoodPack));
    if (root === undefined || bad)
      problems.push({ key: rootKey(digest), problem: bad ? 'damaged' : 'missing', paths });
  }
}

/** Takes what is bad out of the idx files, then pushes: what is not listed any more is sent again, and roots are written anew. */
async function repair(
  repo: Repo,
  remote: Remote,
  state: RemoteState,
  snapshots: readonly Snapshot[],
  { problems, badPacks, badBlobs, badObjects }: Inspected,
  { report = silent, signal }: VerifyRemoteOptions,
): Promise<void> {
  for (const { key } of problems) {
    // A damaged idx says nothing to anybody.
    if (key?.startsWith('idx/')) await remote.delete(key, { signal });
  }
  await dropFromIdx(
    remote,
    state,
    { packs: badPacks, blobs: badBlobs, objects: badObjects },
    { report: silent, signal },
  );
  // Each for itself: what one lacks here must not keep the others from being healed.
  for (const snapshot of snapshots) {
    try {
      await push(repo, remote, {
        ...{ sets: [snapshot.refs], rewriteRoots: true, report },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!isDvError(error, 'data-missing') && !isDvError(error, 'objects-damaged')) throw error;
    }
  }
}
