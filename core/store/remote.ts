/**
 * A place that holds packs, indexes and roots, as core sees it: a flat map from keys to bytes with only what
 * S3, GCS and a folder all have. Implemented in remotes/; what is stored under which key is core's business.
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
  readonly signal?: AbortSignal;
}

/** The interface. Keys use `/`, are relative to the remote's prefix and hold only `[A-Za-z0-9._/-]`. */
export interface Remote {
  /** For messages: the URL without credentials. */
  readonly url: string;

  /** The value of a key, or undefined when it is not there. @throws {DvError} remote-refused, remote-unreachable */
  get(key: string, call?: RemoteCall): Promise<Uint8Array | undefined>;

  /** `lengthBytes` bytes from `offset` on; fewer only at the end of the value. Undefined when the key is not there. */
  getRange(
    key: string,
    offset: number,
    lengthBytes: number,
    call?: RemoteCall,
  ): Promise<Uint8Array | undefined>;

  /** Size and version of a key, or undefined. */
  head(key: string, call?: RemoteCall): Promise<RemoteEntry | undefined>;

  /** Writes a key, whole or not at all. */
  put(key: string, bytes: Uint8Array, call?: RemoteCall): Promise<void>;

  /** Writes a key only if it is not there, as one step; `false` when it was. */
  putIfAbsent(key: string, bytes: Uint8Array, call?: RemoteCall): Promise<boolean>;

  /** Writes a key from a local file of any size (multipart or resumable upload). */
  putFile(key: string, absolutePath: string, sizeBytes: number, call?: RemoteCall): Promise<void>;

  /** All entries whose key begins with a prefix, in key order, fetched page by page. */
  list(prefix: string, call?: RemoteCall): AsyncIterable<RemoteEntry>;

  /** Deletes a key, only if it still has this version when one is given. `false` when it had changed. */
  delete(key: string, options?: { version?: string } & RemoteCall): Promise<boolean>;

  /** Ends connections. */
  close(): Promise<void>;
}
