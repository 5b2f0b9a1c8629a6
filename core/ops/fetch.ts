/** `dv fetch`: brings what some commits and the workspace point at from a remote into the cache. */
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { type Place, placeAt } from '../model/place.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { TreeRoot } from '../model/root.ts';
import type { DataRef, Snapshot } from '../model/snapshot.ts';
import { readTree, treeObjects } from '../model/tree.ts';
import { hasObject, readObject } from '../store/cache.ts';
import { CacheWriter } from '../store/cache-writer.ts';
import { countRequests } from '../store/counted-remote.ts';
import { removeOldTemporaries } from '../store/leftovers.ts';
import { missingObjects } from '../store/objects.ts';
import type { Remote } from '../store/remote.ts';
import { readIdentity, rootKey } from '../store/remote-layout.ts';
import { RemoteState } from '../store/remote-state.ts';
import type { Repo } from '../store/repo.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { type ChosenData, chooseData } from './choose-data.ts';
import { distinctContents, distinctSnapshots, readSelection, type Selection } from './transfer/data-sets.ts';
import { type NotFetched, ObjectFetcher, type Open } from './transfer/object-fetcher.ts';
import { type RootReading, readFilePlaces, readTreeRoots } from './transfer/read-roots.ts';
import { listMissingRuns, receiveRuns, refsOfRun } from './transfer/runs.ts';

/** How to fetch. */
export interface FetchOptions {
  /** Sets of data, one per commit; takes the place of `select`. */
  readonly sets?: readonly (readonly DataRef[])[];
  /** Which commits; by default the workspace as it stands. */
  readonly select?: Selection;
  /** Only what is at, below or (as a pattern) matched by these paths; they may lie inside a tracked folder. */
  readonly paths?: readonly RepoPath[];
  /** Only find out what would be fetched: listings, which tell, are fetched all the same. */
  readonly dryRun?: boolean;
  /** Leave the run cache alone: it belongs to the repository the data is of. Default: what others computed comes too. */
  readonly dataOnly?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What a fetch did (or, with `dryRun`, would do). */
export interface FetchResult {
  /** The remote's URL. */
  readonly remote: string;
  /** Objects that arrived: files and listings. */
  readonly objects: number;
  /** Of these, files. */
  readonly files: number;
  /** The files' bytes. */
  readonly bytes: number;
  readonly requests: number;
  /** Whether the cache held everything before. */
  readonly upToDate: boolean;
  readonly failures: readonly NotFetched[];
}

/** Folders of so many files are unpacked by threads. */
const worthThreads = 200;

/**
 * Fetches data that the cache does not hold. The roots of snapshot and trees say where it is; what no root
 * tells, or tells wrongly, is looked up in the idx files. Every object is checked before it enters the cache.
 * Guarantee: what has arrived stays; running it again fetches the rest.
 * @throws {DvError} remote-empty, newer-format, path-not-tracked, invalid-file, disk-full, not-writable, remote-*
 */
export async function fetch(repo: Repo, target: Remote, options: FetchOptions = {}): Promise<FetchResult> {
  const { report = silent, signal } = options;
  const remote = countRequests(target);
  const snapshots =
    options.sets === undefined
      ? await readSelection(repo, options.select ?? { workspace: true, revisions: [], all: false })
      : distinctSnapshots(options.sets);
  const choice = chooseData(
    snapshots.flatMap((snapshot) => snapshot.refs),
    options.paths,
  );
  // Of the same content at two paths, other parts may be wanted.
  const whole = distinctContents(choice.data.filter((ref) => ref.part === undefined));
  const parts = choice.data.filter((ref) => ref.part !== undefined);
  const open = [...whole, ...parts].filter((ref) => !isComplete(repo, ref));
  if (open.length === 0) {
    choice.checkUsed();
    return { remote: remote.url, objects: 0, files: 0, bytes: 0, requests: 0, upToDate: true, failures: [] };
  }
  removeOldTemporaries(repo);
  const pool = new ThreadPool();
  // While the remote is asked where things are.
  if (open.some(({ pointer }) => pointer.kind === 'tree' && pointer.files >= worthThreads)) pool.warm();
  const writer = new CacheWriter(repo, pool);
  try {
    const fetching = new Fetching(repo, remote, writer, report, signal);
    const result = await fetching.run(snapshots, open, options);
    choice.checkUsed();
    return result;
  } finally {
    writer.discard();
    await pool.close();
  }
}

/**
 * Fetches what somebody computed elsewhere: run cache entries by fingerprint, their outputs and metrics. What the
 * remote does not have stays to be computed.
 * @throws as `fetch` does.
 */
export async function fetchRuns(
  repo: Repo,
  remote: Remote,
  fingerprints: readonly Digest[],
  options: Pick<FetchOptions, 'report' | 'signal'> = {},
): Promise<FetchResult> {
  const counted = countRequests(remote);
  const records = await receiveRuns(repo, counted, fingerprints, options.signal);
  const result = await fetch(repo, remote, { ...options, sets: records.map(refsOfRun) });
  return { ...result, requests: result.requests + counted.traffic.requests };
}

/** Whether the cache holds everything a ref stands for. Damage in listings counts as missing. */
function isComplete(repo: Repo, { path, pointer, part }: ChosenData): boolean {
  if (!hasObject(repo, pointer.digest)) return false;
  if (pointer.kind === 'file') return true;
  try {
    const all = readTree(pointer.digest, (digest) => readObject(repo, digest));
    const entries = part === undefined ? all : all.filter((entry) => part(`${path}/${entry.path}`));
    return (
      missingObjects(
        repo,
        entries.map((entry) => entry.digest),
      ).length === 0
    );
  } catch (error) {
    if (isDvError(error, 'object-missing') || isDvError(error, 'object-damaged')) return false;
    throw error;
  }
}

/** One fetch at work. */
class Fetching {
  readonly #repo: Repo;
  readonly #remote: ReturnType<typeof countRequests>;
  readonly #state: RemoteState;
  readonly #reading: RootReading;
  readonly #objects: ObjectFetcher;

  constructor(
    repo: Repo,
    remote: ReturnType<typeof countRequests>,
    writer: CacheWriter,
    report: Report,
    signal: AbortSignal | undefined,
  ) {
    this.#repo = repo;
    this.#remote = remote;
    this.#state = new RemoteState(repo.dvDir, remote.url);
    this.#reading = { remote, report, signal };
    this.#objects = new ObjectFetcher({ repo, remote, writer, state: this.#state, report, signal });
  }

  async run(
    snapshots: readonly Snapshot[],
    open: readonly ChosenData[],
    { dryRun, dataOnly }: Pick<FetchOptions, 'dryRun' | 'dataOnly'>,
  ): Promise<FetchResult> {
    const trees = open.filter((ref) => ref.pointer.kind === 'tree');
    const files = open.filter((ref) => ref.pointer.kind === 'file');
    const missingRuns =
      dryRun || dataOnly ? [] : listMissingRuns(this.#repo, this.#remote, this.#reading.signal);
    const [identity, treeRoots, filePlaces, fingerprints] = await Promise.all([
      readIdentity(this.#remote, { signal: this.#reading.signal }),
      readTreeRoots(trees, this.#reading),
      readFilePlaces(snapshots, files, this.#reading),
      missingRuns,
    ]);
    if (identity === undefined) throw new DvError('remote-empty', { remote: this.#remote.url });
    this.#state.bindTo(identity.id);

    await this.#fetchListings(trees, treeRoots);
    const wanted = files.map(
      ({ path, pointer }): Open => ({
        digest: pointer.digest,
        sizeBytes: pointer.bytes,
        path,
        listing: false,
        place: filePlaces.get(pointer.digest),
      }),
    );
    for (const ref of trees) wanted.push(...this.#entriesOf(ref, treeRoots.get(ref.pointer.digest)));
    if (!dryRun) {
      await this.#objects.fetchAll(wanted);
      await this.#fetchRuns(fingerprints);
    }
    return {
      remote: this.#remote.url,
      ...(dryRun ? withFiles(this.#objects.arrived.objects, wanted) : this.#objects.arrived),
      requests: this.#remote.traffic.requests,
      upToDate: false,
      failures: this.#objects.failures,
    };
  }

  /** Run cache entries, and the metrics of those whose outputs are all here: these can be restored at once. */
  async #fetchRuns(fingerprints: readonly Digest[]): Promise<void> {
    const records = await receiveRuns(this.#repo, this.#remote, fingerprints, this.#reading.signal);
    const usable = records.filter((record) =>
      [...record.outs].every(([path, pointer]) => isComplete(this.#repo, { path, pointer })),
    );
    await this.#objects.fetchAll(
      usable.flatMap((record) =>
        [...record.metrics]
          .filter(([, pointer]) => !hasObject(this.#repo, pointer.digest))
          .map(
            ([path, pointer]): Open => ({
              digest: pointer.digest,
              sizeBytes: pointer.bytes,
              path,
              listing: false,
              place: undefined,
            }),
          ),
      ),
    );
  }

  /** Whether an object is in the cache with the right bytes; listings are read, so they must be. */
  #readsWell(digest: Digest): boolean {
    try {
      readObject(this.#repo, digest);
      return true;
    } catch (error) {
      if (isDvError(error, 'object-missing') || isDvError(error, 'object-damaged')) return false;
      throw error;
    }
  }

  /** Brings the trees' own objects into the cache: those a root names at once, else the tree and then its leaves. */
  async #fetchListings(trees: readonly DataRef[], roots: ReadonlyMap<Digest, TreeRoot>): Promise<void> {
    const open = (ref: DataRef, digest: Digest, place: Place | undefined): Open[] =>
      this.#readsWell(digest) ? [] : [{ digest, sizeBytes: 0, path: ref.path, listing: true, place }];
    await this.#objects.fetchAll(
      trees.flatMap((ref) => {
        const root = roots.get(ref.pointer.digest);
        if (root === undefined) return open(ref, ref.pointer.digest, undefined);
        return root.own.flatMap((digest, i) => open(ref, digest, placeAt(root.places, i)));
      }),
    );
    await this.#objects.fetchAll(
      trees.flatMap((ref) => {
        if (!this.#readsWell(ref.pointer.digest)) return [];
        return treeObjects(ref.pointer.digest, (digest) => readObject(this.#repo, digest)).flatMap(
          (digest) =>
            this.#objects.failures.some((failure) => failure.digest === digest)
              ? []
              : open(ref, digest, undefined),
        );
      }),
    );
  }

  /** What a tree's listing names and the cache lacks. A listing that did not arrive is named already. */
  #entriesOf({ path, pointer, part }: ChosenData, root: TreeRoot | undefined): Open[] {
    const read = (digest: Digest) => readObject(this.#repo, digest);
    try {
      const entries = readTree(pointer.digest, read);
      const own = treeObjects(pointer.digest, read);
      const places =
        root !== undefined &&
        root.own.join() === own.join() &&
        root.places.pack.length === own.length + entries.length
          ? root.places
          : undefined;
      if (root !== undefined && places === undefined) {
        const message = `${this.#remote.url}/${rootKey(pointer.digest)} does not fit its tree and was not used`;
        this.#reading.report({ type: 'warning', message });
      }
      const missing = new Set(
        missingObjects(
          this.#repo,
          entries.map((entry) => entry.digest),
        ),
      );
      return entries.flatMap((entry, i) =>
        missing.has(entry.digest) && (part === undefined || part(`${path}/${entry.path}`))
          ? {
              digest: entry.digest,
              sizeBytes: entry.sizeBytes,
              path: `${path}/${entry.path}`,
              listing: false,
              place: places && placeAt(places, own.length + i),
            }
          : [],
      );
    } catch (error) {
      if (isDvError(error, 'object-missing') || isDvError(error, 'object-damaged')) return [];
      throw error;
    }
  }
}

/** What would have arrived with the listings, which did. */
function withFiles(listings: number, wanted: readonly Open[]) {
  const files = [...new Map(wanted.map((object) => [object.digest, object])).values()];
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { objects: listings + files.length, files: files.length, bytes };
}
