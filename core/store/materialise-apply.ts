/** Carries a materialise plan out: deletions, folders, files, then the stat index. */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { isDvError, reasonOf, systemCode } from '../errors.ts';
import { silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { baseName, parentOf, type RepoPath } from '../model/repo-path.ts';
import { sameEntry } from '../model/tree.ts';
import { HeldFolders } from './held-folders.ts';
import { chooseLinkMode } from './link.ts';
import { type Plan, pathOf, type Work } from './materialise-plan.ts';
import { aliasAmong } from './name-aliases.ts';
import { giveOwnFiles } from './own-files.ts';
import { absolutePath, type Repo } from './repo.ts';
import { fileModeOf, putStat, statMissing, statWidth } from './stat-files.ts';
import { isTrusted, removeStatIndex, saveStatIndex, unknownStamp } from './stat-index.ts';
import { followSignal } from './stop-flag.ts';
import { appearedReason } from './write-files.ts';

/** Carries a plan out: deletions, folders, files, then the stat index. */
export async function applyPlan(repo: Repo, plan: Plan, work: Work): Promise<void> {
  const { target, actions } = plan;
  const { changes } = plan.listing;
  const { outcome } = work;
  const count = { created: 0, replaced: 0, deleted: 0 };
  const unknown = new Set<string>();
  const writes: number[] = [];
  const deletes: number[] = [];
  const relinked = new Set<number>();
  {
    using held = new HeldFolders(repo.root);
    for (let i = 0; i < changes.length; i++) {
      const action = actions[i]!;
      if (action === 'keep') keep(plan, i, { outcome, unknown });
      else if (action === 'adopt' && isLinkedOtherwise(repo, plan, i)) relinked.add(i);
      else if (action === 'adopt') {
        if (tryOne(plan, i, { outcome, unknown }, () => adoptMode(held, plan, i))) count.replaced++;
      } else if (action === 'delete') deletes.push(i);
      else if (action === 'create' || action === 'replace' || action === 'replace-folder') writes.push(i);
    }
    if (deletes.length > 0) work.mark();
    const emptied = new Set<string>();
    for (const i of deletes) {
      const { path } = changes[i]!;
      if (!tryOne(plan, i, { outcome, unknown }, () => remove(held, pathOf(target, changes[i]!)))) continue;
      count.deleted++;
      if (path !== '') emptied.add(parentOf(path));
    }
    for (let i = 0; i < changes.length; i++) {
      const { path, after } = changes[i]!;
      // Perhaps deleted by a checkout that was killed before it came to the folder.
      if (after === undefined && path !== '' && plan.columns[i * statWidth] === statMissing)
        emptied.add(parentOf(path));
    }
    removeEmptyFolders(held, target.path, { below: emptied, own: target.pointer?.kind !== 'tree' });
  }
  const folder = absolutePath(repo, target.path);
  writes.push(...relinked);
  const ready = writes.filter((i) => {
    if (actions[i] !== 'replace-folder' || !existsSync(absolute(folder, changes[i]!.path))) return true;
    keep(plan, i, { outcome, unknown });
    return false;
  });
  await writeAll(repo, { plan, writes: ready, relinked, unknown, count }, work);

  // Files of the user's own that stay where data was are named once; from then on they are untracked files.
  if (deletes.some((i) => unknown.has(changes[i]!.path))) {
    // A file that could not be removed is still dv's own: the old index, which says so, stays for the next try.
  } else if (target.edit !== undefined) await noteEdits(repo, plan, unknown);
  else if (target.pointer === undefined) removeStatIndex(repo, target.path);
  else await saveNewIndex(repo, plan, unknown);
  if (count.created + count.replaced + count.deleted > 0)
    outcome.changed.push({ path: target.path, ...count });
}

/** What became of files that were not brought to what they should be. */
interface Undone {
  outcome: Work['outcome'];
  /** Their paths: what the index must not claim to know. */
  unknown: Set<string>;
}

function keep(plan: Plan, i: number, { outcome, unknown }: Undone): void {
  const change = plan.listing.changes[i]!;
  outcome.kept.push(pathOf(plan.target, change));
  unknown.add(change.path);
}

/** Does something with one file; a failure is noted, and the other files go on. */
function tryOne(plan: Plan, i: number, { outcome, unknown }: Undone, act: () => boolean): boolean {
  const change = plan.listing.changes[i]!;
  try {
    return act();
  } catch (error) {
    outcome.failures.push({ path: pathOf(plan.target, change), reason: reasonOf(error) });
    unknown.add(change.path);
    return false;
  }
}

const absolute = (folder: string, path: string) => (path === '' ? folder : `${folder}/${path}`);

/** Removes a file; that it is gone already is as good. */
function remove(held: HeldFolders, path: string): boolean {
  try {
    unlinkSync(`${held.at(parentOf(path))}/${baseName(path)}`);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  }
  return true;
}

/** Whether a file shares its bytes, and so its mode, with others, and is to have another mode. */
function isLinkedOtherwise(repo: Repo, plan: Plan, i: number): boolean {
  const change = plan.listing.changes[i]!;
  const mode = fileModeOf(plan.columns[i * statWidth + 4]!);
  if (mode === change.after!.mode || mode === 'l') return false;
  const info = lstatSync(absolutePath(repo, pathOf(plan.target, change)), { throwIfNoEntry: false });
  return info !== undefined && (info.isSymbolicLink() || info.nlink > 1);
}

/** A file that already has the new content only needs its executable bit; says whether it did. */
function adoptMode(held: HeldFolders, plan: Plan, i: number): boolean {
  const change = plan.listing.changes[i]!;
  const { columns } = plan;
  const mode = fileModeOf(columns[i * statWidth + 4]!);
  if (mode === change.after!.mode || mode === 'l') return false;
  const path = pathOf(plan.target, change);
  const bits = columns[i * statWidth + 4]! & 0o777;
  const file = openSync(
    `${held.at(parentOf(path))}/${baseName(path)}`,
    constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
  );
  try {
    fchmodSync(file, change.after!.mode === 'x' ? bits | ((bits & 0o444) >> 2) : bits & ~0o111);
    putStat(columns, i, fstatSync(file));
  } finally {
    closeSync(file);
  }
  return true;
}

/** Removes folders that deletions left empty, and those above them, up to the target's own (included on request). */
function removeEmptyFolders(
  held: HeldFolders,
  target: RepoPath,
  { below, own }: { below: Set<string>; own: boolean },
): void {
  const deepestFirst = [...below].sort((a, b) => b.length - a.length);
  for (let path of deepestFirst) {
    for (;;) {
      if (path === '' && !own) break;
      const folder = absolute(target, path);
      try {
        rmdirSync(`${held.at(parentOf(folder))}/${baseName(folder)}`);
      } catch (error) {
        // Not empty, a link by now, or not ours to remove: an empty folder does no harm.
        if (systemCode(error) === undefined && !isDvError(error, 'unsafe-link')) throw error;
        if (systemCode(error) !== 'ENOENT') break;
      }
      if (path === '') break;
      path = parentOf(path);
    }
  }
}

interface Writing {
  plan: Plan;
  writes: readonly number[];
  /** Those of `writes` whose file has the right bytes and is to be replaced all the same. */
  relinked: ReadonlySet<number>;
  unknown: Set<string>;
  count: { created: number; replaced: number };
}

async function writeAll(repo: Repo, job: Writing, work: Work): Promise<void> {
  const { plan, writes, unknown, count } = job;
  if (writes.length === 0) return;
  const { actions, columns } = plan;
  const { changes } = plan.listing;
  const report = work.report ?? silent;
  work.mark();
  const link = chooseLinkMode(repo);
  if (link !== 'copy')
    await giveOwnFiles(
      repo,
      writes.map((i) => changes[i]!.after!.digest),
    );
  const wanted = () => changes.flatMap(({ path, after }) => (after === undefined ? [] : [path]));
  const totalBytes = writes.reduce((sum, i) => sum + changes[i]!.after!.sizeBytes, 0);
  const damaged = new Set<Digest>();
  let files = 0;
  let bytes = 0;
  using stop = followSignal(work.signal);
  await work.pool.runSliced(
    'write',
    writes.length,
    (from, to) => {
      const part = writes.slice(from, to);
      return {
        kind: 'write',
        root: repo.root,
        folder: plan.target.path,
        names: part.map((i) => changes[i]!.path).join('\0'),
        objectsDir: repo.objectsDir,
        digests: part.map((i) => changes[i]!.after!.digest),
        sizes: part.map((i) => changes[i]!.after!.sizeBytes),
        modes: part.map((i) => changes[i]!.after!.mode),
        replace: part.map((i) => actions[i] === 'replace' || job.relinked.has(i)),
        link,
        stop: stop.flag,
      };
    },
    (from, result) => {
      const failed = new Set(result.reasons.map(([k]) => k));
      for (const [k, reason] of result.reasons) {
        const change = changes[writes[from + k]!]!;
        const alias = reason === appearedReason ? aliasAmong(wanted(), change.path) : undefined;
        const told =
          alias === undefined ? reason : `${change.path} and ${alias} are one name on this file system`;
        work.outcome.failures.push({ path: pathOf(plan.target, change), reason: told });
      }
      for (const digest of result.damaged) damaged.add(digest);
      for (let k = 0; k * statWidth < result.columns.length; k++) {
        const i = writes[from + k]!;
        columns.set(result.columns.subarray(k * statWidth, (k + 1) * statWidth), i * statWidth);
        if (failed.has(k) || result.columns[k * statWidth] === statMissing) unknown.add(changes[i]!.path);
        else if (actions[i] === 'replace' || job.relinked.has(i)) count.replaced++;
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
  const { listing, actions } = plan;
  const { index, changes, beforeRows, afterRows, same, pathsHash } = listing;
  const pointer = plan.target.pointer!;
  const columns = new Float64Array(listing.afterCount * statWidth);
  const keep = (before: number, after: number, rows: number) => {
    if (index !== undefined) {
      columns.set(index.columns.subarray(before * statWidth, (before + rows) * statWidth), after * statWidth);
    }
    for (let row = 0; row < rows; row++) {
      // The new index is younger, and would trust what the old one did not.
      if (index === undefined || !isTrusted(index, before + row))
        columns[(after + row) * statWidth] = statMissing;
    }
  };
  for (const { before, after, rows } of same) keep(before, after, rows);
  changes.forEach((change, i) => {
    const row = afterRows[i]!;
    if (row < 0) return;
    const at = row * statWidth;
    if (unknown.has(change.path) || plan.columns[i * statWidth] === statMissing) columns[at] = statMissing;
    else if (actions[i] !== 'none') {
      columns.set(plan.columns.subarray(i * statWidth, (i + 1) * statWidth), at);
    } else if (beforeRows[i]! >= 0) keep(beforeRows[i]!, row, 1);
    else columns[at] = statMissing;
  });
  const { kind, digest } = pointer;
  await saveStatIndex(repo, {
    path: plan.target.path,
    kind,
    digest,
    pathsHash,
    cacheStamp: unknownStamp,
    placed: true,
    columns,
  });
}

/** After an edit the index names what it named before; only rows of files that are still as recorded are kept. */
async function noteEdits(repo: Repo, plan: Plan, unknown: ReadonlySet<string>): Promise<void> {
  const { listing, actions } = plan;
  const { index, changes, beforeRows } = listing;
  if (index === undefined) return;
  const columns = index.columns.slice();
  for (let row = 0; row * statWidth < columns.length; row++) {
    // The new index is younger, and would trust what the old one did not.
    if (!isTrusted(index, row)) columns[row * statWidth] = statMissing;
  }
  changes.forEach(({ path, before, after }, i) => {
    if (before === undefined || actions[i] === 'none') return;
    const at = beforeRows[i]! * statWidth;
    const asRecorded = after !== undefined && sameEntry(before, after);
    if (asRecorded && !unknown.has(path)) {
      columns.set(plan.columns.subarray(i * statWidth, (i + 1) * statWidth), at);
    } else columns[at] = statMissing;
  });
  await saveStatIndex(repo, { ...index, columns });
}
