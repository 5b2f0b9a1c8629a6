/** Cache → workspace: makes a path of the workspace what a pointer says, keeping every local change. */
import { chmodSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { LinkMode } from '../model/config.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { joinPaths, parentOf, type RepoPath } from '../model/repo-path.ts';
import { diffEntries, readTree, type TreeChange, type TreeEntry } from '../model/tree.ts';
import { readObject } from './cache.ts';
import { CacheWriter, explainWriteFailure } from './cache-writer.ts';
import { entriesOfIndex, statAll } from './capture.ts';
import { FilePool } from './file-pool.ts';
import { fileModeOf, statMissing, statWidth, unlinkIfThere } from './file-tasks.ts';
import { chooseLinkMode } from './link.ts';
import { missingObjects } from './objects.ts';
import { absolutePath, type Repo } from './repo.ts';
import {
  loadStatIndex,
  looksUnchanged,
  removeStatIndex,
  type StatIndex,
  saveStatIndex,
} from './stat-index.ts';

/** A path and what it is to become; without a pointer, what dv put there is removed. */
export interface Target {
  readonly path: RepoPath;
  readonly pointer?: Pointer;
}

/** How to materialise. */
export interface MaterialiseOptions {
  /**
   * Look at every file (`dv checkout`): files the user deleted come back, and every changed one is named. Without
   * it (hooks) only files that differ between the old and the new pointer are looked at.
   */
  readonly complete: boolean;
  /** Replace local changes after saving them into the cache. */
  readonly force: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What was done at one path. */
export interface MaterialisedPath {
  readonly path: RepoPath;
  readonly created: number;
  readonly replaced: number;
  readonly deleted: number;
}

/** What was done. Paths are relative to the repository's top. */
export interface Materialised {
  /** The targets at which something was written or removed. */
  readonly changed: readonly MaterialisedPath[];
  /** Files with local changes that were in the way and stay as they are. */
  readonly kept: readonly RepoPath[];
  /** Files that were replaced by force; their bytes are in the cache under these digests. */
  readonly saved: readonly { path: RepoPath; digest: Digest }[];
  /** Targets whose data is not (all) in the cache; nothing was changed at these. */
  readonly missing: readonly { path: RepoPath; digests: readonly Digest[] }[];
  /** Files that could not be written, with the reason. */
  readonly failures: readonly { path: RepoPath; reason: string }[];
}

/** What is to happen to one file, decided before anything is touched. */
type Action = 'create' | 'replace' | 'delete' | 'adopt' | 'keep' | 'none';

/** One target's plan. */
interface Plan {
  readonly target: Target;
  readonly index: StatIndex | undefined;
  /** Entries of the target, in order; empty when it is to be removed. */
  readonly after: readonly TreeEntry[];
  readonly changes: readonly TreeChange[];
  readonly actions: readonly Action[];
  /** As the files of `changes` looked when the plan was made. */
  readonly columns: Float64Array;
}

/** Reads what a pointer stands for as entries; a file is one entry with the path `''`. */
function entriesOf(repo: Repo, pointer: Pointer | undefined, modeBits?: number): readonly TreeEntry[] {
  if (pointer === undefined) return [];
  if (pointer.kind === 'tree') return readTree(pointer.digest, (digest) => readObject(repo, digest));
  const mode = modeBits === undefined ? '-' : (fileModeOf(modeBits) ?? '-');
  return [{ path: '' as RepoPath, digest: pointer.digest, sizeBytes: pointer.bytes, mode }];
}

/**
 * Brings paths of the workspace to what their pointers say.
 * Guarantee: each file is its old content, absent, or its new content at every moment; if the process dies,
 * running it again ends in the same state.
 * @throws {DvError} object-damaged, invalid-file (of a tree), disk-full, not-writable
 */
export async function materialise(
  repo: Repo,
  targets: readonly Target[],
  options: MaterialiseOptions,
): Promise<Materialised> {
  const pool = new FilePool();
  const outcome = {
    changed: [] as MaterialisedPath[],
    kept: [] as RepoPath[],
    saved: [] as { path: RepoPath; digest: Digest }[],
    missing: [] as { path: RepoPath; digests: readonly Digest[] }[],
    failures: [] as { path: RepoPath; reason: string }[],
  };
  try {
    for (const target of targets) {
      options.signal?.throwIfAborted();
      const index = await loadStatIndex(repo, target.path);
      const placed = index?.placed ? index : undefined;
      if (!options.complete && isCurrent(placed, target.pointer)) continue;
      await materialiseOne(repo, target, placed, { ...options, pool, outcome });
    }
  } catch (error) {
    throw explainWriteFailure(error, repo.root);
  } finally {
    await pool.close();
  }
  return outcome;
}

/** Whether the workspace already follows a pointer, as far as dv has put it there. */
function isCurrent(index: StatIndex | undefined, pointer: Pointer | undefined): boolean {
  return index?.digest === pointer?.digest && index?.kind === pointer?.kind;
}

interface Work extends MaterialiseOptions {
  readonly pool: FilePool;
  readonly outcome: {
    changed: MaterialisedPath[];
    kept: RepoPath[];
    saved: { path: RepoPath; digest: Digest }[];
    missing: { path: RepoPath; digests: readonly Digest[] }[];
    failures: { path: RepoPath; reason: string }[];
  };
}

async function materialiseOne(
  repo: Repo,
  target: Target,
  index: StatIndex | undefined,
  work: Work,
): Promise<void> {
  let after: readonly TreeEntry[];
  try {
    after = entriesOf(repo, target.pointer, index?.kind === 'file' ? index.columns[4] : undefined);
  } catch (error) {
    if (!(error instanceof DvError && error.code === 'object-missing')) throw error;
    work.outcome.missing.push({ path: target.path, digests: [target.pointer!.digest] });
    return;
  }
  const plan = await makePlan(repo, target, index, after, work);
  const needed = plan.changes.flatMap((change, i) =>
    plan.actions[i] === 'create' || plan.actions[i] === 'replace' ? [change.after!.digest] : [],
  );
  const absent = missingObjects(repo, needed);
  if (absent.length > 0) {
    work.outcome.missing.push({ path: target.path, digests: absent });
    return;
  }
  await apply(repo, plan, work);
}

/** Compares the old and new listing with the workspace and decides about each file. */
async function makePlan(
  repo: Repo,
  target: Target,
  index: StatIndex | undefined,
  after: readonly TreeEntry[],
  work: Work,
): Promise<Plan> {
  const before = (index && entriesOfIndex(repo, index)) ?? [];
  const known = before.length > 0 ? index : undefined;
  const changes: TreeChange[] = work.complete ? everyEntry(before, after) : diffEntries(before, after);
  const rows = rowsOf(before, changes);
  const folder = absolutePath(repo, target.path);
  const paths = changes.map((change) => change.path);
  assertNoLinkedParents(repo, target.path, paths);
  const columns = await statAll(work.pool, folder, paths, work.signal);

  const actions = new Array<Action>(changes.length).fill('none');
  const unsure: number[] = [];
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i]!;
    const size = columns[i * statWidth]!;
    if (size === statMissing) actions[i] = change.after === undefined ? 'none' : 'create';
    else if (known !== undefined && rows[i]! >= 0 && looksUnchanged(known, rows[i]!, columns, i)) {
      actions[i] = change.after === undefined ? 'delete' : same(change) ? 'none' : 'replace';
    } else if (fileModeOf(columns[i * statWidth + 4]!) === undefined) actions[i] = 'keep';
    else unsure.push(i);
  }
  await decideByContent(repo, { target, changes, actions, columns, unsure, folder }, work);
  await saveLastCopies(repo, { target, changes, actions, folder }, work);
  return { target, index: known, after, changes, actions, columns };
}

const same = (change: TreeChange) =>
  change.before !== undefined &&
  change.after !== undefined &&
  change.before.digest === change.after.digest &&
  change.before.mode === change.after.mode;

/** All paths of both listings as changes, also those that do not differ. */
function everyEntry(before: readonly TreeEntry[], after: readonly TreeEntry[]): TreeChange[] {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const changes: TreeChange[] = after.map((entry) => {
    const was = old.get(entry.path);
    old.delete(entry.path);
    return { path: entry.path, after: entry, ...(was === undefined ? {} : { before: was }) };
  });
  for (const entry of old.values()) changes.push({ path: entry.path, before: entry });
  return changes;
}

/** For each change the row of its old entry in the index, or -1. */
function rowsOf(before: readonly TreeEntry[], changes: readonly TreeChange[]): Int32Array {
  const rowOf = new Map<string, number>();
  before.forEach((entry, row) => {
    rowOf.set(entry.path, row);
  });
  return Int32Array.from(changes, (change) => rowOf.get(change.path) ?? -1);
}

interface Deciding {
  target: Target;
  changes: readonly TreeChange[];
  actions: Action[];
  folder: string;
}

/** Reads the files whose look does not tell, and decides about them by their content. */
async function decideByContent(
  repo: Repo,
  job: Deciding & { columns: Float64Array; unsure: readonly number[] },
  work: Work,
): Promise<void> {
  const { changes, actions, columns, unsure } = job;
  if (unsure.length === 0) return;
  const writer = new CacheWriter(repo);
  const store = work.force ? { objectsDir: repo.objectsDir, temporaryFolder: writer.folder() } : undefined;
  try {
    await work.pool.run(
      'read',
      unsure.length,
      (from, to) => ({
        kind: 'read',
        folder: job.folder,
        names: unsure
          .slice(from, to)
          .map((i) => changes[i]!.path)
          .join('\0'),
        ...(store === undefined ? {} : { store }),
      }),
      (from, result) => {
        for (const digest of result.stored) writer.adopt(digest, writer.temporaryFor(digest));
        result.digests.forEach((digest, k) => {
          const i = unsure[from + k]!;
          const change = changes[i]!;
          const mode = fileModeOf(columns[i * statWidth + 4]!);
          columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
          const wasBefore = change.before !== undefined && digest === change.before.digest;
          if (digest === undefined) actions[i] = 'keep';
          else if (change.after !== undefined && digest === change.after.digest) {
            actions[i] =
              mode === change.after.mode
                ? 'adopt'
                : mode === 'l' || change.after.mode === 'l'
                  ? 'keep'
                  : 'adopt';
          } else if (wasBefore) actions[i] = change.after === undefined ? 'delete' : 'replace';
          else if (work.force) {
            actions[i] = change.after === undefined ? 'delete' : 'replace';
            work.outcome.saved.push({ path: pathOf(job.target, change), digest });
          } else actions[i] = 'keep';
        });
      },
      { signal: work.signal },
    );
    await writer.commit();
  } finally {
    writer.discard();
  }
}

/** Puts files that are about to go, and that the cache has lost, into the cache first. */
async function saveLastCopies(repo: Repo, job: Deciding, work: Work): Promise<void> {
  const going: number[] = [];
  job.actions.forEach((action, i) => {
    if ((action === 'delete' || action === 'replace') && job.changes[i]!.before !== undefined) going.push(i);
  });
  const absent = new Set(
    missingObjects(
      repo,
      going.map((i) => job.changes[i]!.before!.digest),
    ),
  );
  const last = going.filter((i) => absent.has(job.changes[i]!.before!.digest));
  if (last.length === 0) return;
  const writer = new CacheWriter(repo);
  try {
    await work.pool.run(
      'read',
      last.length,
      (from, to) => ({
        kind: 'read',
        folder: job.folder,
        names: last
          .slice(from, to)
          .map((i) => job.changes[i]!.path)
          .join('\0'),
        store: { objectsDir: repo.objectsDir, temporaryFolder: writer.folder() },
      }),
      (from, result) => {
        for (const digest of result.stored) writer.adopt(digest, writer.temporaryFor(digest));
        for (const [k] of result.reasons) job.actions[last[from + k]!] = 'keep';
      },
      { signal: work.signal },
    );
    await writer.commit();
  } finally {
    writer.discard();
  }
}

const pathOf = (target: Target, change: TreeChange): RepoPath =>
  change.path === '' ? target.path : joinPaths(target.path, change.path);

/** Carries a plan out: deletions, folders, files, then the stat index. */
async function apply(repo: Repo, plan: Plan, work: Work): Promise<void> {
  const { target, changes, actions, columns } = plan;
  const folder = absolutePath(repo, target.path);
  const { outcome } = work;
  const count = { created: 0, replaced: 0, deleted: 0 };
  const unknown = new Set<string>();
  const writes: number[] = [];

  const emptied = new Set<string>();
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i]!;
    const action = actions[i]!;
    if (action === 'keep') {
      outcome.kept.push(pathOf(target, change));
      unknown.add(change.path);
    } else if (action === 'adopt') adoptMode(join(folder, change.path), change, columns, i);
    else if (action === 'delete') {
      unlinkIfThere(absolute(folder, change.path));
      count.deleted++;
      if (change.path !== '') emptied.add(parentOf(change.path));
    } else if (action === 'create' || action === 'replace') writes.push(i);
  }
  removeEmptyFolders(folder, emptied, target.pointer?.kind !== 'tree');
  makeFolders(
    repo,
    target,
    writes.map((i) => changes[i]!),
  );
  await writeAll(repo, { plan, folder, writes, unknown, count }, work);

  if (target.pointer === undefined) {
    if (outcome.kept.every((path) => path !== target.path && !path.startsWith(`${target.path}/`))) {
      removeStatIndex(repo, target.path);
    }
  } else await saveNewIndex(repo, plan, unknown);
  if (count.created + count.replaced + count.deleted > 0)
    outcome.changed.push({ path: target.path, ...count });
}

const absolute = (folder: string, path: string) => (path === '' ? folder : `${folder}/${path}`);

/** A file that already has the new content only needs its executable bit. */
function adoptMode(path: string, change: TreeChange, columns: Float64Array, i: number): void {
  const mode = fileModeOf(columns[i * statWidth + 4]!);
  if (mode === change.after!.mode || mode === 'l') return;
  const bits = columns[i * statWidth + 4]! & 0o777;
  chmodSync(path, change.after!.mode === 'x' ? bits | ((bits & 0o444) >> 2) : bits & ~0o111);
  const info = lstatSync(path);
  columns.set([info.size, info.mtimeMs, info.ctimeMs, info.ino, info.mode], i * statWidth);
}

/** Removes folders that deletions left empty, and those above them, up to the target's own (included on request). */
function removeEmptyFolders(folder: string, below: Set<string>, own: boolean): void {
  const deepestFirst = [...below].sort((a, b) => b.length - a.length);
  for (let path of deepestFirst) {
    for (;;) {
      if (path === '' && !own) break;
      try {
        rmdirSync(absolute(folder, path));
      } catch (error) {
        const code = systemCode(error);
        if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error;
        break;
      }
      if (path === '') break;
      path = parentOf(path);
    }
  }
}

function makeFolders(repo: Repo, target: Target, changes: readonly TreeChange[]): void {
  const made = new Set<string>();
  for (const change of changes) {
    const parent = dirname(absolutePath(repo, pathOf(target, change)));
    if (made.has(parent)) continue;
    made.add(parent);
    mkdirSync(parent, { recursive: true });
  }
}

/** A link among the folders above a file would lead the write out of the tracked folder. */
function assertNoLinkedParents(repo: Repo, targetPath: RepoPath, paths: readonly string[]): void {
  const checked = new Set<string>(['']);
  const check = (path: string) => {
    if (checked.has(path)) return;
    checked.add(path);
    check(parentOf(path));
    if (lstatSync(absolutePath(repo, path), { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new DvError('unsafe-link', { repoPath: path, target: 'another folder' });
    }
  };
  for (const path of paths) check(parentOf(path === '' ? targetPath : `${targetPath}/${path}`));
}

interface Writing {
  plan: Plan;
  folder: string;
  writes: readonly number[];
  unknown: Set<string>;
  count: { created: number; replaced: number };
}

async function writeAll(repo: Repo, job: Writing, work: Work): Promise<void> {
  const { plan, writes, unknown, count } = job;
  if (writes.length === 0) return;
  const { changes, actions, columns } = plan;
  const report = work.report ?? silent;
  const link: LinkMode = chooseLinkMode(repo);
  const totalBytes = writes.reduce((sum, i) => sum + changes[i]!.after!.sizeBytes, 0);
  const damaged = new Set<Digest>();
  let files = 0;
  let bytes = 0;
  await work.pool.run(
    'write',
    writes.length,
    (from, to) => {
      const part = writes.slice(from, to);
      return {
        kind: 'write',
        folder: job.folder,
        names: part.map((i) => changes[i]!.path).join('\0'),
        objectsDir: repo.objectsDir,
        digests: part.map((i) => changes[i]!.after!.digest),
        modes: part.map((i) => changes[i]!.after!.mode),
        replace: part.map((i) => actions[i] === 'replace'),
        link,
      };
    },
    (from, result) => {
      const failed = new Set(result.reasons.map(([k]) => k));
      for (const [k, reason] of result.reasons) {
        work.outcome.failures.push({ path: pathOf(plan.target, changes[writes[from + k]!]!), reason });
      }
      for (const digest of result.damaged) damaged.add(digest);
      for (let k = 0; k * statWidth < result.columns.length; k++) {
        const i = writes[from + k]!;
        columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
        if (failed.has(k) || result.columns[k * statWidth] === statMissing) unknown.add(changes[i]!.path);
        else if (actions[i] === 'replace') count.replaced++;
        else count.created++;
        bytes += changes[i]!.after!.sizeBytes;
      }
      files += result.columns.length / statWidth;
      report({ type: 'progress', task: 'writing', files, totalFiles: writes.length, bytes, totalBytes });
    },
    { signal: work.signal, totalBytes },
  );
  for (const digest of damaged) {
    work.outcome.failures.push({
      path: plan.target.path,
      reason: `${digest} is damaged in the cache and was not used; dv verify --repair heals it from a remote`,
    });
  }
}

/** The index of the new listing: what was written or adopted as it is now, the rest as it was known. */
async function saveNewIndex(repo: Repo, plan: Plan, unknown: ReadonlySet<string>): Promise<void> {
  const { after, changes, actions, index } = plan;
  const pointer = plan.target.pointer!;
  const columns = new Float64Array(after.length * statWidth);
  const changeOf = new Map<string, number>();
  changes.forEach((change, i) => {
    changeOf.set(change.path, i);
  });
  const oldRow = new Map<string, number>();
  if (index !== undefined) {
    (entriesOfIndex(repo, index) ?? []).forEach((entry, row) => {
      oldRow.set(entry.path, row);
    });
  }
  after.forEach((entry, row) => {
    const at = row * statWidth;
    const i = changeOf.get(entry.path);
    const old = oldRow.get(entry.path);
    if (i !== undefined && (unknown.has(entry.path) || plan.columns[i * statWidth] === statMissing)) {
      columns[at] = statMissing;
    } else if (i !== undefined && actions[i] !== 'none') {
      columns.set(plan.columns.subarray(i * statWidth, (i + 1) * statWidth), at);
    } else if (index !== undefined && old !== undefined) {
      const trusted = index.columns[old * statWidth + 1]! < index.trustedBeforeMs;
      columns.set(index.columns.subarray(old * statWidth, (old + 1) * statWidth), at);
      // The new index is younger, and would trust what the old one did not.
      if (!trusted) columns[at] = statMissing;
    } else columns[at] = statMissing;
  });
  await saveStatIndex(repo, {
    path: plan.target.path,
    kind: pointer.kind,
    digest: pointer.digest,
    placed: true,
    columns,
  });
}
