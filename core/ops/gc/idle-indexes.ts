/** Stat indexes that say nothing to anybody any more. */
import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listStatIndexes } from '../../store/stat-index.ts';
import type { Worktree } from '../../store/worktrees.ts';

const dayMs = 86_400_000;

/**
 * Index files that are torn or half-written for more than a day, and those of paths that dv only looked at and that are
 * gone. One of what dv put there stays: a checkout needs it to know what it may remove. @returns absolute paths
 */
export async function listIdleIndexes({ gitDir, root }: Worktree): Promise<string[]> {
  const idle: string[] = [];
  for (const { file, index } of await listStatIndexes({ indexDir: join(gitDir, 'dv', 'index') })) {
    if (index === undefined) {
      const info = statSync(file, { throwIfNoEntry: false });
      if (info !== undefined && Date.now() - info.mtimeMs > dayMs) idle.push(file);
    } else if (
      !index.placed &&
      root !== undefined &&
      lstatSync(join(root, index.path), { throwIfNoEntry: false }) === undefined
    )
      idle.push(file);
  }
  return idle;
}
