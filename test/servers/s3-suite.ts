/** What dv asks of a server that speaks S3, beyond the contract: whole transfers, refusals, faults on the way. */
import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import { checkRemote } from '../../core/ops/remote-check.ts';
import { openS3Remote } from '../../remotes/s3.ts';
import { remoteContract } from '../remotes/contract.ts';
import { addAndCommit, cloneOf, damagedIn, dataRepo, noise } from '../support/data-world.ts';
import { faultyProxy } from '../support/faulty-proxy.ts';
import { type FaultTrust, s3Faults } from './s3-faults.ts';
import type { S3Server } from './start.ts';
import { testUse } from './use.ts';

/** Runs everything dv asks of S3 against a server. */
export function s3Suite(name: string, server: S3Server, trust: FaultTrust): void {
  const { endpoint, owner, reader } = server;
  const region = 'us-east-1';
  const client = () => new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  const newBucket = async () => {
    const bucket = `dv-${randomBytes(6).toString('hex')}`;
    await client().send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  };
  const open = (bucket: string, settings: { credentials?: typeof owner; endpoint?: string } = {}) =>
    openS3Remote(
      { bucket, prefix: 'team/data' },
      { url: `s3://${bucket}/team/data`, endpoint, region, credentials: owner, ...settings },
    );

  remoteContract(
    `s3 (${name})`,
    async () => {
      const bucket = await newBucket();
      return { open: () => open(bucket) };
    },
    { listedKeys: 1100, largeBytes: 20 << 20 },
  );

  describe(`s3 (${name})`, () => {
    testUse(newBucket, (bucket) => open(bucket));

    test.runIf(trust.permissions)(
      'a reader is told which permission is missing, and can still fetch',
      async () => {
        await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
        const bucket = await newBucket();
        await push(world.open(), open(bucket));
        const remote = open(bucket, { credentials: reader });
        expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 1, failures: [] });
        world.write('data/b', 'b');
        await addAndCommit(world, ['data'], 'b');
        await expect(push(world.open(), remote)).rejects.toMatchObject({
          code: 'remote-refused',
          details: { operation: 'write', permission: 's3:PutObject' },
        });
        const checked = await checkRemote(remote);
        expect(checked.steps.map(({ what, problem }) => [what, problem?.code ?? 'ok'])).toEqual([
          ['read', 'ok'],
          ['write', 'remote-refused'],
          ['list', 'ok'],
        ]);
      },
    );

    test('wrong keys are named as what they are', async () => {
      const bucket = await newBucket();
      const secret = open(bucket, { credentials: { ...owner, secretAccessKey: 'wrong' } });
      await expect(secret.get('a')).rejects.toThrow('the secret access key is wrong');
      // HEAD has no body that could say why.
      await expect(secret.head('a')).rejects.toThrow('the secret access key is wrong');
      const id = open(bucket, { credentials: { ...owner, accessKeyId: 'NOBODY' } });
      await expect(id.put('a', new Uint8Array(1))).rejects.toThrow('it does not know this access key');
      await expect(id.get('a')).rejects.toMatchObject({ code: 'remote-refused' });
    });

    test('a bucket that is not there is named', async () => {
      const remote = open('dv-there-is-none');
      await expect(remote.get('a')).rejects.toMatchObject({ code: 'remote-missing-bucket' });
      await expect(remote.put('a', new Uint8Array(1))).rejects.toMatchObject({
        code: 'remote-missing-bucket',
      });
    });

    test('a server that is not there cannot be reached', async () => {
      const remote = open('bucket', { endpoint: 'http://127.0.0.1:9' });
      await expect(remote.get('a')).rejects.toMatchObject({ code: 'remote-unreachable' });
    });

    test('a download that is cut goes on from where it was', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), { endpoint: proxy.url });
      const value = randomBytes(3 << 20);
      await remote.put('a', value);
      proxy.faults = [{ method: 'GET', times: 2, action: { cutResponseAfter: 1 << 20 } }];
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
      proxy.faults = [{ method: 'GET', times: 1, action: { cutResponseAfter: 500_000 } }];
      expect(
        Buffer.from((await remote.getRange('a', 1000, 2_000_000))!).equals(value.subarray(1000, 2_001_000)),
      ).toBe(true);
      await remote.close();
    });

    test('busy servers and lost answers are asked again', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), { endpoint: proxy.url });
      proxy.faults = [
        { method: 'PUT', times: 2, action: { status: 503, body: '<Error><Code>SlowDown</Code></Error>' } },
        { method: 'PUT', times: 1, action: { cutRequestAfter: 100 } },
      ];
      await remote.put('a', randomBytes(100_000));
      proxy.faults = [{ method: 'PUT', times: 1, action: { loseResponse: true } }];
      // The first attempt wrote it, though nobody heard: the answer is still that it was not there before.
      expect(await remote.putIfAbsent('b', Buffer.from('mine'))).toBe(true);
      proxy.faults = [{ method: 'PUT', times: 1, action: { status: 500 } }];
      expect(await remote.putIfAbsent('b', Buffer.from('other'))).toBe(false);
      proxy.faults = [{ times: 3, action: { status: 503 } }];
      expect(await remote.head('a')).toMatchObject({ sizeBytes: 100_000 });
      await remote.close();
    });

    test('parts of a large value are sent again alone, and a failed upload leaves nothing', async () => {
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      const remote = open(bucket, { endpoint: proxy.url });
      const value = randomBytes(30 << 20);
      const source = {
        sizeBytes: value.length,
        async *read() {
          yield value;
        },
      };
      proxy.faults = [
        { method: 'PUT', path: /partNumber=2/, times: 1, action: { cutRequestAfter: 1 << 20 } },
      ];
      await remote.putStream('a', source);
      expect(
        proxy.requests.filter(({ method, path }) => method === 'PUT' && /partNumber=1\b/.test(path)),
      ).toHaveLength(1);
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
      proxy.faults = [{ method: 'PUT', path: /partNumber=3/, times: 1, action: { status: 403 } }];
      await expect(remote.putStream('b', source)).rejects.toMatchObject({ code: 'remote-refused' });
      expect(await remote.head('b')).toBeUndefined();
      const left = await client().send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      expect(left.Uploads ?? []).toEqual([]);
      await remote.close();
    });

    test('bytes that were altered on the way are not used', async () => {
      await using world = await dataRepo({ 'data/a': noise('a', 50_000), 'data/b': noise('b', 50_000) }, [
        'data',
      ]);
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), { endpoint: proxy.url });
      await push(world.open(), remote);
      const clone = cloneOf(world);
      proxy.faults = [{ method: 'GET', path: /\/packs\//, times: 9, action: { flipResponseAt: 60_000 } }];
      const result = await fetch(clone, remote);
      expect(result.failures.length).toBeGreaterThan(0);
      expect(damagedIn(clone)).toEqual([]);
      proxy.faults = [];
      expect(await fetch(clone, remote)).toMatchObject({ failures: [] });
      await remote.close();
    });
  });

  s3Faults(name, server, newBucket, trust);
}
