/** `dv status`: the workspace against the pointers, and stages against what they were made from. */
import { existsSync } from 'node:fs';
import { DvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import { isWithin, type RepoPath } from '../model/repo-path.ts';
import { diffEntries, readTree, type TreeChange } from '../model/tree.ts';
import { stageOutputs } from '../pipeline/lock-file.ts';
import { stagesFileName } from '../pipeline/stage.ts';
import { hasObject, readObject } from '../store/cache.ts';
import { type Captured, capture } from '../store/capture.ts';
import { missingObjects } from '../store/objects.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { listTracked, type Tracked } from '../store/tracked.ts';
import { listUncommitted } from '../store/uncommitted.ts';
import type { OpenConflict } from './conflicts.ts';
import { type HeadChange, startHeadLook } from './head-changes.ts';
import type { StageStatus } from './repro.ts';
import { joinData } from './workspace-data.ts';

/** How the files at a tracked path stand to its pointer. */
export type PathState = 'clean' | 'modified' | 'missing' | 'uncommitted' | 'not-in-cache' | 'unreadable';

/** One tracked path. */
export interface PathStatus {
  readonly path: RepoPath;
  readonly kind: Pointer['kind'];
  /**
   * `not-in-cache`: nothing is in the workspace, and the cache lacks what should be. `uncommitted`: as recorded with
   * `dv add --no-commit`, and bytes are still only in the workspace.
   */
  readonly state: PathState;
  readonly added: number;
  readonly modified: number;
  readonly deleted: number;
  /** For `unreadable`: what is wrong with the pointer. */
  readonly problem?: string;
}

/** What `status` found. */
export interface StatusResult {
  readonly paths: readonly PathStatus[];
  /** Pointers and stages.lock that the last commit does not have as they are. */
  readonly toCommit: readonly HeadChange[];
  /** The stages of stages.yaml; none when only some paths were asked for. */
  readonly stages: readonly StageStatus[];
  /** Tracked paths that a merge left in conflict. */
  readonly conflicts: readonly OpenConflict[];
  readonly failures: readonly { path: RepoPath; reason: string }[];
}

/** How to look. */
export interface StatusOptions {
  readonly paths?: readonly RepoPath[];
  /** The environment that stages see. */
  readonly env: NodeJS.ProcessEnv;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** Compares the workspace with the pointers; changes nothing but stat indexes. @throws {DvError} path-not-tracked */
export async function status(repo: Repo, options: StatusOptions): Promise<StatusResult> {
  const lookAtHead = startHeadLook(repo);
  const { broken, unmerged, tracked, untracked } = listTracked(repo);
  // With broken pointers, what stages wrote cannot be told from what they stand for.
  const data = joinData(tracked, broken.length === 0 ? stageOutputs(repo) : []);
  const wanted = (path: RepoPath) => options.paths?.some((prefix) => isWithin(path, prefix)) ?? true;
  for (const path of options.paths ?? []) {
    if (
      ![...data, ...broken.map((b) => ({ path: b.pointerPath }))].some((entry) => isWithin(entry.path, path))
    ) {
      throw new DvError('path-not-tracked', { repoPath: path });
    }
  }
  const paths: PathStatus[] = broken
    .filter(({ pointerPath }) => wanted(pointerPath))
    .map(({ pointerPath, error }) => ({
      path: pointerPath,
      kind: 'file',
      state: 'unreadable',
      added: 0,
      modified: 0,
      deleted: 0,
      problem: error.message,
    }));
  const failures: { path: RepoPath; reason: string }[] = [];
  const known = new Map<RepoPath, Pointer | undefined>();
  for (const { path, pointer } of data) {
    if (!wanted(path)) continue;
    const { captured, ...found } = await statusOf(repo, path, pointer, options);
    paths.push(found);
    failures.push(...(captured?.failures ?? []));
    known.set(path, captured?.pointer);
  }
  const conflicts = await conflictsOf(repo, unmerged, tracked);
  const pointerFiles = new Set([...tracked, ...broken].map(({ pointerPath }) => pointerPath));
  const toCommit = await lookAtHead(pointerFiles, untracked);
  return {
    paths,
    toCommit: toCommit.filter(({ path }) => wanted(path)),
    stages: await statusOfStages(repo, options, known),
    conflicts: conflicts.filter(({ path }) => wanted(path)),
    failures,
  };
}

/** Conflicts are rare: what finds them is loaded when git says that there are some. */
async function conflictsOf(
  repo: Repo,
  unmerged: readonly string[],
  tracked: readonly Tracked[],
): Promise<readonly OpenConflict[]> {
  if (unmerged.length === 0) return [];
  const { listOpenConflicts } = await import('./conflicts.ts');
  return listOpenConflicts(repo, unmerged, new Map(tracked.map(({ path, pointer }) => [path, pointer])));
}

/** Most repositories that only version data have no stages: what reads them is loaded when there is a file of them. */
async function statusOfStages(
  repo: Repo,
  options: StatusOptions,
  known: ReadonlyMap<RepoPath, Pointer | undefined>,
): Promise<readonly StageStatus[]> {
  if (options.paths !== undefined || !existsSync(absolutePath(repo, stagesFileName))) return [];
  const { stageStates } = await import('./repro.ts');
  return stageStates(repo, { ...options, known });
}

async function statusOf(
  repo: Repo,
  path: RepoPath,
  pointer: Pointer,
  options: StatusOptions,
): Promise<PathStatus & { readonly captured?: Captured }> {
  const base = { path, kind: pointer.kind, added: 0, modified: 0, deleted: 0 };
  let captured: Captured;
  try {
    captured = await capture(repo, path, { store: false, ...options });
  } catch (error) {
    if (!(error instanceof DvError) || error.code !== 'path-missing') throw error;
    const here = hasObject(repo, pointer.digest);
    const deleted = pointer.kind === 'tree' ? pointer.files : 1;
    return { ...base, state: here ? 'missing' : 'not-in-cache', deleted };
  }
  if (captured.pointer.digest === pointer.digest && captured.pointer.kind === pointer.kind) {
    return { ...base, state: isUncommitted(repo, path, captured) ? 'uncommitted' : 'clean', captured };
  }
  const changes = compare(repo, pointer, captured);
  if (changes === undefined) return { ...base, state: 'modified', captured };
  const added = changes.filter((change) => change.before === undefined).length;
  const deleted = changes.filter((change) => change.after === undefined).length;
  const modified = changes.length - added - deleted;
  return { ...base, state: 'modified', added, deleted, modified, captured };
}

/** Only noted paths are looked up in the cache: for all of them that would take longer than the rest of status. */
function isUncommitted(repo: Repo, path: RepoPath, captured: Captured): boolean {
  if (!listUncommitted(repo).has(path)) return false;
  return (
    missingObjects(
      repo,
      captured.entries.map((entry) => entry.digest),
    ).length > 0
  );
}

/** What differs, or undefined when the cache lacks the tree the pointer names. */
function compare(repo: Repo, pointer: Pointer, captured: Captured): TreeChange[] | undefined {
  if (pointer.kind === 'file' || captured.pointer.kind === 'file') {
    return [{ path: '' as RepoPath, before: captured.entries[0]!, after: captured.entries[0]! }];
  }
  try {
    return diffEntries(
      readTree(pointer.digest, (digest) => readObject(repo, digest)),
      captured.entries,
    );
  } catch (error) {
    if (error instanceof DvError && error.code === 'object-missing') return undefined;
    throw error;
  }
}
