/** Carries a materialise plan out: deletions, folders, files, then the stat index. */
import { chmodSync, existsSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../errors.ts';
import { silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import { parentOf } from '../model/repo-path.ts';
import { sameEntry, type TreeChange } from '../model/tree.ts';
import { chooseLinkMode } from './link.ts';
import type { Target } from './materialise.ts';
import { type Plan, pathOf, type Work } from './materialise-plan.ts';
import { absolutePath, type Repo } from './repo.ts';
import { fileModeOf, statMissing, statWidth, unlinkIfThere } from './stat-files.ts';
import { isTrusted, removeStatIndex, saveStatIndex } from './stat-index.ts';

/** Carries a plan out: deletions, folders, files, then the stat index. */
export async function applyPlan(repo: Repo, plan: Plan, work: Work): Promise<void> {
  const { target, actions, columns } = plan;
  const { changes } = plan.listing;
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
    } else if (action === 'adopt') {
      if (adoptMode(absolute(folder, change.path), change, columns, i)) count.replaced++;
    } else if (action === 'delete') {
      unlinkIfThere(absolute(folder, change.path));
      count.deleted++;
      if (change.path !== '') emptied.add(parentOf(change.path));
    } else if (action === 'create' || action === 'replace' || action === 'replace-folder') writes.push(i);
  }
  removeEmptyFolders(folder, emptied, target.pointer?.kind !== 'tree');
  const ready = writes.filter((i) => {
    if (actions[i] !== 'replace-folder' || !existsSync(absolute(folder, changes[i]!.path))) return true;
    outcome.kept.push(pathOf(target, changes[i]!));
    unknown.add(changes[i]!.path);
    return false;
  });
  makeFolders(
    repo,
    target,
    ready.map((i) => changes[i]!),
  );
  await writeAll(repo, { plan, folder, writes: ready, unknown, count }, work);

  // Files of the user's own that stay where data was are named once; from then on they are untracked files.
  if (target.edit !== undefined) await noteEdits(repo, plan, unknown);
  else if (target.pointer === undefined) removeStatIndex(repo, target.path);
  else await saveNewIndex(repo, plan, unknown);
  if (count.created + count.replaced + count.deleted > 0)
    outcome.changed.push({ path: target.path, ...count });
}

const absolute = (folder: string, path: string) => (path === '' ? folder : `${folder}/${path}`);

/** A file that already has the new content only needs its executable bit; says whether it did. */
function adoptMode(path: string, change: TreeChange, columns: Float64Array, i: number): boolean {
  const mode = fileModeOf(columns[i * statWidth + 4]!);
  if (mode === change.after!.mode || mode === 'l') return false;
  const bits = columns[i * statWidth + 4]! & 0o777;
  chmodSync(path, change.after!.mode === 'x' ? bits | ((bits & 0o444) >> 2) : bits & ~0o111);
  const info = lstatSync(path);
  columns.set([info.size, info.mtimeMs, info.ctimeMs, info.ino, info.mode], i * statWidth);
  return true;
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
  const { actions, columns } = plan;
  const { changes } = plan.listing;
  const report = work.report ?? silent;
  work.mark();
  const link = chooseLinkMode(repo);
  const totalBytes = writes.reduce((sum, i) => sum + changes[i]!.after!.sizeBytes, 0);
  const damaged = new Set<Digest>();
  let files = 0;
  let bytes = 0;
  await work.pool.runSliced(
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
  await saveStatIndex(repo, { path: plan.target.path, kind, digest, pathsHash, placed: true, columns });
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
  const { path, kind, digest, pathsHash, placed } = index;
  await saveStatIndex(repo, { path, kind, digest, pathsHash, placed, columns });
}
