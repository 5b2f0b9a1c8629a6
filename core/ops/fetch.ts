/** `dv fetch`: brings what some commits and the workspace point at from a remote into the cache. */
import { DvError, isDvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { type Place, placeAt } from '../model/place.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { parseSnapshotRoot, parseTreeRoot, type TreeRoot } from '../model/root.ts';
import type { DataRef, Snapshot } from '../model/snapshot.ts';
import { readTree, treeObjects } from '../model/tree.ts';
import { hasObject, readObject } from '../store/cache.ts';
import { CacheWriter } from '../store/cache-writer.ts';
import { countRequests } from '../store/counted-remote.ts';
import { inParallel } from '../store/in-parallel.ts';
import { removeOldTemporaries } from '../store/leftovers.ts';
import { isWorthPacking } from '../store/link.ts';
import { missingObjects } from '../store/objects.ts';
import type { Remote } from '../store/remote.ts';
import { readIdentity, rootKey } from '../store/remote-layout.ts';
import { RemoteState } from '../store/remote-state.ts';
import type { Repo } from '../store/repo.ts';
import { ThreadPool } from '../store/thread-pool.ts';
import { type ChosenData, chooseData } from './choose-data.ts';
import { distinctContents, distinctSnapshots, readSelection, type Selection } from './transfer/data-sets.ts';
import { type Known, listIdx, loadIndexes } from './transfer/known.ts';
import { receive, type Wanted } from './transfer/receive.ts';
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

/** Data that did not arrive. */
export interface NotFetched {
  /** The tracked path, and for a tree the file in it. */
  readonly path: string;
  readonly digest: Digest;
  /** The remote does not list it, or holds other bytes where it should be. */
  readonly reason: 'missing' | 'damaged';
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

/** How many roots are asked for at once. */
const asksAtOnce = 16;
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

/** An object somebody waits for. */
interface Open {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Where it is used, for messages; `undefined` for a listing. */
  readonly path: string;
  readonly listing: boolean;
  /** Where a root says it is. */
  readonly place: Place | undefined;
}

/** One fetch at work. */
class Fetching {
  readonly #repo: Repo;
  readonly #remote: ReturnType<typeof countRequests>;
  readonly #writer: CacheWriter;
  readonly #report: Report;
  readonly #signal: AbortSignal | undefined;
  readonly #state: RemoteState;
  #known: Known | undefined;
  readonly #failures: NotFetched[] = [];
  #objects = 0;
  #files = 0;
  #bytes = 0;

  constructor(
    repo: Repo,
    remote: ReturnType<typeof countRequests>,
    writer: CacheWriter,
    report: Report,
    signal: AbortSignal | undefined,
  ) {
    this.#repo = repo;
    this.#remote = remote;
    this.#writer = writer;
    this.#report = report;
    this.#signal = signal;
    this.#state = new RemoteState(repo.dvDir, remote.url);
  }

  async run(
    snapshots: readonly Snapshot[],
    open: readonly ChosenData[],
    { dryRun, dataOnly }: Pick<FetchOptions, 'dryRun' | 'dataOnly'>,
  ): Promise<FetchResult> {
    const trees = open.filter((ref) => ref.pointer.kind === 'tree');
    const files = open.filter((ref) => ref.pointer.kind === 'file');
    const missingRuns = dryRun || dataOnly ? [] : listMissingRuns(this.#repo, this.#remote, this.#signal);
    const [identity, treeRoots, filePlaces, fingerprints] = await Promise.all([
      readIdentity(this.#remote, { signal: this.#signal }),
      this.#readTreeRoots(trees),
      this.#readFilePlaces(snapshots, files),
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
    if (dryRun) this.#countOnly(wanted);
    else {
      await this.#fetchAll(wanted);
      await this.#fetchRuns(fingerprints);
    }
    return {
      remote: this.#remote.url,
      objects: this.#objects,
      files: this.#files,
      bytes: this.#bytes,
      requests: this.#remote.traffic.requests,
      upToDate: false,
      failures: this.#failures,
    };
  }

  /** Counts files as if they had come. */
  #countOnly(wanted: readonly Open[]): void {
    for (const { sizeBytes } of new Map(wanted.map((object) => [object.digest, object])).values()) {
      this.#objects++;
      this.#files++;
      this.#bytes += sizeBytes;
    }
  }

  /** Run cache entries, and the metrics of those whose outputs are all here: these can be restored at once. */
  async #fetchRuns(fingerprints: readonly Digest[]): Promise<void> {
    const records = await receiveRuns(this.#repo, this.#remote, fingerprints, this.#signal);
    const usable = records.filter((record) =>
      [...record.outs].every(([path, pointer]) => isComplete(this.#repo, { path, pointer })),
    );
    await this.#fetchAll(
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

  /** Roots of trees, as far as they are there and whole. */
  async #readTreeRoots(trees: readonly DataRef[]): Promise<Map<Digest, TreeRoot>> {
    const roots = new Map<Digest, TreeRoot>();
    await inParallel(trees, asksAtOnce, async ({ pointer: { digest } }) => {
      const root = await this.#readRoot(digest, (bytes, name) => parseTreeRoot(bytes, digest, name));
      if (root !== undefined) roots.set(digest, root);
    });
    return roots;
  }

  /** Where the roots of snapshots say single files are. */
  async #readFilePlaces(
    snapshots: readonly Snapshot[],
    files: readonly DataRef[],
  ): Promise<Map<Digest, Place>> {
    const places = new Map<Digest, Place>();
    const wanted = new Set(files.map((ref) => ref.pointer.digest));
    const useful = snapshots.filter((snapshot) =>
      snapshot.refs.some((ref) => ref.pointer.kind === 'file' && wanted.has(ref.pointer.digest)),
    );
    await inParallel(useful, asksAtOnce, async ({ digest }) => {
      const root = await this.#readRoot(digest, (bytes, name) => parseSnapshotRoot(bytes, digest, name));
      root?.snapshot.refs
        .filter((ref) => ref.pointer.kind === 'file')
        .forEach((ref, i) => {
          places.set(ref.pointer.digest, placeAt(root.places, i));
        });
    });
    return places;
  }

  async #readRoot<Root>(
    digest: Digest,
    parse: (bytes: Uint8Array, name: string) => Root,
  ): Promise<Root | undefined> {
    const key = rootKey(digest);
    const bytes = await this.#remote.get(key, { signal: this.#signal });
    if (bytes === undefined) return undefined;
    try {
      return parse(bytes, key);
    } catch (error) {
      if (!isDvError(error, 'invalid-file')) throw error;
      this.#warn(
        `${this.#remote.url}/${key} is damaged and was not used: ${error.details.problems[0]?.message}`,
      );
      return undefined;
    }
  }

  #warn(message: string): void {
    this.#report({ type: 'warning', message });
  }

  /**
   * Reads the idx files, or those that are new since. Lists are no snapshots: while another replaces many by one, a
   * list may hold neither, and only the next one tells.
   * @returns whether there was anything new.
   */
  async #learn(): Promise<boolean> {
    const options = { report: this.#report, signal: this.#signal };
    if (this.#known !== undefined) {
      const listed = await listIdx(this.#remote, this.#signal);
      const before = new Set(this.#known.listed);
      if ([...listed.keys()].every((name) => before.has(name))) return false;
    }
    this.#known = await loadIndexes(this.#remote, this.#state, options);
    return true;
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
    await this.#fetchAll(
      trees.flatMap((ref) => {
        const root = roots.get(ref.pointer.digest);
        if (root === undefined) return open(ref, ref.pointer.digest, undefined);
        return root.own.flatMap((digest, i) => open(ref, digest, placeAt(root.places, i)));
      }),
    );
    await this.#fetchAll(
      trees.flatMap((ref) => {
        if (!this.#readsWell(ref.pointer.digest)) return [];
        return treeObjects(ref.pointer.digest, (digest) => readObject(this.#repo, digest)).flatMap(
          (digest) =>
            this.#failures.some((failure) => failure.digest === digest) ? [] : open(ref, digest, undefined),
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
        this.#warn(`${this.#remote.url}/${rootKey(pointer.digest)} does not fit its tree and was not used`);
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

  /** Fetches objects from where roots say, then from wherever else the idx files say, and names what is left. */
  async #fetchAll(wanted: readonly Open[]): Promise<void> {
    let open = [...new Map(wanted.map((object) => [object.digest, object])).values()];
    if (open.length === 0) return;
    const totalFiles = open.length;
    const totalBytes = open.reduce((sum, object) => sum + object.sizeBytes, 0);
    let files = 0;
    let bytes = 0;
    const advance = (arrived: number, size: number) => {
      files += arrived;
      bytes += size;
      this.#report({ type: 'progress', task: 'receiving', files, totalFiles, bytes, totalBytes });
    };
    const tried = new Map<Digest, Place[]>();
    const nextPlace = (object: Open): Place | undefined => {
      const before = tried.get(object.digest) ?? [];
      if (before.length === 0 && object.place !== undefined) return object.place;
      return this.#known?.table
        .places(object.digest)
        .find((place) => !before.some((other) => samePlace(place, other)));
    };
    for (;;) {
      const ready: Wanted[] = [];
      for (const object of open) {
        const place = nextPlace(object);
        if (place === undefined) continue;
        tried.set(object.digest, [...(tried.get(object.digest) ?? []), place]);
        ready.push({ digest: object.digest, sizeBytes: object.sizeBytes, place });
      }
      if (ready.length > 0) {
        const failed = new Set(
          (
            await receive(ready, {
              remote: this.#remote,
              writer: this.#writer,
              pack: isWorthPacking(this.#repo, ready.length),
              advance,
              signal: this.#signal,
            })
          ).map(({ digest }) => digest),
        );
        const arrived = new Set(ready.map(({ digest }) => digest).filter((digest) => !failed.has(digest)));
        this.#objects += arrived.size;
        for (const object of open) {
          if (object.listing || !arrived.has(object.digest)) continue;
          this.#files++;
          this.#bytes += object.sizeBytes;
        }
        open = open.filter((object) => !arrived.has(object.digest));
      } else if (!(await this.#learn())) break;
      if (open.length === 0) return;
      if (this.#known === undefined) await this.#learn();
    }
    for (const { digest, path } of open) {
      this.#failures.push({ path, digest, reason: tried.has(digest) ? 'damaged' : 'missing' });
    }
  }
}

const samePlace = (a: Place, b: Place) => a.pack === b.pack && a.offset === b.offset;
