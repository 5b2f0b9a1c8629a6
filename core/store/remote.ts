/**
 * A place that holds packs, indexes and roots, as core sees it: a flat map from keys to bytes with only what
 * S3, GCS and a folder all have. Implemented in remotes/; what is stored under which key is core's business
 * (remote-layout.ts).
 */

/** What a remote says of one key. */
export interface RemoteEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** Changes whenever the value does (ETag, generation); for conditional deletes. */
  readonly version: string;
}

/** Options of a call that may take long. */
export interface RemoteCall {
  /** Ends the call early; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a read of known length. */
export interface RangeCall extends RemoteCall {
  /**
   * Memory to put the bytes into, as long as the range: a driver may use it, and then gives back a part of it. Fresh memory
   * for each of many large ranges costs as much time as receiving them.
   */
  readonly into?: Uint8Array;
}

/** Bytes to send that need not fit in memory. */
export interface RemoteSource {
  readonly sizeBytes: number;
  /**
   * Gives all bytes from the first one on; called again when sending starts over. When it throws, what was
   * sent so far is dropped and the key stays as it was: a source that finds damage says so this way, before
   * it gives its last piece.
   */
  read(): AsyncIterable<Uint8Array>;
}

/**
 * The interface. Keys use `/`, are relative to the remote's prefix and are valid in the sense of `checkKey`.
 * Every call may throw {DvError} remote-refused, remote-unreachable, remote-missing-bucket, and writing ones remote-full.
 * Bytes given back belong to the caller.
 */
export interface Remote {
  /** For messages: the URL without credentials. */
  readonly url: string;

  /** The value of a key, or undefined when it is not there. */
  get(key: string, call?: RemoteCall): Promise<Uint8Array | undefined>;

  /**
   * `lengthBytes` (at least 1) bytes from `offset` on; fewer only when the value ends before. Undefined when
   * the key is not there.
   */
  getRange(
    key: string,
    offset: number,
    lengthBytes: number,
    call?: RangeCall,
  ): Promise<Uint8Array | undefined>;

  /** Size and version of a key, or undefined. */
  head(key: string, call?: RemoteCall): Promise<RemoteEntry | undefined>;

  /** Writes a key, whole or not at all, replacing what is there. The bytes may not change until it is done. */
  put(key: string, bytes: Uint8Array, call?: RemoteCall): Promise<void>;

  /** Writes a key only if it is not there, as one step; `false` when it was. */
  putIfAbsent(key: string, bytes: Uint8Array, call?: RemoteCall): Promise<boolean>;

  /** Writes a key of any size (multipart or resumable upload), whole or not at all. Throws what the source throws. */
  putStream(key: string, source: RemoteSource, call?: RemoteCall): Promise<void>;

  /** All entries whose key begins with a prefix, in no particular order, fetched page by page. */
  list(prefix: string, call?: RemoteCall): AsyncIterable<RemoteEntry>;

  /** Deletes a key, only if it still has this version when one is given. `false` when it had changed or was not there. */
  delete(key: string, options?: { version?: string } & RemoteCall): Promise<boolean>;

  /** Ends connections. */
  close(): Promise<void>;
}

const keyPattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/**
 * Refuses what is no key: parts of letters, digits, `.`, `_`, `-` that do not begin with a dot. So no key
 * leads out of a folder, and names with a dot are free for a driver's own use.
 */
export function checkKey(key: string): void {
  if (!keyPattern.test(key) || key.length > 512)
    throw new Error(`${JSON.stringify(key)} is no key of a remote`);
}
