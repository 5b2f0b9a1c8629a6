/**
 * `dv gc --remote`: removes from a remote what no ref needs, safe beside people who push. In three steps, each a grace
 * apart: a root nothing needs is noted; a noted root goes, and packs that nothing else needs are condemned; what is
 * condemned and still not needed is deleted. Why that is safe: docs/remote-format.md.
 */
import { randomBytes } from 'node:crypto';
import { DvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import { type Digest, digestFromHex } from '../model/digest.ts';
import { formatGcRecord, type GcItems, type GcRecord, isEmptyRecord } from '../model/gc-record.ts';
import { packListings } from '../model/idx.ts';
import type { Place } from '../model/place.ts';
import { withoutGitLocals } from '../pipeline/runner.ts';
import type { Remote, RemoteEntry } from '../store/remote.ts';
import {
  blobKey,
  condemnedPrefix,
  deletingPrefix,
  epochKey,
  packKey,
  readIdentity,
} from '../store/remote-layout.ts';
import { RemoteState } from '../store/remote-state.ts';
import type { Repo } from '../store/repo.ts';
import { listWorktrees, repoOfWorktree } from '../store/worktrees.ts';
import { refuseBroken } from './gc/data-roots.ts';
import { readHistoryRoots } from './gc/history-roots.ts';
import { readWorkspaceRoots } from './gc/workspace-roots.ts';
import { dropFromIdx } from './remote-gc/drop-from-idx.ts';
import { withRemoteRefs } from './remote-gc/fetch-refs.ts';
import { Needed, type NeededData, refuseUnread } from './remote-gc/needed.ts';
import { type FoundRoot, listNamed, readRoots, readRuns } from './remote-gc/survey.ts';
import { deletingMostMs, type FoundRecord, readGcState } from './transfer/gc-state.ts';
import { type ListedIdx, loadIndexes } from './transfer/known.ts';
import { readPlaced } from './transfer/receive.ts';

/** How to collect garbage on a remote. */
export interface RemoteGcOptions {
  /** Whether anything is changed there. */
  readonly apply: boolean;
  /** How long each step waits. Milliseconds. */
  readonly graceMs: number;
  /** Go on past pointers that cannot be read and folders whose listings nobody has. */
  readonly skipBroken: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Some keys and their bytes. */
export interface KeyAmount {
  readonly keys: number;
  readonly bytes: number;
}

/** What was found, and with `apply` done. */
export interface RemoteGcResult {
  readonly remote: string;
  readonly applied: boolean;
  readonly roots: {
    /** Needed by a ref. */
    readonly needed: KeyAmount;
    /** Needed by none, and not for long enough to go. */
    readonly waiting: KeyAmount;
    readonly removed: KeyAmount;
  };
  readonly data: {
    /** Packs and blobs that hold something needed. */
    readonly needed: KeyAmount;
    /** Bytes in these that nothing needs. */
    readonly unneededInside: number;
    /** Condemned, and not for long enough to go. */
    readonly waiting: KeyAmount;
    readonly removed: KeyAmount;
  };
}

/**
 * Collects garbage on a remote.
 * Guarantee: at every moment every root on the remote is complete, also one that is pushed meanwhile by somebody who
 * pushes as this dv does. If the process dies, running it again goes on.
 * @throws {DvError} remote-empty, remote-busy, git-failed (a git remote could not be fetched), usage (a shallow clone),
 *   invalid-file, data-missing (what cannot be read), remote-*
 */
export async function remoteGc(
  repo: Repo,
  remote: Remote,
  options: RemoteGcOptions,
): Promise<RemoteGcResult> {
  const { signal } = options;
  const identity = await readIdentity(remote, { signal });
  if (identity === undefined) throw new DvError('remote-empty', { remote: remote.url });
  const own = repoOfWorktree(repo, repo, withoutGitLocals(options.env));
  if (own.git.output(['rev-parse', '--is-shallow-repository']).trim() === 'true') {
    throw new DvError('usage', {
      message: 'this clone is shallow: what older commits need is not known here',
      hint: 'git fetch --unshallow, or dv gc --remote in another clone',
    });
  }
  const state = new RemoteState(repo.dvDir, remote.url);
  state.bindTo(identity.id);
  const data = await withRemoteRefs(own.git, () => readRefData(own, options));
  return new Collecting(own, remote, state, options).run(data);
}

/** The data of all refs, indexes and workspaces. Reflogs keep data in the cache, not on remotes. */
async function readRefData(repo: Repo, options: RemoteGcOptions): Promise<NeededData[]> {
  const worktrees = listWorktrees(repo);
  const found = [await readHistoryRoots(repo, worktrees)];
  for (const worktree of worktrees)
    found.push(await readWorkspaceRoots(repo, worktree, withoutGitLocals(options.env)));
  const broken = found.flatMap((each) => each.broken);
  if (broken.length > 0 && !options.skipBroken) throw refuseBroken(broken);
  return [...found.flatMap((each) => each.roots), ...broken.flatMap((text) => text.roots)].filter(
    ({ keeper }) => keeper !== 'reflogs',
  );
}

const amount = (entries: Iterable<RemoteEntry>): KeyAmount => {
  let keys = 0;
  let bytes = 0;
  for (const { sizeBytes } of entries) {
    keys++;
    bytes += sizeBytes;
  }
  return { keys, bytes };
};

/** One collection at work. */
class Collecting {
  readonly #remote: Remote;
  readonly #state: RemoteState;
  readonly #options: RemoteGcOptions;
  readonly #talk: { report: Report; signal: AbortSignal | undefined };
  readonly #needed: Needed;
  readonly #knownRuns = new Set<string>();
  /** Packs that a root names, and whether one names blobs whose names cannot be read. */
  readonly #rootPacks = new Set<string>();
  #allBlobs = false;
  #places: (digest: Digest) => readonly Place[] = () => [];

  constructor(repo: Repo, remote: Remote, state: RemoteState, options: RemoteGcOptions) {
    this.#remote = remote;
    this.#state = state;
    this.#options = options;
    this.#talk = { report: options.report ?? silent, signal: options.signal };
    this.#needed = new Needed(repo, (digest) =>
      readPlaced(remote, this.#places(digest), digest, options.signal),
    );
  }

  async run(refData: readonly NeededData[]): Promise<RemoteGcResult> {
    const { apply, graceMs, signal } = this.#options;
    const remote = this.#remote;
    const nowMs = Date.now();
    // Roots and entries before idx files, as what they name is in these before they are there.
    const roots = await readRoots(remote, new Map(), this.#talk);
    const runs = await readRuns(remote, this.#knownRuns, signal);
    const { files, table } = await loadIndexes(remote, this.#state, this.#talk);
    this.#places = (digest) => table.places(digest);
    // After the idx files: a pack that one of them names was there before it.
    const packs = await listNamed(remote, 'packs/', signal);
    const blobs = await listNamed(remote, 'blobs/', signal);
    const records = await readGcState(remote, signal);
    refuseOther(records.deleting, nowMs, remote);
    const isDue = ({ atMs }: GcRecord) => nowMs - atMs >= graceMs;

    await this.#needed.add(refData, signal);
    await this.#needed.add(runs, signal);
    const isNeeded = (root: FoundRoot) =>
      root.data.length > 0 && root.data.every(({ digest }) => this.#needed.has(digest.slice(7)));
    const unneeded = roots.filter((root) => !isNeeded(root));
    const noted = new Set(records.condemned.filter(isDue).flatMap((record) => record.roots));
    const going = unneeded.filter((root) => noted.has(root.name));
    const staying = roots.filter((root) => !going.includes(root));
    await this.#keepRoots(staying);
    if (!this.#options.skipBroken) refuseUnread(this.#needed, remote.url);

    const idle = {
      packs: [...packs.keys()].filter((name) => !this.#isNeededPack(name, files)),
      blobs: [...blobs.keys()].filter((name) => !this.#isNeededBlob(name)),
    };
    const dueRecords = records.condemned.filter(isDue);
    const due = {
      packs: idle.packs.filter((name) => dueRecords.some((record) => record.packs.includes(name))),
      blobs: idle.blobs.filter((name) => dueRecords.some((record) => record.blobs.includes(name))),
    };
    const removed = { packs: due.packs, blobs: due.blobs, roots: going };
    if (apply) {
      for (const { entry } of records.deleting) await remote.delete(entry.key, { signal });
      await this.#touchEpoch();
      for (const { entry } of going) await remote.delete(entry.key, { version: entry.version, signal });
      // Condemned before anything is deleted: a killed run has lost nothing of what it knew.
      await this.#saveRecords(records.condemned, {
        roots: unneeded.filter((root) => !going.includes(root)).map(({ name }) => name),
        ...idle,
      });
      const gone = await this.#deleteBatches(due, roots, packs, blobs, files);
      removed.packs = gone.packs;
      removed.blobs = gone.blobs;
      const left = await readGcState(remote, signal);
      const without = (list: readonly string[], these: readonly string[]) => {
        const set = new Set(these);
        return list.filter((name) => !set.has(name));
      };
      await this.#saveRecords(left.condemned, {
        roots: unneeded.filter((root) => !going.includes(root)).map(({ name }) => name),
        packs: without(idle.packs, [...gone.packs, ...gone.spared]),
        blobs: without(idle.blobs, [...gone.blobs, ...gone.spared]),
      });
    }
    const entriesOf = (items: { packs: readonly string[]; blobs: readonly string[] }) => [
      ...items.packs.map((name) => packs.get(name)!),
      ...items.blobs.map((name) => blobs.get(name)!),
    ];
    const gone = new Set(entriesOf(removed));
    const idleEntries = new Set(entriesOf(idle));
    const all = [...packs.values(), ...blobs.values()];
    return {
      remote: remote.url,
      applied: apply,
      roots: {
        needed: amount(roots.filter((root) => !unneeded.includes(root)).map(({ entry }) => entry)),
        waiting: amount(unneeded.filter((root) => !going.includes(root)).map(({ entry }) => entry)),
        removed: amount(going.map(({ entry }) => entry)),
      },
      data: {
        needed: amount(all.filter((entry) => !idleEntries.has(entry))),
        unneededInside: this.#unneededInside(files, new Set(idle.packs)),
        waiting: amount([...idleEntries].filter((entry) => !gone.has(entry))),
        removed: amount(gone),
      },
    };
  }

  /** Counts what roots name as needed: everything their data lists, and the packs they say it is in. */
  async #keepRoots(roots: readonly FoundRoot[]): Promise<void> {
    for (const root of roots) {
      await this.#needed.add(root.data, this.#options.signal);
      for (const pack of root.packs) this.#rootPacks.add(pack);
      if (root.hasBlobs && root.data.some(({ digest }) => this.#needed.unread.has(digest)))
        this.#allBlobs = true;
    }
  }

  #packHolds: Map<string, boolean> | undefined;

  #isNeededPack(name: string, files: readonly ListedIdx[]): boolean {
    if (this.#rootPacks.has(name)) return true;
    if (this.#packHolds === undefined) {
      this.#packHolds = new Map();
      for (const { idx } of files) {
        for (const pack of packListings(idx)) {
          if (this.#packHolds.get(pack.name)) continue;
          this.#packHolds.set(
            pack.name,
            pack.objects.some(({ digest }) => this.#needed.has(digest.slice(7))),
          );
        }
      }
    }
    return this.#packHolds.get(name) ?? false;
  }

  #isNeededBlob(name: string): boolean {
    return this.#allBlobs || this.#needed.has(name);
  }

  #unneededInside(files: readonly ListedIdx[], idle: ReadonlySet<string>): number {
    const counted = new Set<string>();
    let bytes = 0;
    for (const { idx } of files) {
      for (const pack of packListings(idx)) {
        if (idle.has(pack.name)) continue;
        for (const { digest, offset, length } of pack.objects) {
          const key = `${pack.name} ${offset}`;
          if (this.#needed.has(digest.slice(7)) || counted.has(key)) continue;
          counted.add(key);
          bytes += length;
        }
      }
    }
    return bytes;
  }

  /** Tells pushers that something begins or has ended. */
  async #touchEpoch(): Promise<void> {
    await this.#remote.put(epochKey, randomBytes(16), { signal: this.#options.signal });
  }

  /**
   * Writes records so that together they name exactly these items, each since it was first named.
   * What is new is written before what is old goes.
   */
  async #saveRecords(before: readonly FoundRecord[], items: GcItems): Promise<void> {
    const { signal } = this.#options;
    const open = { roots: new Set(items.roots), packs: new Set(items.packs), blobs: new Set(items.blobs) };
    const take = (set: Set<string>, names: readonly string[]) => names.filter((name) => set.delete(name));
    const replaced: FoundRecord[] = [];
    const written: GcRecord[] = [];
    for (const record of [...before].sort((a, b) => a.atMs - b.atMs)) {
      const kept = {
        atMs: record.atMs,
        roots: take(open.roots, record.roots),
        packs: take(open.packs, record.packs),
        blobs: take(open.blobs, record.blobs),
      };
      const same = (['roots', 'packs', 'blobs'] as const).every(
        (kind) => kept[kind].length === record[kind].length,
      );
      if (same && !isEmptyRecord(kept)) continue;
      replaced.push(record);
      if (!isEmptyRecord(kept)) written.push(kept);
    }
    const fresh = {
      atMs: Date.now(),
      roots: [...open.roots],
      packs: [...open.packs],
      blobs: [...open.blobs],
    };
    if (!isEmptyRecord(fresh)) written.push(fresh);
    for (const record of written)
      await this.#remote.put(`${condemnedPrefix}${newName()}`, formatGcRecord(record), { signal });
    for (const { entry } of replaced) await this.#remote.delete(entry.key, { signal });
  }

  /**
   * Deletes what is due. First says so, then looks at the roots again: a pusher who publishes one later sees what is
   * said, and waits; of one who published before, the root is seen here, and what it names is spared.
   */
  async #deleteBatches(
    due: { packs: readonly string[]; blobs: readonly string[] },
    roots: readonly FoundRoot[],
    packs: ReadonlyMap<string, RemoteEntry>,
    blobs: ReadonlyMap<string, RemoteEntry>,
    files: readonly ListedIdx[],
  ): Promise<{ packs: string[]; blobs: string[]; spared: string[] }> {
    const { signal } = this.#options;
    const remote = this.#remote;
    const gone = { packs: [] as string[], blobs: [] as string[], spared: [] as string[] };
    if (due.packs.length + due.blobs.length === 0) return gone;
    const key = `${deletingPrefix}${newName()}`;
    const startedMs = Date.now();
    await this.#touchEpoch();
    await remote.put(key, formatGcRecord({ atMs: startedMs, roots: [], ...due }), { signal });
    try {
      const known = new Map(roots.map((root) => [root.name, root]));
      const rootsNow = await readRoots(remote, known, this.#talk);
      const runsNow = await readRuns(remote, this.#knownRuns, signal);
      const { table, files: filesNow } = await loadIndexes(remote, this.#state, this.#talk);
      this.#places = (digest) => table.places(digest);
      await this.#needed.add(runsNow, signal);
      await this.#keepRoots(rootsNow.filter((root) => known.get(root.name) !== root));
      this.#packHolds = undefined;
      const still = {
        packs: due.packs.filter((name) => !this.#isNeededPack(name, [...files, ...filesNow])),
        blobs: due.blobs.filter((name) => !this.#isNeededBlob(name)),
      };
      gone.spared = [
        ...due.packs.filter((name) => !still.packs.includes(name)),
        ...due.blobs.filter((name) => !still.blobs.includes(name)),
      ];
      const dropped = {
        packs: new Set(still.packs),
        blobs: new Set(still.blobs.map((hex) => digestFromHex(hex)!)),
      };
      if (!(await dropFromIdx(remote, this.#state, dropped, this.#talk))) return gone;
      for (const [kind, names, entries] of [
        ['packs', still.packs, packs],
        ['blobs', still.blobs, blobs],
      ] as const) {
        for (const name of names) {
          signal?.throwIfAborted();
          // Whoever waits does so no longer than this; what is left is for the next run.
          if (Date.now() - startedMs > deletingMostMs / 3) return gone;
          const target = kind === 'packs' ? packKey(name) : blobKey(digestFromHex(name)!);
          await remote.delete(target, { version: entries.get(name)!.version, signal });
          gone[kind].push(name);
          this.#talk.report({
            type: 'progress',
            task: 'deleting',
            files: gone.packs.length + gone.blobs.length,
            totalFiles: still.packs.length + still.blobs.length,
            bytes: 0,
          });
        }
      }
      return gone;
    } finally {
      await this.#touchEpoch();
      await remote.delete(key, { signal });
    }
  }
}

const newName = () => randomBytes(8).toString('hex');

/** One collector at a time deletes: two would not see what the other spares. @throws {DvError} remote-busy */
function refuseOther(deleting: readonly FoundRecord[], nowMs: number, remote: Remote): void {
  if (deleting.some(({ atMs }) => nowMs - atMs < deletingMostMs))
    throw new DvError('remote-busy', { remote: remote.url });
}
