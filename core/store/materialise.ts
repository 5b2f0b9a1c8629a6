/** Cache → workspace: makes a path of the workspace what a pointer says, keeping every local change. */
import type { Report } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { Repo } from './repo.ts';

/** A path and what it is to become; without a pointer, what dv put there is removed. */
export interface Target {
  readonly path: RepoPath;
  readonly pointer?: Pointer;
}

/** How to materialise. */
export interface MaterialiseOptions {
  /** Files the user deleted come back (`dv checkout`), or stay deleted unless their content changed (hooks). */
  readonly restoreDeleted: boolean;
  /** Replace local changes after saving them into the cache. */
  readonly force: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/** What was done. Paths are relative to the repository's top. */
export interface Materialised {
  readonly created: number;
  readonly replaced: number;
  readonly deleted: number;
  /** Files with local changes that were in the way and stay as they are. */
  readonly kept: readonly RepoPath[];
  /** Targets whose data is not (all) in the cache; nothing was changed at these. */
  readonly missing: readonly { path: RepoPath; digests: readonly Digest[] }[];
  /** Files that could not be written, with the reason. */
  readonly failures: readonly { path: RepoPath; reason: string }[];
}

/**
 * Brings paths of the workspace to what their pointers say.
 * Guarantee: each file is its old or its new content at every moment; if the process dies, running it again
 * ends in the same state.
 * @throws {DvError} object-damaged, invalid-file (of a tree), disk-full, not-writable
 */
export declare function materialise(
  repo: Repo,
  targets: readonly Target[],
  options: MaterialiseOptions,
): Promise<Materialised>;
