/** `dv diff`: which files of tracked data differ between two revisions, or a revision and the workspace. */
import { existsSync } from 'node:fs';
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import { pathPattern } from '../model/path-select.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { readObject } from '../store/cache.ts';
import { capture } from '../store/capture.ts';
import { openHistory } from '../store/history.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listDataAt } from './data-at.ts';
import {
  type ClassCounts,
  comparePath,
  countClasses,
  narrowDiff,
  type PathDiff,
  type Side,
} from './path-diff.ts';
import { type DataPath, listWorkspaceData } from './workspace-data.ts';

/** How one tracked path differs, with counts per class. */
export interface DataDiff extends PathDiff {
  /** Classes with differences; none where files are not in folders, or the listings are not in the cache. */
  readonly classes: readonly ClassCounts[];
}

/** What `diff` found; paths without differences are left out. */
export interface DiffResult {
  readonly from: string;
  readonly to: string;
  readonly paths: readonly DataDiff[];
}

/** What to compare. */
export interface DiffOptions {
  /** Older side; undefined: the pointers as they stand in the workspace. */
  readonly from?: string;
  /** Newer side; undefined: the files of the workspace. */
  readonly to?: string;
  /** Only these paths and what is below them, or (as a pattern) matched; they may lie inside a tracked folder. */
  readonly paths?: readonly RepoPath[];
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Compares; nothing is checked out or fetched. @throws {DvError} unknown-revision, invalid-file */
export async function diff(repo: Repo, options: DiffOptions): Promise<DiffResult> {
  const asked = options.paths?.map((path) => pathPattern(path, () => existsSync(absolutePath(repo, path))));
  const wanted = (path: RepoPath) =>
    asked?.some((each) => each.selects(path) || each.mayReachInto(path)) ?? true;
  const [before, after] = await readSides(repo, options, wanted);
  const paths: DataDiff[] = [];
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const sides = [before.get(path), after.get(path)] as const;
    const found = comparePath((digest) => readObject(repo, digest), path, ...sides);
    const narrowed = found && narrowDiff(found, asked);
    if (narrowed !== undefined) paths.push({ ...narrowed, classes: countClasses(repo, narrowed, ...sides) });
  }
  return { from: options.from ?? 'pointers', to: options.to ?? 'workspace', paths };
}

type Sides = Map<RepoPath, Side>;

async function readSides(
  repo: Repo,
  options: DiffOptions,
  wanted: (path: RepoPath) => boolean,
): Promise<[Sides, Sides]> {
  const asSides = (data: readonly DataPath[]): Sides =>
    new Map(data.filter(({ path }) => wanted(path)).map(({ path, pointer }) => [path, { pointer }]));
  const revisions = [options.from, options.to].filter((revision) => revision !== undefined);
  let at: DataPath[][] = [];
  if (revisions.length > 0) {
    const history = await openHistory(repo);
    try {
      const commits = await history.resolveAll(revisions);
      at = await listDataAt(
        history,
        commits.map((commit) => commit.id),
      );
    } finally {
      await history.close();
    }
  }
  const pointers = listWorkspaceDataIfNeeded(repo, options);
  const before = options.from === undefined ? asSides(pointers) : asSides(at[0]!);
  if (options.to !== undefined) return [before, asSides(at.at(-1)!)];
  const after: Sides = new Map();
  for (const { path } of pointers) {
    if (!wanted(path)) continue;
    const side = await captureSide(repo, path, options);
    if (side !== undefined) after.set(path, side);
  }
  return [before, after];
}

const listWorkspaceDataIfNeeded = (repo: Repo, options: DiffOptions) =>
  options.from === undefined || options.to === undefined ? listWorkspaceData(repo) : [];

async function captureSide(repo: Repo, path: RepoPath, options: DiffOptions): Promise<Side | undefined> {
  try {
    const { pointer, entries } = await capture(repo, path, {
      store: false,
      ...(options.report ? { report: options.report } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    return { pointer, entries };
  } catch (error) {
    if (error instanceof DvError && error.code === 'path-missing') return undefined;
    throw error;
  }
}
