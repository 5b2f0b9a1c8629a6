/** `dv gc`: removes objects of the cache that nothing needs, and says what keeps the others. */
import { realpathSync, rmSync, statSync } from 'node:fs';
import { DvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import { withoutGitLocals } from '../pipeline/runner.ts';
import { listOldTemporaries } from '../store/leftovers.ts';
import { type Lock, takeLock } from '../store/lock.ts';
import { listObjects, type ObjectList } from '../store/object-list.ts';
import { openRepo, type Repo } from '../store/repo.ts';
import { listWorktrees, repoOfWorktree, type Worktree } from '../store/worktrees.ts';
import { type BrokenText, type DataRoot, type Keeper, keepers, refuseBroken } from './gc/data-roots.ts';
import { readHistoryRoots } from './gc/history-roots.ts';
import { listIdleIndexes } from './gc/idle-indexes.ts';
import { Marks } from './gc/mark.ts';
import { type Condemned, removeObjects, returnAside } from './gc/sweep.ts';
import { listRunFiles, type RunFile, readWorkspaceRoots } from './gc/workspace-roots.ts';
import { askRemotes, type Holdings, type NamedRemote } from './transfer/holdings.ts';

/** How to collect garbage. */
export interface GcOptions {
  /** Whether anything is removed; otherwise only what would be is told. */
  readonly apply: boolean;
  /** What is younger is kept. Milliseconds. */
  readonly olderThanMs: number;
  /** Remove also what no remote confirms to hold. */
  readonly force: boolean;
  /** Go on past pointers that cannot be read: the digests in them are kept. */
  readonly skipBroken: boolean;
  /** Folders of the other repositories that use the same cache. Undefined: nobody has said. */
  readonly usedBy: readonly string[] | undefined;
  readonly remotes: readonly NamedRemote[];
  readonly env: NodeJS.ProcessEnv;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Some objects and their bytes. */
export interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

/** What `gc` found, and with `apply` did. */
export interface GcResult {
  readonly applied: boolean;
  /** What is kept, by the first of the reasons that apply. */
  readonly kept: Readonly<Record<Keeper | 'young' | 'onlyHere', Amount>>;
  /** What was removed, or would be. */
  readonly removed: Amount;
  /** Run cache entries that go with their outputs. */
  readonly runs: number;
  /** Half-written things older than a day. */
  readonly temporaries: number;
  /** Stat indexes of paths that are not there any more. */
  readonly indexes: number;
  /** Remotes that could not be asked. */
  readonly unasked: readonly { readonly remote: string; readonly reason: string }[];
  /** Whether the cache lies where several repositories may share it, and nobody has said which do. */
  readonly shared: boolean;
}

/** A repository that uses the cache, and its worktrees. */
interface User {
  readonly repo: Repo;
  readonly worktrees: readonly Worktree[];
}

/**
 * Collects garbage. Holds the locks of all worktrees while it decides and removes, so that no command of dv is in
 * the middle of relying on anything; what asks remotes happens before.
 * Guarantee: an object goes only when nothing names it, it is older than asked, and a remote holds it (unless forced).
 * If the process dies, running it again ends in the same state.
 * @throws {DvError} invalid-file naming pointers that cannot be read, objects-damaged naming listings that cannot,
 *   data-missing (with `force`: listings nobody has), usage (a shared cache), locked, git-missing, git-failed
 */
export async function gc(repo: Repo, options: GcOptions): Promise<GcResult> {
  const report = options.report ?? silent;
  const users = openUsers(repo, options);
  const shared = options.usedBy === undefined && repo.config.cacheDir !== undefined;
  if (shared && options.apply) {
    throw new DvError('usage', {
      message: `other repositories may use the cache in ${repo.objectsDir}; dv does not know them`,
      hint: 'name each of them: dv gc --yes --used-by ../other; if there is none: --used-by .',
    });
  }
  const first = await examine(users, options, undefined);
  const holdings = await askRemotes(repo, first.candidates.length > 0 ? options.remotes : [], {
    report,
    signal: options.signal,
  });
  try {
    if (!options.apply) {
      const found = options.force ? await examine(users, options, holdings) : first;
      return describe(found, holdings, { options, shared, removed: undefined });
    }
    return await applyAll(users, options, holdings);
  } finally {
    await holdings.close();
  }
}

function openUsers(repo: Repo, options: GcOptions): User[] {
  const env = withoutGitLocals(options.env);
  const own = repoOfWorktree(repo, repo, env);
  const users: User[] = [{ repo: own, worktrees: listWorktrees(own) }];
  for (const folder of options.usedBy ?? []) {
    const other = openRepo({ cwd: folder, env });
    if (users.some((user) => user.repo.commonDir === other.commonDir)) continue;
    if (realObjects(other) !== realObjects(repo)) {
      throw new DvError('usage', {
        message: `${folder} does not use the cache in ${repo.objectsDir}: its own is ${other.objectsDir}`,
      });
    }
    users.push({ repo: other, worktrees: listWorktrees(other) });
  }
  return users;
}

function realObjects({ objectsDir }: Repo): string {
  return statSync(objectsDir, { throwIfNoEntry: false }) === undefined
    ? objectsDir
    : realpathSync(objectsDir);
}

/** What there is, and what keeps it. */
interface Examined {
  readonly list: ObjectList;
  readonly marks: Marks;
  /** Rows nothing needs and that are old. */
  readonly candidates: readonly number[];
  /** Old run cache entries whose outputs nothing else needs. */
  readonly runs: readonly RunFile[];
  readonly temporaries: readonly string[];
  readonly indexes: readonly string[];
}

/** Lists the cache and marks what is needed. Listings that are not here are read from `elsewhere`. */
async function examine(
  users: readonly User[],
  options: GcOptions,
  elsewhere: Holdings | undefined,
): Promise<Examined> {
  const { signal } = options;
  const nowMs = Date.now();
  const isYoung = (timeMs: number) => nowMs - timeMs < options.olderThanMs;
  const cache = users[0]!.repo;
  // What names objects is read first: an object that comes later is young.
  const roots: DataRoot[] = [];
  const broken: BrokenText[] = [];
  const runFiles: RunFile[] = [];
  for (const { repo, worktrees } of users) {
    const env = withoutGitLocals(options.env);
    const found = [await readHistoryRoots(repo, worktrees)];
    for (const worktree of worktrees) found.push(await readWorkspaceRoots(repo, worktree, env));
    for (const each of found) {
      roots.push(...each.roots);
      broken.push(...each.broken);
    }
    runFiles.push(...listRunFiles(repo));
  }
  if (broken.length > 0 && !options.skipBroken) throw refuseBroken(broken);
  roots.push(...broken.flatMap((text) => text.roots));
  roots.push(...runFiles.filter(({ timeMs }) => isYoung(timeMs)).flatMap((run) => run.roots));

  const list = await listObjects(cache, signal);
  const marks = new Marks(list, cache, (digest) => elsewhere?.read(digest) ?? Promise.resolve(undefined));
  await marks.add(roots, signal);
  const candidates: number[] = [];
  for (let row = 0; row < list.length; row++) {
    if (marks.keeperOf(row) === undefined && !isYoung(list.times[row]!)) candidates.push(row);
  }
  const going = new Set(candidates.map((row) => list.digest(row)));
  return {
    list,
    marks,
    candidates,
    runs: runFiles.filter(
      ({ timeMs, roots: outs }) => !isYoung(timeMs) && outs.some(({ digest }) => going.has(digest)),
    ),
    temporaries: listOldTemporaries(cache, nowMs),
    indexes: (await Promise.all(users.flatMap(({ worktrees }) => worktrees.map(listIdleIndexes)))).flat(),
  };
}

/** Of the candidates, those that may go. */
function chooseRemovable({ list, candidates }: Examined, holdings: Holdings, force: boolean): number[] {
  return force ? [...candidates] : candidates.filter((row) => holdings.has(list.digest(row)));
}

async function applyAll(users: readonly User[], options: GcOptions, holdings: Holdings): Promise<GcResult> {
  const report = options.report ?? silent;
  const { signal } = options;
  const locks = await lockAll(users, signal);
  try {
    const cache = users[0]!.repo;
    returnAside(cache);
    const found = await examine(users, options, options.force ? holdings : undefined);
    if (options.force) refuseUnknown(found.marks);
    const rows = chooseRemovable(found, holdings, options.force);
    const condemned = rows.map(
      (row): Condemned => ({
        digest: found.list.digest(row),
        sizeBytes: found.list.sizes[row]!,
        timeMs: found.list.times[row]!,
      }),
    );
    const totalBytes = condemned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    // Entries first: of one whose outputs are half gone it could not be told any more that it is to go.
    for (const { path } of goingRuns(found, rows)) rmSync(path, { force: true });
    const removed = await removeObjects(cache, condemned, {
      signal,
      advance: (files, bytes) =>
        report({
          type: 'progress',
          task: 'removing',
          files,
          totalFiles: condemned.length,
          bytes,
          totalBytes,
        }),
    });
    for (const path of [...found.temporaries, ...found.indexes])
      rmSync(path, { recursive: true, force: true });
    return describe(found, holdings, { options, shared: false, removed });
  } finally {
    for (const lock of locks) lock.release();
  }
}

/** Run cache entries of which something goes. */
function goingRuns({ list, runs }: Examined, rows: readonly number[]): RunFile[] {
  const going = new Set(rows.map((row) => list.digest(row)));
  return runs.filter(({ roots }) => roots.some(({ digest }) => going.has(digest)));
}

/** With force, what a listing names that nobody has might go unseen. */
function refuseUnknown({ absent }: Marks): void {
  if (absent.size === 0) return;
  throw new DvError('data-missing', {
    paths: [...new Set(absent.values())],
    where: 'the cache, nor on a remote: what these folders need cannot be known, and nothing was removed',
    hint: 'dv gc without --force removes what a remote holds; dv fetch --all where the data is',
  });
}

/** Takes the lock of every worktree, in one order for everybody. A worktree made meanwhile is locked too. */
async function lockAll(users: readonly User[], signal: AbortSignal | undefined): Promise<Lock[]> {
  const locks: Lock[] = [];
  const held = new Set<string>();
  try {
    for (;;) {
      const open = users
        .flatMap(({ repo }) => listWorktrees(repo))
        .map(({ gitDir }) => gitDir)
        .filter((gitDir) => !held.has(gitDir))
        .sort();
      if (open.length === 0) return locks;
      for (const gitDir of open) {
        locks.push(await takeLock({ gitDir, config: users[0]!.repo.config }, 'dv gc', signal));
        held.add(gitDir);
      }
    }
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}

function describe(
  found: Examined,
  holdings: Holdings,
  how: { options: GcOptions; shared: boolean; removed: Amount | undefined },
): GcResult {
  const { list, marks, candidates } = found;
  const kept = Object.fromEntries(
    [...keepers, 'young', 'onlyHere'].map((reason) => [reason, { objects: 0, bytes: 0 }]),
  ) as Record<Keeper | 'young' | 'onlyHere', { objects: number; bytes: number }>;
  const removable = { objects: 0, bytes: 0 };
  const rows = chooseRemovable(found, holdings, how.options.force);
  const going = new Set(rows);
  const old = new Set(candidates);
  for (let row = 0; row < list.length; row++) {
    const amount = going.has(row)
      ? removable
      : kept[marks.keeperOf(row) ?? (old.has(row) ? 'onlyHere' : 'young')];
    amount.objects++;
    amount.bytes += list.sizes[row]!;
  }
  return {
    applied: how.options.apply,
    kept,
    removed: how.removed ?? removable,
    runs: goingRuns(found, rows).length,
    temporaries: found.temporaries.length,
    indexes: found.indexes.length,
    unasked: holdings.unasked,
    shared: how.shared,
  };
}
