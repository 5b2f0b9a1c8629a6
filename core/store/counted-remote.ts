/** A remote that counts what goes over the wire. */
import type { Remote, RemoteSource } from './remote.ts';

/** Requests and bytes so far. A page of a listing is taken to hold 1,000 keys; an upload in parts counts once. */
export interface Traffic {
  requests: number;
  sentBytes: number;
  receivedBytes: number;
}

const pageKeys = 1000;

/** Wraps a remote so that every call is counted in `traffic`. */
export function countRequests(remote: Remote): Remote & { readonly traffic: Traffic } {
  const traffic: Traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };
  const received = <Bytes extends Uint8Array | undefined>(bytes: Bytes): Bytes => {
    traffic.receivedBytes += bytes?.length ?? 0;
    return bytes;
  };
  const counted = (source: RemoteSource): RemoteSource => ({
    sizeBytes: source.sizeBytes,
    async *read() {
      for await (const piece of source.read()) {
        traffic.sentBytes += piece.length;
        yield piece;
      }
    },
  });
  return {
    url: remote.url,
    traffic,
    async get(key, call) {
      traffic.requests++;
      return received(await remote.get(key, call));
    },
    async getRange(key, offset, lengthBytes, call) {
      traffic.requests++;
      return received(await remote.getRange(key, offset, lengthBytes, call));
    },
    head(key, call) {
      traffic.requests++;
      return remote.head(key, call);
    },
    put(key, bytes, call) {
      traffic.requests++;
      traffic.sentBytes += bytes.length;
      return remote.put(key, bytes, call);
    },
    putIfAbsent(key, bytes, call) {
      traffic.requests++;
      traffic.sentBytes += bytes.length;
      return remote.putIfAbsent(key, bytes, call);
    },
    putStream(key, source, call) {
      traffic.requests++;
      return remote.putStream(key, counted(source), call);
    },
    async *list(prefix, call) {
      traffic.requests++;
      let keys = 0;
      for await (const entry of remote.list(prefix, call)) {
        if (keys > 0 && keys % pageKeys === 0) traffic.requests++;
        keys++;
        yield entry;
      }
    },
    delete(key, options) {
      traffic.requests++;
      return remote.delete(key, options);
    },
    close: () => remote.close(),
  };
}
