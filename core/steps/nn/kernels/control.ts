/**
 * How the main thread and the kernel threads tell each other what to do, in memory both see:
 * int32 [sequence, pending, failed, reserved], then for each thread a slot of int32 [kernel, reserved] and float64
 * arguments. Addresses go up to 2³² and learning rates are fractions: float64 holds both exactly.
 */

/** Most arguments a kernel has. */
const argumentCount = 24;
const headerBytes = 16;
const slotBytes = 8 + argumentCount * 8;

/** Rounds of looking before a thread goes to sleep: some 0.1 ms, longer than the pause between two kernels. */
const patience = 20_000;

const sequence = 0;
const pending = 1;
const failed = 2;

/** The memory a pool of threads is controlled with. */
export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param threads how many threads, the main one not counted; or the buffer of another Control. */
  constructor(threads: number | SharedArrayBuffer) {
    this.buffer =
      typeof threads === 'number' ? new SharedArrayBuffer(headerBytes + threads * slotBytes) : threads;
    this.#words = new Int32Array(this.buffer, 0, headerBytes / 4);
  }

  #slot(thread: number): { kernel: Int32Array; values: Float64Array } {
    const start = headerBytes + thread * slotBytes;
    return {
      kernel: new Int32Array(this.buffer, start, 1),
      values: new Float64Array(this.buffer, start + 8, argumentCount),
    };
  }

  /** Prepares a call for a thread. */
  prepare(thread: number, kernel: number, call: readonly number[]): void {
    if (call.length > argumentCount) throw new Error(`a kernel of ${call.length} arguments`);
    const slot = this.#slot(thread);
    slot.kernel[0] = kernel;
    slot.values.set(call);
  }

  /** What a thread is to do: the number of the kernel and at least as many arguments as it has. */
  prepared(thread: number): { kernel: number; call: Float64Array } {
    const { kernel, values } = this.#slot(thread);
    return { kernel: kernel[0]!, call: values };
  }

  /** Lets the first `threads` threads do what was prepared for them. */
  start(threads: number): void {
    Atomics.store(this.#words, pending, threads);
    Atomics.add(this.#words, sequence, 1);
    Atomics.notify(this.#words, sequence);
  }

  /**
   * Waits until all threads are done.
   * @param timeoutMs how long to wait for a thread that shows no sign of life.
   */
  finish(timeoutMs: number): void {
    this.#waitWhile((left) => left > 0, pending, timeoutMs);
    if (Atomics.load(this.#words, failed) !== 0) throw new Error('a kernel failed on another thread');
  }

  /** Waits, on a kernel thread, for the start after the one numbered `seen`; gives its number. */
  nextStart(seen: number): number {
    return this.#waitWhile((current) => current === seen, sequence, Number.POSITIVE_INFINITY);
  }

  /** Says, on a kernel thread, that it is done. */
  done(succeeded: boolean): void {
    if (!succeeded) Atomics.store(this.#words, failed, 1);
    if (Atomics.sub(this.#words, pending, 1) === 1) Atomics.notify(this.#words, pending);
  }

  #waitWhile(waits: (value: number) => boolean, word: number, timeoutMs: number): number {
    for (let round = 0; round < patience; round++) {
      const value = Atomics.load(this.#words, word);
      if (!waits(value)) return value;
    }
    for (;;) {
      const value = Atomics.load(this.#words, word);
      if (!waits(value)) return value;
      if (Atomics.wait(this.#words, word, value, timeoutMs) === 'timed-out')
        throw new Error('a kernel thread does not answer');
    }
  }
}
