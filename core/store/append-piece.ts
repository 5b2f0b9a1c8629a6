/**
 * A large object as it arrives: each piece is hashed and written behind those before it. Synchronous, on any thread; but
 * the hash lives where it was begun, so all pieces of an object go to one thread, in order (`ThreadPool.lane`).
 */
import { type Digest, DigestBuilder } from '../model/digest.ts';
import { writeAll } from './stat-files.ts';

/** The next piece of an object. */
export interface AppendTask {
  readonly kind: 'append';
  /** Tells the object from others on their way: where it is written. */
  readonly path: string;
  /** Open for writing; whoever opened it closes it, after the task. Threads share the numbers of open files. */
  readonly file: number;
  /** Undefined: there is no more, and the digest is wanted. */
  readonly piece: Uint8Array | undefined;
}

/** What came of it. */
export interface AppendResult {
  /** Of the whole object, after its end. */
  readonly digest: Digest | undefined;
}

const hashes = new Map<string, DigestBuilder>();

/** Takes the next piece, or gives the digest of all. */
export function appendPiece({ path, file, piece }: AppendTask): AppendResult {
  const hash = hashes.get(path) ?? new DigestBuilder();
  if (piece === undefined) {
    hashes.delete(path);
    return { digest: hash.finish() };
  }
  hashes.set(path, hash);
  hash.update(piece);
  writeAll(file, piece);
  return { digest: undefined };
}
