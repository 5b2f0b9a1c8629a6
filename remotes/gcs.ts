/** A remote in Google Cloud Storage. */
import type { Readable } from 'node:stream';
import type { Bucket, File, Storage } from '@google-cloud/storage';
import type { RemoteConfig } from '../core/model/config.ts';
import {
  checkKey,
  type RangeCall,
  type Remote,
  type RemoteEntry,
  type RemoteSource,
} from '../core/store/remote.ts';
import type { BucketAddress } from './address.ts';
import { Collected, partsOf } from './collect.ts';
import {
  explainGcs,
  type GcsOperation,
  gcsStatusOf,
  isBusyGcs,
  isMissingObject,
  isRetryableGcs,
} from './gcs-errors.ts';
import { Pace } from './pace.ts';
import { withRetry } from './retry.ts';

/** Values up to this size go in one request. */
const wholeBytes = 8 << 20;
/** A resumable upload goes in parts of this many bytes, a multiple of 256 KiB. */
const partBytes = 16 << 20;
const pageKeys = 1000;
/**
 * A download that stands still this long is begun again where it was. Short, because the client's HTTP library
 * (node-fetch 2) says nothing when a connection is cut: a cut looks like a standstill.
 */
const usualIdleMs = 10_000;

/** Where and how. */
export interface GcsSettings
  extends Pick<RemoteConfig, 'url' | 'endpoint' | 'anonymous' | 'userProject' | 'storageClass' | 'kmsKeyId'> {
  /** How long a download may stand still, if not as long as usual. */
  readonly idleMs?: number;
}

/** Gives up waiting when it is told to; what runs in the background then ends unheard. */
function orAbort<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A failure the client does not see, with a status where its own errors have it. */
class TransferError extends Error {
  readonly code: number;
  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** Opens a remote in a bucket. Nothing is sent, and the client is not loaded, before the first call. */
export function openGcsRemote(address: BucketAddress, settings: GcsSettings): Remote {
  const { url, endpoint, anonymous = false, userProject, kmsKeyId, storageClass } = settings;
  const base = address.prefix === '' ? '' : `${address.prefix}/`;

  const billed = userProject === undefined ? {} : { userProject };
  const kept = storageClass === undefined ? {} : { storageClass };
  const pace = new Pace();
  let opened: Promise<{ bucket: Bucket; sdk: typeof import('./google-storage.ts') }> | undefined;
  const open = () => {
    opened ??= (async () => {
      const sdk = await import('./google-storage.ts');
      const storage: Storage = new sdk.Storage({
        // Attempts are counted here: the client never repeats a download, and stops repeating anything after one upload without a condition.
        retryOptions: { autoRetry: false, maxRetries: 0 },
        ...(endpoint === undefined && !anonymous
          ? {}
          : {
              // The client leaves tokens out only where it is told the endpoint, and not in the words it knows itself.
              apiEndpoint: endpoint?.replace(/\/+$/, '') ?? 'https://storage.googleapis.com/',
              projectId: 'unused',
              // A token is not sent where anybody on the way can read it.
              useAuthWithCustomEndpoint: !anonymous && endpoint?.startsWith('https:') === true,
            }),
      });
      return { bucket: storage.bucket(address.bucket, billed), sdk };
    })();
    return opened;
  };
  const fileOf = async (key: string): Promise<File> => {
    checkKey(key);
    const encrypted = kmsKeyId === undefined ? {} : { kmsKeyName: kmsKeyId };
    return (await open()).bucket.file(base + key, encrypted);
  };

  /** One question, asked again when that may help; failures in our words. */
  const ask = async <Result>(
    operation: GcsOperation,
    signal: AbortSignal | undefined,
    work: (attempt: number) => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await withRetry(
        ({ number }) => pace.run(() => orAbort(work(number), signal), isBusyGcs),
        isRetryableGcs,
        { signal, isBusy: isBusyGcs },
      );
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw explainGcs(error, { url, bucket: address.bucket, operation });
    }
  };

  /** Downloads `lengthBytes` from `offset` on, or everything; a cut goes on from where it was. */
  const download = async (
    key: string,
    range: { offset: number; lengthBytes: number } | undefined,
    { signal, into }: RangeCall = {},
  ) => {
    const file = await fileOf(key);
    let collected = new Collected(into);
    let generation: string | undefined;
    let crc32c: string | undefined;
    return ask('read', signal, async () => {
      const { bucket, sdk } = await open();
      const start = (range?.offset ?? 0) + collected.filled;
      const stream: Readable = (
        generation === undefined ? file : bucket.file(file.name, { generation })
      ).createReadStream({
        // The client checks whole downloads only, and after a cut there is none.
        validation: false,
        decompress: false,
        // The one call that does not take it from the bucket.
        ...billed,
        ...(start === 0 && range === undefined ? {} : { start }),
        ...(range === undefined ? {} : { end: range.offset + range.lengthBytes - 1 }),
      });
      stream.once('response', (response: { headers: Record<string, string | string[] | undefined> }) => {
        const header = (name: string) => String(response.headers[name] ?? '');
        const length = Number(header('content-length'));
        if (header('content-length') !== '') collected.expect(collected.filled + length);
        generation ??= /^[0-9]+$/.exec(header('x-goog-generation'))?.[0];
        crc32c ??= /crc32c=([A-Za-z0-9+/=]+)/.exec(header('x-goog-hash'))?.[1];
      });
      try {
        await collected.read(stream, { signal, idleMs: settings.idleMs ?? usualIdleMs });
      } catch (error) {
        if (isMissingObject(error)) return undefined;
        // Behind the end of the value there is nothing.
        if (gcsStatusOf(error) === 416 && range !== undefined) return new Uint8Array(0);
        throw error;
      }
      const bytes = collected.take();
      if (range === undefined && crc32c !== undefined) {
        const sum = sdk.CRC32C_DEFAULT_VALIDATOR_GENERATOR();
        sum.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        if (!sum.validate(crc32c)) {
          collected = new Collected();
          throw new TransferError(503, `${key} arrived with a wrong checksum`);
        }
      }
      return bytes;
    });
  };

  const save = async (key: string, bytes: Uint8Array, ifAbsent: boolean, signal?: AbortSignal) => {
    const file = await fileOf(key);
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sum = (await open()).sdk.CRC32C_DEFAULT_VALIDATOR_GENERATOR();
    sum.update(body);
    return ask('write', signal, async (attempt) => {
      try {
        await file.save(body, {
          resumable: false,
          // The server refuses what does not fit the sum; the client compares what the server then says it has.
          validation: 'crc32c',
          metadata: { crc32c: sum.toString(), ...kept },
          ...(ifAbsent ? { preconditionOpts: { ifGenerationMatch: 0 } } : {}),
        });
        return true;
      } catch (error) {
        if (!ifAbsent || gcsStatusOf(error) !== 412) throw error;
        if (attempt === 1) return false;
        // An attempt whose answer was lost may have been the one that wrote it.
        const there = await download(key, undefined, { signal });
        return there !== undefined && Buffer.from(bytes).equals(there);
      }
    });
  };

  /**
   * Sends a large value through a resumable upload; nothing is visible before its last part. After a failure
   * the server is asked how much it holds, and only the rest is sent.
   * Source: cloud.google.com/storage/docs/performing-resumable-uploads
   */
  const saveParts = async (key: string, source: RemoteSource, signal?: AbortSignal) => {
    const file = await fileOf(key);
    const { sdk } = await open();
    const [session] = await ask('write', signal, () => file.createResumableUpload({ metadata: { ...kept } }));
    const total = source.sizeBytes;
    const send = (headers: Record<string, string>, body?: Buffer) =>
      fetch(session, {
        method: 'PUT',
        headers,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    /** How many bytes the server holds, from its answer; the whole value when it is done. */
    const heldIn = async (answer: Response): Promise<{ held: number; crc32c?: string }> => {
      const text = await answer.text();
      if (answer.ok)
        return { held: total, crc32c: String((JSON.parse(text) as { crc32c?: string }).crc32c ?? '') };
      if (answer.status !== 308) throw new TransferError(answer.status, text.slice(0, 300));
      return { held: Number(/^bytes=0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1] ?? -1) + 1 };
    };
    const sum = sdk.CRC32C_DEFAULT_VALIDATOR_GENERATOR();
    try {
      let at = 0;
      let stored: string | undefined;
      for await (const part of partsOf(source.read(), partBytes)) {
        sum.update(part);
        const end = at + part.length;
        const start = at;
        stored = await ask('write', signal, async (attempt) => {
          let from = start;
          if (attempt > 1) {
            const asked = await heldIn(await send({ 'content-range': `bytes */${total}` }));
            if (asked.held >= end) return asked.crc32c;
            from = Math.max(start, asked.held);
          }
          for (;;) {
            const range = `bytes ${from}-${end - 1}/${total}`;
            const answer = await heldIn(await send({ 'content-range': range }, part.subarray(from - start)));
            if (answer.held >= end) return answer.crc32c;
            if (answer.held <= from) throw new TransferError(503, 'the server took none of what was sent');
            from = answer.held;
          }
        });
        at = end;
      }
      if (stored !== undefined && stored !== '' && !sum.validate(stored)) {
        await file.delete().catch(() => {});
        throw new TransferError(503, `${key} was stored with a wrong checksum`);
      }
    } catch (error) {
      // An upload that is not ended keeps what was sent for a week. That ending it may fail changes nothing.
      await fetch(session, { method: 'DELETE' }).catch(() => {});
      throw explainGcs(error, { url, bucket: address.bucket, operation: 'write' });
    }
  };

  const entryOf = (
    key: string,
    metadata: { size?: string | number; generation?: string | number },
  ): RemoteEntry => ({
    key,
    sizeBytes: Number(metadata.size ?? 0),
    version: String(metadata.generation ?? ''),
  });

  return {
    url,

    get: (key, call) => download(key, undefined, call),

    getRange: (key, offset, lengthBytes, call) => download(key, { offset, lengthBytes }, call),

    async head(key, call) {
      const file = await fileOf(key);
      return ask('read', call?.signal, async () => {
        try {
          const [metadata] = await file.getMetadata();
          return entryOf(key, metadata);
        } catch (error) {
          if (isMissingObject(error)) return undefined;
          throw error;
        }
      });
    },

    async put(key, bytes, call) {
      await save(key, bytes, false, call?.signal);
    },

    putIfAbsent: (key, bytes, call) => save(key, bytes, true, call?.signal),

    async putStream(key, source, call) {
      checkKey(key);
      call?.signal?.throwIfAborted();
      if (source.sizeBytes > wholeBytes) return saveParts(key, source, call?.signal);
      const pieces: Uint8Array[] = [];
      for await (const piece of source.read()) pieces.push(piece);
      await save(key, Buffer.concat(pieces), false, call?.signal);
    },

    async *list(listed, call) {
      let pageToken: string | undefined;
      do {
        const [files, next] = await ask('list', call?.signal, async () => {
          const { bucket } = await open();
          return bucket.getFiles({
            prefix: base + listed,
            autoPaginate: false,
            maxResults: pageKeys,
            ...(pageToken === undefined ? {} : { pageToken }),
          });
        });
        for (const file of files) {
          if (file.name.startsWith(base)) yield entryOf(file.name.slice(base.length), file.metadata);
        }
        pageToken = (next as { pageToken?: string } | null)?.pageToken;
      } while (pageToken !== undefined);
    },

    async delete(key, options) {
      const file = await fileOf(key);
      return ask('delete', options?.signal, async () => {
        try {
          await file.delete(
            options?.version === undefined ? {} : { ifGenerationMatch: Number(options.version) },
          );
          return true;
        } catch (error) {
          const status = gcsStatusOf(error);
          if (status === 412 || isMissingObject(error)) return false;
          throw error;
        }
      });
    },

    async close() {},
  };
}
