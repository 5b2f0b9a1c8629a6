/** The data that workspaces name: pointers and stages.lock as they stand there, and what stat indexes say dv put there. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isDvError } from '../../errors.ts';
import { digestFromHex } from '../../model/digest.ts';
import { lockFileName } from '../../pipeline/lock-file.ts';
import { parseRun } from '../../pipeline/run-cache.ts';
import { readIfThere } from '../../store/discover.ts';
import { listFolder } from '../../store/list-folder.ts';
import type { Repo } from '../../store/repo.ts';
import { listStatIndexes } from '../../store/stat-index.ts';
import { listTracked } from '../../store/tracked.ts';
import { repoOfWorktree, type Worktree } from '../../store/worktrees.ts';
import { type BrokenText, type DataRoot, digestsIn, rootsInText } from './data-roots.ts';

/** What one worktree's files name; of one whose folder is away, what its stat indexes do. */
export async function readWorkspaceRoots(
  repo: Repo,
  worktree: Worktree,
  env: NodeJS.ProcessEnv,
): Promise<{ roots: DataRoot[]; broken: BrokenText[] }> {
  const roots: DataRoot[] = [];
  const broken: BrokenText[] = [];
  const take = (text: string, path: string, isLock: boolean) => {
    const found = rootsInText(text, { keeper: 'workspace', name: path, isLock });
    if ('problem' in found) broken.push(found);
    else roots.push(...found.roots);
  };
  const indexDir = join(worktree.gitDir, 'dv', 'index');
  for (const { index } of await listStatIndexes({ indexDir })) {
    if (index === undefined) continue;
    const { kind, digest, path, placed } = index;
    if (placed) roots.push({ keeper: 'workspace', name: path, kind, digest });
    else if (kind === 'tree') roots.push({ keeper: 'workspace', name: path, kind: 'listing', digest });
  }
  roots.push(...unfinishedRoots(join(worktree.gitDir, 'dv')));
  const { root } = worktree;
  if (root === undefined) return { roots, broken };
  const { tracked, broken: unreadable } = listTracked(repoOfWorktree(repo, { ...worktree, root }, env));
  for (const { path, pointer } of tracked)
    roots.push({ keeper: 'workspace', name: path, kind: pointer.kind, digest: pointer.digest });
  for (const { pointerPath, error } of unreadable) {
    if (isDvError(error, 'newer-format')) throw error;
    const text = readIfThere(join(root, pointerPath));
    if (text !== undefined) take(text, pointerPath, false);
  }
  const lock = readIfThere(join(root, lockFileName));
  if (lock !== undefined) take(lock, lockFileName, true);
  return { roots, broken };
}

/** No note of dv's is larger. */
const mostNoteBytes = 16 << 20;

/** Every digest in dv's notes about what is under way in a worktree: pointers on their way to another name, … */
function unfinishedRoots(folder: string): DataRoot[] {
  return listFolder(folder).flatMap((name) => {
    const file = join(folder, name);
    const info = statSync(file, { throwIfNoEntry: false });
    if (!info?.isFile() || info.size > mostNoteBytes) return [];
    return digestsIn(readIfThere(file) ?? '', 'workspace', name);
  });
}

/** A run cache entry and what it stands for. */
export interface RunFile {
  /** Absolute. */
  readonly path: string;
  readonly timeMs: number;
  readonly roots: readonly DataRoot[];
}

/** All run cache entries; what is no readable one stands for nothing and stays. */
export function listRunFiles(repo: Pick<Repo, 'dvDir'>): RunFile[] {
  const folder = join(repo.dvDir, 'runs');
  return listFolder(folder).flatMap((name) => {
    if (digestFromHex(name) === undefined) return [];
    const path = join(folder, name);
    const record = parseRun(readIfThere(path) ?? '');
    if (record === undefined) return [];
    const roots = [...record.outs, ...record.metrics].map(
      ([out, { kind, digest }]): DataRoot => ({
        keeper: 'runs',
        name: `${record.stage}: ${out}`,
        kind,
        digest,
      }),
    );
    return [{ path, timeMs: statSync(path).mtimeMs, roots }];
  });
}
