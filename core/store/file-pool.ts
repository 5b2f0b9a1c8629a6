/** Spreads file tasks over a few threads; short lists are done on this one. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { FileReply } from './file-worker.ts';
import { type ReadResult, type ReadTask, readFiles } from './read-files.ts';
import { type StatTask, statFiles } from './stat-files.ts';
import { type WriteResult, type WriteTask, writeFiles } from './write-files.ts';

interface Tasks {
  stat: { task: StatTask; result: { columns: Float64Array } };
  read: { task: ReadTask; result: ReadResult };
  write: { task: WriteTask; result: WriteResult };
}
type Kind = keyof Tasks;

const direct: { [K in Kind]: (task: Tasks[K]['task']) => Tasks[K]['result'] } = {
  stat: statFiles,
  read: readFiles,
  write: writeFiles,
};

/** Below this many files a thread costs more to start than it saves. */
const worthThreads = { stat: 2000, read: 200, write: 200 };
const worthThreadsBytes = 16 << 20;
const filesPerTask = { stat: 2000, read: 250, write: 250 };

/** The compiled worker; sources run unbuilt (as in tests) use the one in dist/. */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/core/store/file-worker.js', import.meta.url)
    : new URL('./file-worker.js', import.meta.url);
}

/** Threads that run file tasks. End it with `close`, or the process stays alive. */
export class FilePool {
  readonly #size = Math.max(2, Math.min(4, availableParallelism()));
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];

  /**
   * Runs a job cut into tasks.
   * @param count how many files the job has.
   * @param slice makes the task for files `from` (included) to `to` (excluded).
   * @param finished receives each task's result with the position of its first file, in any order.
   */
  async run<K extends Kind>(
    kind: K,
    count: number,
    slice: (from: number, to: number) => Tasks[K]['task'],
    finished: (from: number, result: Tasks[K]['result']) => void,
    options: { signal?: AbortSignal | undefined; totalBytes?: number } = {},
  ): Promise<void> {
    if (count === 0) return;
    if (count < worthThreads[kind] && (count < 4 || (options.totalBytes ?? 0) < worthThreadsBytes)) {
      const step = filesPerTask[kind];
      for (let from = 0; from < count; from += step) {
        options.signal?.throwIfAborted();
        finished(from, direct[kind](slice(from, Math.min(count, from + step))));
      }
      return;
    }
    const step = Math.max(1, Math.min(filesPerTask[kind], Math.ceil(count / (this.#size * 4))));
    let next = 0;
    const drain = async () => {
      const worker = this.#take();
      try {
        while (next < count) {
          options.signal?.throwIfAborted();
          const from = next;
          next += step;
          finished(
            from,
            (await ask(worker, slice(from, Math.min(count, from + step)))) as Tasks[K]['result'],
          );
        }
      } catch (error) {
        next = count;
        throw error;
      } finally {
        this.#idle.push(worker);
      }
    };
    const lanes = Array.from({ length: Math.min(this.#size, Math.ceil(count / step)) }, drain);
    const outcomes = await Promise.allSettled(lanes);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #take(): Worker {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const worker = new Worker(workerUrl());
    this.#all.push(worker);
    return worker;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((worker) => worker.terminate()));
    this.#idle.length = 0;
  }
}

function ask(worker: Worker, task: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onReply);
      worker.off('error', onError);
    };
    const onReply = (reply: FileReply) => {
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
    worker.postMessage(task);
  });
}
