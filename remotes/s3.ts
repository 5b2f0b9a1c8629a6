/** A remote in S3, or in a server that speaks its protocol. */
import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, ServerSideEncryption, StorageClass } from '@aws-sdk/client-s3';
import {
  checkKey,
  type RangeCall,
  type Remote,
  type RemoteEntry,
  type RemoteSource,
} from '../core/store/remote.ts';
import type { BucketAddress } from './address.ts';
import { Collected, partsOf } from './collect.ts';
import { Pace } from './pace.ts';
import { withRetry } from './retry.ts';
import { createS3Client, type OpenedS3, type S3Settings } from './s3-client.ts';
import { explainS3, isBusyS3, isMissingKey, isRetryableS3, type S3Operation, statusOf } from './s3-errors.ts';

/** Values up to this size go in one request. */
const wholeBytes = 8 << 20;
/** S3 takes at most 10,000 parts. */
const mostParts = 9000;
const partsAtOnce = 3;

/** Opens a remote in a bucket. Nothing is sent, and the client is not loaded, before the first call. */
export function openS3Remote(address: BucketAddress, settings: S3Settings): Remote {
  const { bucket, prefix } = address;
  const { url } = settings;
  const Bucket = bucket;
  const base = prefix === '' ? '' : `${prefix}/`;
  const keyOf = (key: string) => {
    checkKey(key);
    return base + key;
  };

  /** Goes with every request. */
  const paid = settings.requesterPays === true ? ({ RequestPayer: 'requester' } as const) : {};
  /** Goes with every new value. */
  const stored = {
    ...(settings.sse === undefined ? {} : { ServerSideEncryption: settings.sse as ServerSideEncryption }),
    ...(settings.kmsKeyId === undefined ? {} : { SSEKMSKeyId: settings.kmsKeyId }),
    ...(settings.storageClass === undefined ? {} : { StorageClass: settings.storageClass as StorageClass }),
  };

  const pace = new Pace();
  let opened: Promise<OpenedS3> | undefined;
  let anonymous = false;
  const open = async () => {
    opened ??= createS3Client(settings);
    const result = await opened;
    anonymous = result.anonymous;
    return { ...result, sdk: await import('@aws-sdk/client-s3') };
  };

  /** One question, asked again when that may help; failures in our words. */
  const ask = async <Result>(
    operation: S3Operation,
    signal: AbortSignal | undefined,
    work: (attempt: number) => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await withRetry(({ number }) => pace.run(() => work(number), isBusyS3), isRetryableS3, {
        signal,
        isBusy: isBusyS3,
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw explainS3(error, { url, bucket, operation, anonymous });
    }
  };
  const during = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });

  /** Downloads `lengthBytes` from `offset` on, or everything; a cut goes on from where it was. */
  const download = (
    key: string,
    range: { offset: number; lengthBytes: number } | undefined,
    { signal, into }: RangeCall = {},
  ) => {
    const Key = keyOf(key);
    const collected = new Collected(into);
    let version: string | undefined;
    return ask('read', signal, async () => {
      const { client, sdk } = await open();
      const first = (range?.offset ?? 0) + collected.filled;
      const last = range === undefined ? '' : range.offset + range.lengthBytes - 1;
      let answer: GetObjectCommandOutput;
      try {
        answer = await client.send(
          new sdk.GetObjectCommand({
            Bucket,
            ...paid,
            Key,
            ...(range === undefined && collected.filled === 0 ? {} : { Range: `bytes=${first}-${last}` }),
            ...(version === undefined ? {} : { IfMatch: version }),
          }),
          during(signal),
        );
      } catch (error) {
        if (isMissingKey(error)) return undefined;
        // Behind the end of the value there is nothing.
        if (statusOf(error) === 416 && range !== undefined) return new Uint8Array(0);
        throw error;
      }
      version = answer.ETag;
      collected.expect(collected.filled + (answer.ContentLength ?? 0));
      await collected.read(answer.Body as Readable, {
        signal,
        ...(settings.idleMs === undefined ? {} : { idleMs: settings.idleMs }),
      });
      return collected.take();
    });
  };

  const head = (key: string, signal?: AbortSignal) => {
    const Key = keyOf(key);
    return ask('read', signal, async (): Promise<RemoteEntry | undefined> => {
      const { client, sdk } = await open();
      try {
        const answer = await client.send(new sdk.HeadObjectCommand({ Bucket, ...paid, Key }), during(signal));
        return { key, sizeBytes: answer.ContentLength ?? 0, version: answer.ETag ?? '' };
      } catch (error) {
        if (isMissingKey(error)) return undefined;
        if (statusOf(error) !== 403) throw error;
      }
      // The answer to HEAD has no body, so no reason; asking for a byte gives one.
      try {
        const answer = await client.send(
          new sdk.GetObjectCommand({ Bucket, ...paid, Key, Range: 'bytes=0-0' }),
          during(signal),
        );
        (answer.Body as Readable).destroy();
        const sizeBytes = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? 0);
        return { key, sizeBytes, version: answer.ETag ?? '' };
      } catch (error) {
        if (isMissingKey(error)) return undefined;
        throw error;
      }
    });
  };

  const put = (key: string, bytes: Uint8Array, signal?: AbortSignal) => {
    const Key = keyOf(key);
    return ask('write', signal, async () => {
      const { client, sdk } = await open();
      await client.send(
        new sdk.PutObjectCommand({ Bucket, ...paid, ...stored, Key, Body: bytes }),
        during(signal),
      );
    });
  };

  /** Sends a large value in parts; nothing is visible before the last request, and nothing stays when it fails. */
  const putParts = async (key: string, source: RemoteSource, signal?: AbortSignal) => {
    const Key = keyOf(key);
    const { client, sdk, custom } = await open();
    // A part's checksum is only kept when the upload was begun with its kind.
    const checksum = custom ? {} : ({ ChecksumAlgorithm: 'CRC32' } as const);
    const begun = await ask('write', signal, () =>
      client.send(
        new sdk.CreateMultipartUploadCommand({ Bucket, ...paid, ...stored, Key, ...checksum }),
        during(signal),
      ),
    );
    const UploadId = begun.UploadId!;
    try {
      const parts: { ETag: string | undefined; PartNumber: number; ChecksumCRC32?: string }[] = [];
      const partBytes = Math.max(wholeBytes, Math.ceil(source.sizeBytes / mostParts));
      const sendPart = async (Body: Buffer, PartNumber: number) => {
        const sent = await ask('write', signal, () =>
          client.send(
            new sdk.UploadPartCommand({ Bucket, ...paid, Key, UploadId, PartNumber, Body, ...checksum }),
            during(signal),
          ),
        );
        parts[PartNumber - 1] = {
          ETag: sent.ETag,
          PartNumber,
          ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
        };
      };
      const running = new Set<Promise<void>>();
      let failed: { error: unknown } | undefined;
      try {
        let number = 0;
        for await (const part of partsOf(source.read(), partBytes)) {
          const sending: Promise<void> = sendPart(part, ++number)
            .catch((error: unknown) => {
              failed ??= { error };
            })
            .finally(() => running.delete(sending));
          running.add(sending);
          if (running.size >= partsAtOnce) await Promise.race(running);
          if (failed !== undefined) break;
        }
      } finally {
        await Promise.all(running);
      }
      if (failed !== undefined) throw (failed as { error: unknown }).error;
      await ask('write', signal, async () => {
        try {
          await client.send(
            new sdk.CompleteMultipartUploadCommand({
              Bucket,
              ...paid,
              Key,
              UploadId,
              MultipartUpload: { Parts: parts },
            }),
            during(signal),
          );
        } catch (error) {
          // An earlier attempt, whose answer was lost, may have completed it.
          if (!(error instanceof Error) || error.name !== 'NoSuchUpload') throw error;
          if ((await head(key, signal))?.sizeBytes !== source.sizeBytes) throw error;
        }
      });
    } catch (error) {
      // Parts cost money until they are dropped. That this too may fail changes nothing of what is thrown.
      await client
        .send(new sdk.AbortMultipartUploadCommand({ Bucket, ...paid, Key, UploadId }))
        .catch(() => {});
      throw error;
    }
  };

  return {
    url,

    get: async (key, call) => download(key, undefined, call),

    getRange: async (key, offset, lengthBytes, call) => download(key, { offset, lengthBytes }, call),

    head: async (key, call) => head(key, call?.signal),

    put: async (key, bytes, call) => put(key, bytes, call?.signal),

    async putIfAbsent(key, bytes, call) {
      const Key = keyOf(key);
      return ask('write', call?.signal, async (attempt) => {
        const { client, sdk } = await open();
        try {
          await client.send(
            new sdk.PutObjectCommand({ Bucket, ...paid, ...stored, Key, Body: bytes, IfNoneMatch: '*' }),
            during(call?.signal),
          );
          return true;
        } catch (error) {
          if (statusOf(error) === 501) {
            // A server without conditional writes: looking first is the best there is.
            if ((await head(key, call?.signal)) !== undefined) return false;
            await put(key, bytes, call?.signal);
            return true;
          }
          if (statusOf(error) !== 412) throw error;
          if (attempt === 1) return false;
          // An attempt whose answer was lost may have been the one that wrote it.
          const there = await download(key, undefined, call);
          return there !== undefined && Buffer.from(bytes).equals(there);
        }
      });
    },

    async putStream(key, source, call) {
      keyOf(key);
      call?.signal?.throwIfAborted();
      if (source.sizeBytes > wholeBytes) return putParts(key, source, call?.signal);
      const pieces: Uint8Array[] = [];
      for await (const piece of source.read()) pieces.push(piece);
      return put(key, Buffer.concat(pieces), call?.signal);
    },

    async *list(listed, call) {
      let token: string | undefined;
      do {
        const page = await ask('list', call?.signal, async () => {
          const { client, sdk } = await open();
          return client.send(
            new sdk.ListObjectsV2Command({
              Bucket,
              ...paid,
              Prefix: base + listed,
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
            during(call?.signal),
          );
        });
        for (const { Key, Size, ETag } of page.Contents ?? []) {
          if (Key?.startsWith(base))
            yield { key: Key.slice(base.length), sizeBytes: Size ?? 0, version: ETag ?? '' };
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
    },

    async delete(key, options) {
      const Key = keyOf(key);
      const signal = options?.signal;
      const before = await head(key, signal);
      if (before === undefined || (options?.version !== undefined && before.version !== options.version))
        return false;
      return ask('delete', signal, async () => {
        const { client, sdk } = await open();
        const send = (IfMatch: string | undefined) =>
          client.send(
            new sdk.DeleteObjectCommand({
              Bucket,
              ...paid,
              Key,
              ...(IfMatch === undefined ? {} : { IfMatch }),
            }),
            during(signal),
          );
        try {
          await send(options?.version);
        } catch (error) {
          const status = statusOf(error);
          if (status === 412 || status === 404) return false;
          // Servers without conditional deletes say so; what was just looked at is then the best there is.
          if (options?.version === undefined || (status !== 501 && status !== 400)) throw error;
          await send(undefined);
        }
        return true;
      });
    },

    async close() {
      (await opened?.catch(() => undefined))?.client.destroy();
    },
  };
}
