/**
 * Starts TensorFlow.js's wasm backend on a memory that threads can share. Its build for threads has one, but the
 * eight threads it wants to start first are browser workers that Node cannot run. They are only ever needed for
 * its own kernels on several threads, which stay on one here; so while it starts, `Worker` is a stand-in that
 * says it is ready and does nothing.
 */
import * as tf from '@tensorflow/tfjs-core';

/** What Emscripten's start-up asks of a worker. */
class IdleWorker {
  onmessage: ((event: { data: { cmd: 'loaded' } }) => void) | undefined;
  postMessage({ cmd }: { cmd: string }): void {
    if (cmd === 'load') queueMicrotask(() => this.onmessage?.({ data: { cmd: 'loaded' } }));
  }
  on(): void {}
  unref(): void {}
  terminate(): void {}
}

/** Starts the backend, which must not have been started before. */
export async function startWithSharedMemory(): Promise<void> {
  const { setThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
  setThreadsCount(1);
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  const before = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  // Emscripten sets it to the class of node:worker_threads before it makes workers; that is not to happen.
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => IdleWorker, set() {} });
  try {
    await tf.setBackend('wasm');
  } finally {
    if (before) Object.defineProperty(globalThis, 'Worker', before);
    else Reflect.deleteProperty(globalThis, 'Worker');
  }
}
