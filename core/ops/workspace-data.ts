/** What data the workspace's text files stand for: the pointers, and the outputs stages.lock records. */
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, type RepoPath } from '../model/repo-path.ts';
import { type StageOutput, stageOutputs } from '../pipeline/lock-file.ts';
import type { Repo } from '../store/repo.ts';
import { requireTracked } from '../store/tracked.ts';

/** A path and the data it stands for. */
export interface DataPath {
  readonly path: RepoPath;
  readonly pointer: Pointer;
}

/** All data of the workspace, sorted by path. @throws {DvError} invalid-file, newer-format */
export function listWorkspaceData(repo: Repo): DataPath[] {
  return joinData(
    requireTracked(repo).map(({ path, pointer }) => ({ path, pointer })),
    stageOutputs(repo),
  );
}

/**
 * Puts pointers and stage outputs together, sorted by path. Where both speak of a path (somebody tracked what a
 * stage used to write), the pointer counts.
 */
export function joinData(pointers: readonly DataPath[], outputs: readonly StageOutput[]): DataPath[] {
  const tracked = new Set<string>(pointers.map(({ path }) => path));
  const rest = outputs
    .filter(({ path }) => !tracked.has(path))
    .map(({ path, pointer }) => ({ path, pointer }));
  return [...pointers, ...rest].sort((a, b) => comparePaths(a.path, b.path));
}
