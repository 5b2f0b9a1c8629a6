/**
 * A thread that starts before anybody knows whether it is needed: while the rest of dv is still loading, in a repository
 * with so many files that looking at them takes longer than the start. Loads nothing itself.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { distFile } from '../dist.ts';

/** Stat indexes of fewer bytes than this (40 for each file) are of folders that one thread looks at as quickly. */
const worthBytes = 4000 * 40;

let early: Worker | undefined;

/** Starts a thread. */
export const startThread = () => new Worker(distFile('bin/thread-worker.js'));

/**
 * Starts a thread when the repository a folder is in has large stat indexes. It only guesses: a linked worktree, say, is
 * not recognised, and nothing but time is lost.
 * @param folder absolute.
 */
export function startEarlyThread(folder: string): void {
  if (largestIndex(folder) < worthBytes) return;
  early = startThread();
  // Nobody may come for it, and it must not keep the process alive; nor end it, if it cannot start.
  early.unref();
  early.on('error', () => {
    early = undefined;
  });
}

/** The thread that was started early, for the first who needs one. */
export function takeEarlyThread(): Worker | undefined {
  const thread = early;
  early = undefined;
  thread?.removeAllListeners('error');
  thread?.ref();
  return thread;
}

/** The size of the largest stat index, in bytes. */
function largestIndex(folder: string): number {
  for (let at = folder; ; at = dirname(at)) {
    const index = join(at, '.git', 'dv', 'index');
    try {
      const names = readdirSync(index);
      // With very many of them each is of a single file.
      return names.length > 200 ? 0 : Math.max(0, ...names.map((name) => statSync(join(index, name)).size));
    } catch {
      if (at === dirname(at)) return 0;
    }
  }
}
