/**
 * Threads for thread-pool.ts, which outlive their pool: a command that fetches and then checks out begins the second part
 * with threads that are warm. One may start before anybody knows whether it is needed: while the rest of dv is still
 * loading, in a repository with so many files that looking at them takes longer than the start. Loads nothing itself.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { distFile } from '../dist.ts';
import { youngSpaceOfThreads } from './young-space.ts';

/** Stat indexes of fewer bytes than this (40 for each file) are of folders that one thread looks at as quickly. */
const worthBytes = 4000 * 40;

/** Threads at rest. They do not keep the process alive. */
const resting: Worker[] = [];

/** Lets a thread rest until the next who needs one. It must have nothing to do. */
export function leaveThread(worker: Worker): void {
  if (hasEnded(worker)) return;
  worker.unref();
  // It may end, or never start, and that must not end the process.
  worker.on('error', () => forget(worker));
  worker.on('exit', () => forget(worker));
  resting.push(worker);
}

function forget(worker: Worker): void {
  const at = resting.indexOf(worker);
  if (at >= 0) resting.splice(at, 1);
}

/** A thread that rests, or a new one. */
export function takeThread(): Worker {
  const worker = resting.pop();
  if (worker === undefined) return startThread();
  if (hasEnded(worker)) return takeThread();
  worker.removeAllListeners('error');
  worker.removeAllListeners('exit');
  worker.ref();
  return worker;
}

/** https://nodejs.org/api/worker_threads.html#workerthreadid */
const hasEnded = (worker: Worker) => worker.threadId === -1;

const startThread = () => new Worker(distFile('bin/thread-worker.js'), { workerData: youngSpaceOfThreads() });

/**
 * Starts a thread when the repository a folder is in has large stat indexes. It only guesses: a linked worktree, say, is
 * not recognised, and nothing but time is lost.
 * @param folder absolute.
 */
export function startEarlyThread(folder: string): void {
  if (largestIndex(folder) >= worthBytes) leaveThread(startThread());
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
