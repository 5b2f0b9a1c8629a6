/** Reading the body of a download, with what the clouds' clients leave out: an idle timeout and a length check. */
import type { Readable } from 'node:stream';
import { CutError, StalledError } from './retry.ts';

/** Nothing for this long, and a connection is given up. */
export const idleMs = 30_000;

/** Bytes that arrive in pieces, over one or several connections. */
export class Collected {
  #bytes: Uint8Array;
  readonly #given: Uint8Array | undefined;
  #length: number | undefined;
  /** How many have arrived. */
  filled = 0;

  /** @param into where to put them, if they fit there; by default into memory of their own. */
  constructor(into?: Uint8Array) {
    this.#given = into;
    this.#bytes = into ?? new Uint8Array(0);
  }

  /** Says how many bytes there will be in all; the first to say so is believed. May be said while reading. */
  expect(length: number): void {
    if (this.#length !== undefined) return;
    this.#length = length;
    this.#reserve(length);
  }

  #reserve(length: number): void {
    if (this.#bytes.length >= length) return;
    const grown = new Uint8Array(length);
    grown.set(this.#bytes.subarray(0, this.filled));
    this.#bytes = grown;
  }

  #add(piece: Uint8Array): void {
    const end = this.filled + piece.length;
    if (this.#length !== undefined && end > this.#length)
      throw new Error('the server sent more than it said');
    if (end > this.#bytes.length) this.#reserve(Math.max(end, 2 * this.#bytes.length));
    this.#bytes.set(piece, this.filled);
    this.filled = end;
  }

  /**
   * Reads a body to its end. What arrived before a failure is kept.
   * @param stream destroyed when reading fails.
   * @throws {CutError} when it ends early; {StalledError} when nothing comes; the signal's reason.
   */
  async read(
    stream: Readable,
    options: { signal?: AbortSignal | undefined; idleMs?: number },
  ): Promise<void> {
    const { signal, idleMs: patience = idleMs } = options;
    const stop = () => stream.destroy(new Error('stopped'));
    signal?.addEventListener('abort', stop, { once: true });
    let stalled = false;
    const timer = setTimeout(() => {
      stalled = true;
      stream.destroy(new StalledError(patience));
    }, patience);
    try {
      for await (const piece of stream as AsyncIterable<Buffer>) {
        timer.refresh();
        this.#add(piece);
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw stalled ? new StalledError(patience) : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
    if (signal?.aborted) throw signal.reason;
    if (stalled) throw new StalledError(patience);
    if (this.#length !== undefined && this.filled < this.#length)
      throw new CutError(this.filled, this.#length);
  }

  /** All bytes. */
  take(): Uint8Array {
    if (this.#bytes.length === this.filled) return this.#bytes;
    return this.#bytes === this.#given
      ? this.#bytes.subarray(0, this.filled)
      : this.#bytes.slice(0, this.filled);
  }
}

/** Cuts a stream of pieces into parts of one size, the last one shorter. Nothing at all gives one empty part. */
export async function* partsOf(pieces: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  let any = false;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const end = Math.min(piece.length, at + partBytes - length);
      waiting.push(piece.subarray(at, end));
      length += end - at;
      at = end;
      if (length === partBytes) {
        any = true;
        yield Buffer.concat(waiting);
        waiting = [];
        length = 0;
      }
    }
  }
  if (length > 0 || !any) yield Buffer.concat(waiting);
}
