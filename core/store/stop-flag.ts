/** Stopping tasks that are at work on threads, where no signal reaches: a number in shared memory that they look at. */

/** 0 as long as the task may go on. */
export type StopFlag = Int32Array<SharedArrayBuffer>;

/** A flag that follows a signal until it is disposed of. */
export function followSignal(signal: AbortSignal | undefined): Disposable & { readonly flag: StopFlag } {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const stop = () => Atomics.store(flag, 0, 1);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  return { flag, [Symbol.dispose]: () => signal?.removeEventListener('abort', stop) };
}

/** @throws an error with the code ECANCELED, once the task is to end. */
export function throwIfStopped(flag: StopFlag | undefined): void {
  if (flag !== undefined && Atomics.load(flag, 0) !== 0)
    throw Object.assign(new Error('interrupted'), { code: 'ECANCELED' });
}
