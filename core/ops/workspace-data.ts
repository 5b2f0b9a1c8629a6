/** What data the workspace's text files stand for: the pointers, and the outputs stages.lock records. */
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { Repo } from '../store/repo.ts';
import { requireTracked } from '../store/tracked.ts';

/** A path and the data it stands for. */
export interface DataPath {
  readonly path: RepoPath;
  readonly pointer: Pointer;
}

/** All data of the workspace, pointers first, each sorted by path. @throws {DvError} invalid-file, newer-format */
export function listWorkspaceData(repo: Repo): DataPath[] {
  return requireTracked(repo).map(({ path, pointer }) => ({ path, pointer }));
}
