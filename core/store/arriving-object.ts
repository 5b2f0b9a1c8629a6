/** A large object on its way into the cache: written, hashed and flushed while it arrives. */
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Digest } from '../model/digest.ts';
import { type AppendResult, type AppendTask, appendPiece } from './append-piece.ts';
import type { Lane, ThreadPool } from './thread-pool.ts';

const flush = promisify(fdatasync);

/**
 * After so many bytes the system is told to bring them to the disk, while more arrive; of these as many again may come
 * before that is done. So there is little left to flush at the end, and little to wait for after Ctrl-C.
 */
const flushBytes = 32 << 20;

/** Give it its pieces one after the other, then `finish` and `flush` it; `close` it in any case. */
export class ArrivingObject {
  readonly #path: string;
  readonly #file: number;
  readonly #lane: Lane | undefined;
  #ended = false;
  #unflushed = 0;
  #flushing: Promise<void> | undefined;

  /**
   * @param path of the new file, absolute; it will be read-only.
   * @param pool threads that hash and write; without them it is done on this one.
   */
  constructor(path: string, pool: ThreadPool | undefined) {
    this.#path = path;
    this.#file = openSync(path, 'wx', 0o444);
    this.#lane = pool?.lane();
  }

  /** Adds the next piece, and waits until it is written. From memory that threads share it is not copied first. */
  async add(piece: Uint8Array): Promise<void> {
    await this.#append(piece);
    this.#unflushed += piece.length;
    if (this.#unflushed < flushBytes) return;
    await this.#flushing;
    this.#unflushed = 0;
    this.#flushing = flush(this.#file);
    // Met by the next flush, or at the end; until then it is no unhandled rejection.
    this.#flushing.catch(() => {});
  }

  /** The digest of all pieces. */
  async finish(): Promise<Digest> {
    this.#ended = true;
    return (await this.#append(undefined)).digest!;
  }

  /** Makes all pieces durable. */
  async flush(): Promise<void> {
    await this.#flushing;
    await flush(this.#file);
  }

  /** Waits for what is under way, and closes the file. */
  async close(): Promise<void> {
    if (!this.#ended) await this.finish().catch(() => {});
    this.#lane?.leave();
    await this.#flushing?.catch(() => {});
    closeSync(this.#file);
  }

  async #append(piece: Uint8Array | undefined): Promise<AppendResult> {
    const task: AppendTask = { kind: 'append', path: this.#path, file: this.#file, piece };
    return this.#lane === undefined ? appendPiece(task) : this.#lane.run<'append'>(task);
  }
}
