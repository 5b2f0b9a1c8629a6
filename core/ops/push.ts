/** `dv push`: makes a remote hold everything some commits and the workspace point at. */
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { type Blob, type PackListing, packListings } from '../model/idx.ts';
import { blobPlace, columnsOf, type Place } from '../model/place.ts';
import type { PlaceTable } from '../model/place-table.ts';
import { formatSnapshotRoot, formatTreeRoot } from '../model/root.ts';
import type { DataRef, Snapshot } from '../model/snapshot.ts';
import { type ReadObject, readTree, treeObjects } from '../model/tree.ts';
import { countRequests } from '../store/counted-remote.ts';
import { inParallel } from '../store/in-parallel.ts';
import type { Remote } from '../store/remote.ts';
import { blobKey, makeIdentity, packKey, readIdentity, rootKey } from '../store/remote-layout.ts';
import { RemoteState } from '../store/remote-state.ts';
import type { Repo } from '../store/repo.ts';
import { distinctData, distinctSnapshots, readSelection, type Selection } from './transfer/data-sets.ts';
import { isStillThere, noGarbage, type Relied, readGcState, UsablePlaces } from './transfer/gc-state.ts';
import { type IdxListing, listIdxAndEpoch, loadIndexes } from './transfer/known.ts';
import {
  listingReader,
  listingsElsewhere,
  type Parcel,
  type PushPlan,
  planPush,
} from './transfer/plan-push.ts';
import { publishIdx } from './transfer/publish-idx.ts';
import { readPlaced } from './transfer/receive.ts';
import { runsToSend, sendRuns } from './transfer/runs.ts';
import { sendPlan } from './transfer/send.ts';

/** How to push. */
export interface PushOptions {
  /** Sets of data, one per commit; takes the place of `select`. */
  readonly sets?: readonly (readonly DataRef[])[];
  /** Which commits; by default the workspace as it stands and HEAD. */
  readonly select?: Selection;
  /** Only find out what would be sent. */
  readonly dryRun?: boolean;
  /** Writes all roots anew, also those that are there: what they name may have been moved. */
  readonly rewriteRoots?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What a push did (or, with `dryRun`, would do). */
export interface PushResult {
  /** The remote's URL. */
  readonly remote: string;
  /** Objects sent: files and listings. */
  readonly objects: number;
  /** Of these, files. */
  readonly files: number;
  /** The files' bytes. */
  readonly bytes: number;
  readonly packs: number;
  readonly requests: number;
  /** Whether the remote held everything before. */
  readonly upToDate: boolean;
}

/** How many small questions are asked at once. */
const asksAtOnce = 16;

/**
 * Pushes data. Order: packs and blobs, then the idx that says what is in them, then the roots of trees, then
 * those of snapshots, then run cache entries; nothing is claimed before it is there. When everything is there already, that is one
 * request per snapshot.
 * Guarantee: if the process dies, the remote holds nothing that says more than is true, and the next push goes
 * on from the last pack that arrived whole. Two pushes at once may send the same objects twice; both succeed.
 * @throws {DvError} data-missing, objects-damaged (after everything else was sent), newer-format, remote-*.
 */
export async function push(repo: Repo, target: Remote, options: PushOptions = {}): Promise<PushResult> {
  const { report = silent, signal } = options;
  const remote = countRequests(target);
  const snapshots =
    options.sets === undefined
      ? await readSelection(repo, options.select ?? { workspace: true, revisions: ['HEAD'], all: false })
      : distinctSnapshots(options.sets);
  const result = (plan: Pick<PushPlan, 'packs' | 'blobs'>, upToDate: boolean): PushResult => {
    const sent = [...plan.packs.flat(), ...plan.blobs];
    const files = sent.filter((parcel) => !parcel.listing);
    return {
      remote: remote.url,
      objects: sent.length,
      files: files.length,
      bytes: files.reduce((sum, parcel) => sum + parcel.sizeBytes, 0),
      packs: plan.packs.length,
      requests: remote.traffic.requests,
      upToDate,
    };
  };

  const there = await inParallel(snapshots, asksAtOnce, async ({ digest }) =>
    remote.head(rootKey(digest), { signal }),
  );
  const unrooted = snapshots.filter((_, i) => there[i] === undefined || options.rewriteRoots);
  const state = new RemoteState(repo.dvDir, remote.url);
  if (unrooted.length === 0 && runsToSend(repo, state, snapshots).length === 0) {
    return result({ packs: [], blobs: [] }, true);
  }

  // Who the remote is and what it lists are asked together: neither answer changes the other question.
  const listing = listIdxAndEpoch(remote, signal);
  listing.catch(() => {});
  const identity = await readIdentity(remote, { signal });
  if (identity !== undefined) state.bindTo(identity.id);
  const pushing = { repo, remote, state, snapshots, unrooted, report, signal };
  let sentAll: Pick<PushPlan, 'packs' | 'blobs'> = { packs: [], blobs: [] };
  for (let attempt = 1; ; attempt++) {
    const { plan, epoch, relied } = await pushOnce(pushing, {
      dryRun: options.dryRun ?? false,
      again: attempt > 1 || options.rewriteRoots === true,
      ...(attempt === 1 ? { listing, isNew: identity === undefined } : { isNew: false }),
    });
    sentAll = { packs: [...sentAll.packs, ...plan.packs], blobs: [...sentAll.blobs, ...plan.blobs] };
    if (options.dryRun || (await isStillThere(remote, epoch, relied, signal))) return result(sentAll, false);
    if (attempt === mostAttempts) throw new DvError('remote-busy', { remote: remote.url });
  }
}

/** How often a push is repeated because garbage collection took away what it relied on. */
const mostAttempts = 5;

/** What all attempts of one push share. */
interface Pushing {
  readonly repo: Repo;
  readonly remote: Remote;
  readonly state: RemoteState;
  readonly snapshots: readonly Snapshot[];
  readonly unrooted: readonly Snapshot[];
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Sends what is missing and publishes the roots. With `again`, roots that are there are written anew. */
async function pushOnce(
  { repo, remote, state, snapshots, unrooted, report, signal }: Pushing,
  how: {
    dryRun: boolean;
    again: boolean;
    /** What the remote lists, if it was asked already. */
    listing?: Promise<IdxListing>;
    /** Whether nothing was ever pushed there. */
    isNew: boolean;
  },
): Promise<{ plan: PushPlan; epoch: string | undefined; relied: () => Relied }> {
  const { table, files: indexes, epoch } = await loadIndexes(remote, state, { report, signal }, how.listing);
  const known = new UsablePlaces(table, epoch === undefined ? noGarbage : await readGcState(remote, signal));
  const earlier = await takeUpNotes(remote, state, table, known, signal);

  const runs = runsToSend(repo, state, snapshots);
  const refs = [...distinctData(unrooted), ...runs.flatMap((run) => run.metrics)];
  const { fetched, rooted } = await readListings(repo, remote, refs, known, signal);
  const onRemote = (digest: Digest) => known.has(digest);
  const plan = planPush(repo, { refs, onRemote, fetched, rooted }, remote.url);
  const read = listingReader(repo, fetched);
  const relied = () => reliedOn(refs, known, read);
  if (how.dryRun) return { plan, epoch, relied };

  // While the first packs are made, a place that was never pushed to becomes a remote; before that nothing is sent.
  const ready = how.isNew ? makeRemote(remote, state, signal) : Promise.resolve();
  const sent = await sendPlan(plan, { repo, remote, state, ready, report, signal });
  const packs = [...earlier.packs, ...sent.packs];
  const blobs = [...earlier.blobs, ...sent.blobs];
  if (packs.length + blobs.length > 0) {
    table.add(await publishIdx({ packs, blobs }, indexes, { remote, state, signal }));
    state.forgetSent([...packs.map((pack) => pack.name), ...blobs.map((blob) => blob.digest.slice(7))]);
  }
  refuseIncomplete(remote, sent);
  known.vouchFor(blobs.map(({ digest }) => digest));
  await putRoots({ remote, plan, snapshots: unrooted, known, read, again: how.again, signal });
  await sendRuns(remote, state, runs, signal);
  return { plan, epoch, relied };
}

/** The packs and blobs that hold what some data needs, as far as its listings can be read. */
function reliedOn(refs: readonly DataRef[], known: UsablePlaces, read: ReadObject): Relied {
  const relied: Relied = { packs: new Set(), blobs: new Set() };
  const take = (digest: Digest) => {
    const place = known.find(digest);
    if (place?.pack !== undefined) relied.packs.add(place.pack);
    else if (place !== undefined) relied.blobs.add(digest);
  };
  for (const { pointer } of refs) {
    if (pointer.kind === 'file') take(pointer.digest);
    else {
      try {
        for (const digest of treeObjects(pointer.digest, read)) take(digest);
        for (const { digest } of readTree(pointer.digest, read)) take(digest);
      } catch (error) {
        // A tree whose root is there, and whose listing never was here.
        if (!isDvError(error, 'object-missing')) throw error;
      }
    }
  }
  return relied;
}

/** Gives a place its identity, which is needed before anything is remembered of it. */
async function makeRemote(
  remote: Remote,
  state: RemoteState,
  signal: AbortSignal | undefined,
): Promise<void> {
  state.bindTo((await makeIdentity(remote, { signal })).id);
}

/** Objects that were to be sent and could not be: nothing is claimed. */
function refuseIncomplete(
  remote: Remote,
  sent: { damaged: readonly Parcel[]; missing: readonly Parcel[] },
): void {
  const paths = (parcels: readonly Parcel[]) => parcels.map((parcel) => parcel.path).sort();
  if (sent.damaged.length > 0) {
    throw new DvError('objects-damaged', {
      paths: paths([...sent.damaged, ...sent.missing]),
      where: 'the cache',
    });
  }
  if (sent.missing.length > 0) {
    throw new DvError('data-missing', {
      paths: paths(sent.missing),
      where: `the cache, nor on ${remote.url}`,
    });
  }
}

/** Packs and blobs an earlier push sent before it was cut. Those that are still there need not be sent again. */
async function takeUpNotes(
  remote: Remote,
  state: RemoteState,
  table: PlaceTable,
  known: UsablePlaces,
  signal: AbortSignal | undefined,
): Promise<{ packs: PackListing[]; blobs: Blob[] }> {
  const packs: PackListing[] = [];
  const blobs: Blob[] = [];
  await inParallel(state.listSent(), asksAtOnce, async ({ name, idx }) => {
    const keys = [
      ...idx.packs.map((pack) => ({ key: packKey(pack.name), sizeBytes: pack.sizeBytes })),
      ...idx.blobs.map((blob) => ({ key: blobKey(blob.digest), sizeBytes: blob.sizeBytes })),
    ];
    // What may go before an idx names it is sent again.
    if (
      !idx.packs.every((pack) => known.isUsablePack(pack.name)) ||
      !idx.blobs.every((blob) => known.isUsable(blob.digest, blobPlace))
    ) {
      state.forgetSent([name]);
      return;
    }
    for (const { key, sizeBytes } of keys) {
      if ((await remote.head(key, { signal }))?.sizeBytes !== sizeBytes) {
        state.forgetSent([name]);
        return;
      }
    }
    packs.push(...packListings(idx));
    blobs.push(...idx.blobs);
    table.add(idx);
  });
  return { packs, blobs };
}

/**
 * Listings the cache does not hold: a tree whose root is on the remote needs none; of the others they are read
 * from there, where they are. A repository that pushes what it never pulled has such trees.
 */
async function readListings(
  repo: Repo,
  remote: Remote,
  refs: readonly DataRef[],
  known: UsablePlaces,
  signal: AbortSignal | undefined,
): Promise<{ fetched: Map<Digest, Uint8Array>; rooted: Set<Digest> }> {
  const fetched = new Map<Digest, Uint8Array>();
  const rooted = new Set<Digest>();
  const asked = new Set<Digest>();
  for (;;) {
    const open = listingsElsewhere(repo, refs, fetched).filter(({ tree }) => !rooted.has(tree));
    const news = open.flatMap(({ missing }) => missing).filter((digest) => !asked.has(digest));
    if (news.length === 0) return { fetched, rooted };
    await inParallel(open, asksAtOnce, async ({ tree, missing }) => {
      if (!asked.has(tree) && (await remote.head(rootKey(tree), { signal })) !== undefined) rooted.add(tree);
      for (const digest of missing) {
        asked.add(digest);
        if (rooted.has(tree)) continue;
        const bytes = await readPlaced(remote, known.places(digest), digest, signal);
        if (bytes !== undefined) fetched.set(digest, bytes);
      }
    });
  }
}

/** Writes the roots the remote lacks: of trees first, then of the snapshots that name them. */
async function putRoots(job: {
  remote: Remote;
  plan: PushPlan;
  snapshots: readonly Snapshot[];
  known: UsablePlaces;
  read: ReadObject;
  /** Whether roots that are there are written anew: what they name may be gone. */
  again: boolean;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { remote, plan, snapshots, known, read, again, signal } = job;
  const placeOf = (digest: Digest): Place => {
    const place = known.find(digest);
    if (place === undefined) throw new Error(`${digest} was neither sent nor on ${remote.url}`);
    return place;
  };
  await inParallel(plan.trees, asksAtOnce, async (tree) => {
    if (!again && !plan.incomplete.has(tree) && (await remote.head(rootKey(tree), { signal })) !== undefined)
      return;
    // Read again rather than kept: the listings of many branches together may not fit in memory.
    const own = treeObjects(tree, read);
    const entries = readTree(tree, read).map((entry) => entry.digest);
    const places = columnsOf([...own, ...entries].map(placeOf));
    await remote.put(rootKey(tree), formatTreeRoot({ tree, own, places }), { signal });
  });
  await inParallel(snapshots, asksAtOnce, async (snapshot) => {
    const files = snapshot.refs.filter((ref) => ref.pointer.kind === 'file');
    const places = columnsOf(files.map((ref) => placeOf(ref.pointer.digest)));
    await remote.put(rootKey(snapshot.digest), formatSnapshotRoot({ snapshot, places }), { signal });
  });
}
