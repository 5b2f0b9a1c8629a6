/** Spreads bulk work over a few threads; small tasks are done on this one. */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { doTask, type ResultOf, type TaskKind, type TaskOf } from './thread-tasks.ts';
import type { ThreadReply } from './thread-worker.ts';
import { leaveThread, takeThread } from './threads.ts';

/** Jobs of fewer files than this are done here: starting a thread takes about 30 ms. */
const worthThreads: Record<TaskKind, number> = {
  stat: 2000,
  survey: 1,
  read: 200,
  write: 200,
  settle: 500,
  pack: 64,
  unpack: 64,
  check: 200,
  append: 1,
};
/** Jobs of more bytes than this are worth threads however few their files. */
const worthThreadsBytes = 4 << 20;
/** Of so few files that there is little to share out, more than this: this thread has Ctrl-C to listen to, too. */
const worthOneThreadBytes = 32 << 20;
/** Files of more bytes than this on average get a thread each, a few more than there are processors: none is left to the end alone. */
const largeFileBytes = 32 << 20;
const mostThreads = 4;
const filesPerTask: Partial<Record<TaskKind, number>> = { stat: 2000, settle: 2000 };
const usualFilesPerTask = 250;

/** Somebody who waits for a thread. */
interface Waiting {
  readonly only: Worker | undefined;
  readonly resolve: (worker: Worker) => void;
}

/** A place on one thread of a pool. */
export interface Lane {
  /** Does the next task there. Memory the task hands over must not be used afterwards. */
  run<Kind extends TaskKind>(task: TaskOf<Kind>): Promise<ResultOf<Kind>>;
  /** Gives the place up. */
  leave(): void;
}

/** Threads that do tasks. End it with `close`, or the process stays alive. */
export class ThreadPool {
  readonly #size = Math.max(2, Math.min(mostThreads, availableParallelism()));
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #waiting: Waiting[] = [];
  /** How many lanes each thread has. */
  readonly #lanes = new Map<Worker, number>();

  /** Starts the threads, while something else is still to be found out before there is work for them. */
  warm(): void {
    while (this.#all.length < this.#size) this.#idle.push(this.#start());
  }

  /**
   * Does one task, on a thread when it is worth one. Memory the task hands over must not be used afterwards.
   * @param size how many files and bytes it concerns.
   */
  async run<Kind extends TaskKind>(
    task: TaskOf<Kind>,
    size: { files: number; bytes: number },
  ): Promise<ResultOf<Kind>> {
    if (size.files < worthThreads[task.kind] && size.bytes < worthThreadsBytes) return doTask(task);
    return this.#runOn(await this.#take(this.#size), task);
  }

  /**
   * Reserves a place on one thread for tasks that must all be done there, in the order they are given: it keeps something
   * between them. The thread does other tasks in between.
   */
  lane(): Lane {
    if (this.#all.length < this.#size) this.#idle.push(this.#start());
    const count = (worker: Worker) => this.#lanes.get(worker) ?? 0;
    const worker = this.#all.reduce((least, each) => (count(each) < count(least) ? each : least));
    this.#lanes.set(worker, count(worker) + 1);
    return {
      run: async (task) => this.#runOn(await this.#takeThis(worker), task),
      leave: () => this.#lanes.set(worker, count(worker) - 1),
    };
  }

  async #runOn<Kind extends TaskKind>(worker: Worker, task: TaskOf<Kind>): Promise<ResultOf<Kind>> {
    try {
      return (await ask(worker, task)) as ResultOf<Kind>;
    } finally {
      const next = this.#waiting.findIndex(({ only }) => only === undefined || only === worker);
      if (next < 0) this.#idle.push(worker);
      else this.#waiting.splice(next, 1)[0]!.resolve(worker);
    }
  }

  /**
   * Does a job cut into tasks.
   * @param count how many files the job has.
   * @param slice makes the task for files `from` (included) to `to` (excluded).
   * @param finished receives each task's result with the positions of its files, in any order.
   */
  async runSliced<Kind extends TaskKind>(
    kind: Kind,
    count: number,
    slice: (from: number, to: number) => TaskOf<Kind>,
    finished: (from: number, result: ResultOf<Kind>, to: number) => void,
    options: { signal?: AbortSignal | undefined; totalBytes?: number } = {},
  ): Promise<void> {
    if (count === 0) return;
    const { totalBytes = 0 } = options;
    const onThreads =
      count >= worthThreads[kind] || totalBytes >= (count >= 4 ? worthThreadsBytes : worthOneThreadBytes);
    const areLarge = totalBytes >= count * largeFileBytes;
    const threads = areLarge ? mostThreads : this.#size;
    const most = areLarge ? 1 : (filesPerTask[kind] ?? usualFilesPerTask);
    const step = onThreads ? Math.max(1, Math.min(most, Math.ceil(count / (threads * 4)))) : most;
    const shares = cutShares(count, step, onThreads ? Math.min(threads, Math.ceil(count / step)) : 1);
    let failedAlready = false;
    const lane = async (own: Share) => {
      for (let share: Share | undefined = own; share !== undefined; share = fullest(shares)) {
        while (share.next < share.end) {
          if (failedAlready) return;
          options.signal?.throwIfAborted();
          const from = share.next;
          const to = Math.min(share.end, from + step);
          share.next = to;
          const task = slice(from, to);
          finished(from, onThreads ? await this.#runOn(await this.#take(threads), task) : doTask(task), to);
        }
      }
    };
    const lanes = shares.map(async (share) => {
      try {
        await lane(share);
      } catch (error) {
        failedAlready = true;
        throw error;
      }
    });
    const outcomes = await Promise.allSettled(lanes);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return;
    options.signal?.throwIfAborted();
    throw failed.reason;
  }

  /**
   * Starts a task on the other threads, for a job this one does its share of: one thread fewer than the machine runs.
   * The task must say itself who does what.
   */
  runBeside<Kind extends TaskKind>(task: TaskOf<Kind>): Promise<ResultOf<Kind>>[] {
    const size = { files: Number.POSITIVE_INFINITY, bytes: 0 };
    return Array.from({ length: this.#size - 1 }, () => this.run<Kind>(task, size));
  }

  /** A thread that does nothing else meanwhile. @param most how many there may be. */
  async #take(most: number): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.length < most) return this.#start();
    return new Promise((resolve) => this.#waiting.push({ only: undefined, resolve }));
  }

  /** This thread, once it does nothing else. */
  async #takeThis(only: Worker): Promise<Worker> {
    const at = this.#idle.indexOf(only);
    if (at >= 0) return this.#idle.splice(at, 1)[0]!;
    return new Promise((resolve) => this.#waiting.push({ only, resolve }));
  }

  #start(): Worker {
    const worker = takeThread();
    this.#all.push(worker);
    return worker;
  }

  /** Gives the threads back: those at rest to the next pool, the others end. */
  async close(): Promise<void> {
    const idle = new Set(this.#idle.splice(0));
    const busy = this.#all.splice(0).filter((worker) => !idle.has(worker));
    for (const worker of idle) leaveThread(worker);
    await Promise.all(busy.map((worker) => worker.terminate()));
  }
}

/** Files that one thread begins with; one that is done takes from the others'. */
interface Share {
  next: number;
  readonly end: number;
}

/**
 * Cuts a job into parts that lie apart: files come in the order of their paths, and threads that make files in the
 * same folder wait for each other.
 */
function cutShares(count: number, step: number, threads: number): Share[] {
  const tasks = Math.ceil(count / step);
  return Array.from({ length: threads }, (_, i) => ({
    next: Math.floor((i * tasks) / threads) * step,
    end: Math.min(count, Math.floor(((i + 1) * tasks) / threads) * step),
  }));
}

/** The share with the most left to do, or undefined when all is begun. */
function fullest(shares: readonly Share[]): Share | undefined {
  let most: Share | undefined;
  for (const share of shares) {
    if (share.end - share.next > (most === undefined ? 0 : most.end - most.next)) most = share;
  }
  return most;
}

/** Memory a task hands over; a view of a larger buffer stays, and is copied. */
function handedOver(task: TaskOf<TaskKind>): ArrayBuffer[] {
  if (task.kind === 'pack') return task.space === undefined ? [] : [task.space];
  if (task.kind !== 'unpack') return [];
  const { buffer, byteLength } = task.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

function ask(worker: Worker, task: TaskOf<TaskKind>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onReply);
      worker.off('error', onError);
    };
    const onReply = (reply: ThreadReply) => {
      settle();
      if ('result' in reply) resolve(reply.result);
      else reject(Object.assign(new Error(reply.error.message), { code: reply.error.code }));
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    worker.on('message', onReply);
    worker.on('error', onError);
    worker.postMessage(task, handedOver(task));
  });
}
