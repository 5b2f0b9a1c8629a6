/** A few threads that pack and unpack objects; small tasks are done on this one. Memory is handed over, not copied. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { doTransfer, type TransferReply, type TransferTask, type TransferTasks } from './transfer-worker.ts';

/** Tasks of fewer objects than this are done here: starting a thread takes about 30 ms. */
const worthThread = 64;
const worthThreadBytes = 4 << 20;

/** The compiled worker; sources run unbuilt (as in tests) use the one in dist/. */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/core/store/transfer-worker.js', import.meta.url)
    : new URL('./transfer-worker.js', import.meta.url);
}

/** Threads for transfers. End it with `close`, or the process stays alive. */
export class TransferPool {
  readonly #size = Math.max(2, Math.min(4, availableParallelism()));
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  /** Does a task, on a thread when it is worth one. The task's own memory must not be used afterwards. */
  async run<Kind extends keyof TransferTasks>(
    task: TransferTasks[Kind]['task'],
  ): Promise<TransferTasks[Kind]['result']> {
    const bytes =
      task.kind === 'pack'
        ? task.sizes.reduce((sum, size) => sum + size, 0)
        : task.kind === 'unpack'
          ? task.bytes.length
          : 0;
    if (task.digests.length < worthThread && bytes < worthThreadBytes) {
      return doTransfer(task) as TransferTasks[Kind]['result'];
    }
    const worker = await this.#take();
    try {
      return (await ask(worker, task)) as TransferTasks[Kind]['result'];
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(worker);
      else next(worker);
    }
  }

  async #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.length < this.#size) {
      const worker = new Worker(workerUrl());
      this.#all.push(worker);
      return worker;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((worker) => worker.terminate()));
    this.#idle.length = 0;
  }
}

/** Memory a task hands over; a view of a larger buffer stays, and is copied. */
function handedOver(task: TransferTask): ArrayBuffer[] {
  if (task.kind === 'pack') return task.space === undefined ? [] : [task.space];
  if (task.kind !== 'unpack') return [];
  const { buffer, byteLength } = task.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

function ask(worker: Worker, task: TransferTask): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onReply);
      worker.off('error', onError);
    };
    const onReply = (reply: TransferReply) => {
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
