/** Threads that run kernels beside the main one. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { distFile } from '../../../dist.ts';
import { Control } from './control.ts';
import { type KernelExports, kernelNames } from './exports.ts';
import type { ThreadData } from './thread.ts';

/** How long one kernel may take before its thread is given up: far more than any does. */
const timeoutMs = 600_000;

/** A pool of kernel threads on one shared memory. They end with the process and do not keep it alive. */
export class KernelThreads {
  /** How many, the main thread counted. */
  readonly count: number;
  readonly #control: Control;

  private constructor(count: number, control: Control) {
    this.count = count;
    this.#control = control;
  }

  /**
   * Starts a pool.
   * @param count threads in all: one fewer is started.
   * @param memory shared.
   */
  static async start(
    count: number,
    compiled: WebAssembly.Module,
    memory: WebAssembly.Memory,
  ): Promise<KernelThreads> {
    const control = new Control(count - 1);
    await Promise.all(
      Array.from({ length: count - 1 }, async (_, thread) => {
        const data: ThreadData = { compiled, memory, control: control.buffer, thread };
        // Without the flags of this process, which may be for its main program alone.
        const worker = new Worker(distFile('bin/kernel-thread.js'), { workerData: data, execArgv: [] });
        await once(worker, 'online');
        worker.unref();
      }),
    );
    return new KernelThreads(count, control);
  }

  /** Runs a kernel once per call, the first call on this thread and each other on a thread of its own. */
  run(
    name: keyof KernelExports,
    calls: readonly (readonly number[])[],
    here: (...args: number[]) => void,
  ): void {
    const [first, ...others] = calls;
    if (!first) return;
    const kernel = kernelNames.indexOf(name);
    for (let thread = 0; thread < this.count - 1; thread++)
      this.#control.prepare(thread, others[thread] ? kernel : -1, others[thread] ?? []);
    this.#control.start(others.length);
    here(...first);
    this.#control.finish(timeoutMs);
  }
}
