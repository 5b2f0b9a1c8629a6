/** A remote in this process's memory: for tests, and as the shortest statement of what a remote does. */
import { checkKey, type Remote, type RemoteEntry } from '../core/store/remote.ts';

/** Opens an empty remote. Several may share one map, as several processes share a bucket. */
export function openMemoryRemote(
  values: Map<string, { bytes: Uint8Array; version: string }> = new Map(),
  url = 'memory://',
): Remote {
  let versions = 0;
  const write = (key: string, bytes: Uint8Array) => {
    values.set(key, { bytes: Uint8Array.from(bytes), version: `${++versions}-${Math.random()}` });
  };
  const entry = (key: string): RemoteEntry | undefined => {
    const value = values.get(key);
    return value && { key, sizeBytes: value.bytes.length, version: value.version };
  };
  return {
    url,
    async get(key, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      const value = values.get(key);
      return value && Uint8Array.from(value.bytes);
    },
    async getRange(key, offset, lengthBytes, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      return values.get(key)?.bytes.slice(offset, offset + lengthBytes);
    },
    async head(key, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      return entry(key);
    },
    async put(key, bytes, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      write(key, bytes);
    },
    async putIfAbsent(key, bytes, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      if (values.has(key)) return false;
      write(key, bytes);
      return true;
    },
    async putStream(key, source, call) {
      checkKey(key);
      const parts: Uint8Array[] = [];
      for await (const part of source.read()) {
        call?.signal?.throwIfAborted();
        parts.push(Uint8Array.from(part));
      }
      write(key, Buffer.concat(parts));
    },
    async *list(prefix, call) {
      for (const key of [...values.keys()]) {
        call?.signal?.throwIfAborted();
        const found = key.startsWith(prefix) ? entry(key) : undefined;
        if (found !== undefined) yield found;
      }
    },
    async delete(key, options) {
      checkKey(key);
      options?.signal?.throwIfAborted();
      const value = values.get(key);
      if (value === undefined || (options?.version !== undefined && options.version !== value.version))
        return false;
      return values.delete(key);
    },
    async close() {},
  };
}
