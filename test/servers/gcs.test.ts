import { randomBytes } from 'node:crypto';
import { Storage } from '@google-cloud/storage';
import { describe, expect, inject, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import { openGcsRemote } from '../../remotes/gcs.ts';
import { remoteContract } from '../remotes/contract.ts';
import { addAndCommit, cloneOf, dataRepo, noise } from '../support/data-world.ts';
import { faultyProxy } from '../support/faulty-proxy.ts';
import { testUse } from './use.ts';

const server = inject('gcs');

if ('missing' in server) {
  test.skip(`Google Cloud Storage against fake-gcs-server: not run, ${server.missing}`, () => {});
} else {
  const { endpoint } = server;
  const newBucket = async () => {
    const bucket = `dv-${randomBytes(6).toString('hex')}`;
    await new Storage({ apiEndpoint: endpoint, projectId: 'dv' }).createBucket(bucket);
    return bucket;
  };
  const open = (bucket: string, at = endpoint, idleMs?: number) =>
    openGcsRemote(
      { bucket, prefix: 'team/data' },
      { url: `gs://${bucket}/team/data`, endpoint: at, ...(idleMs === undefined ? {} : { idleMs }) },
    );

  remoteContract(
    'gcs (fake-gcs-server behind the shim)',
    async () => {
      const bucket = await newBucket();
      return { open: () => open(bucket) };
    },
    { listedKeys: 1100, largeBytes: 40 << 20 },
  );

  describe('gcs (fake-gcs-server behind the shim)', () => {
    testUse(newBucket, (bucket) => open(bucket));

    test('a bucket that is not there is named, a server that is not there cannot be reached', async () => {
      await expect(open('dv-there-is-none').put('a', new Uint8Array(1))).rejects.toMatchObject({
        code: 'remote-missing-bucket',
      });
      await expect(open('bucket', 'http://127.0.0.1:9').head('a')).rejects.toMatchObject({
        code: 'remote-unreachable',
      });
    });

    test('a refusal names the permission', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      const message =
        'ada@example.org does not have storage.objects.create access to the Google Cloud Storage object.';
      proxy.faults = [
        { times: 1, action: { status: 403, body: JSON.stringify({ error: { code: 403, message } }) } },
      ];
      await expect(remote.put('a', new Uint8Array(1))).rejects.toMatchObject({
        code: 'remote-refused',
        details: { operation: 'write', permission: 'storage.objects.create' },
      });
    });

    test('a download that is cut goes on from where it was', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url, 1000);
      const value = randomBytes(3 << 20);
      await remote.put('a', value);
      proxy.faults = [{ method: 'GET', times: 2, action: { cutResponseAfter: 1 << 20 } }];
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
      proxy.faults = [{ method: 'GET', times: 1, action: { cutResponseAfter: 500_000 } }];
      expect(
        Buffer.from((await remote.getRange('a', 1000, 2_000_000))!).equals(value.subarray(1000, 2_001_000)),
      ).toBe(true);
    });

    test('a download that stalls is given up and begun again', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url, 1000);
      const value = randomBytes(1 << 20);
      await remote.put('a', value);
      proxy.faults = [{ method: 'GET', times: 1, action: { stallResponseAfter: 1000 } }];
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
    });

    test('an answer that was altered on the way is asked for again', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      const value = randomBytes(10_000);
      await remote.put('a', value);
      proxy.faults = [{ method: 'GET', times: 1, action: { flipResponseAt: 5000 } }];
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
    });

    test('busy servers and lost answers are asked again', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      proxy.faults = [{ method: 'POST', times: 2, action: { status: 503 } }];
      await remote.put('a', randomBytes(100_000));
      proxy.faults = [{ method: 'POST', times: 1, action: { loseResponse: true } }];
      expect(await remote.putIfAbsent('b', Buffer.from('mine'))).toBe(true);
      proxy.faults = [{ method: 'POST', times: 1, action: { status: 500 } }];
      expect(await remote.putIfAbsent('b', Buffer.from('other'))).toBe(false);
      proxy.faults = [{ times: 3, action: { status: 503 } }];
      expect(await remote.head('a')).toMatchObject({ sizeBytes: 100_000 });
    });

    test('an upload that is cut asks how much arrived, and sends the rest', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      const value = randomBytes(40 << 20);
      const source = {
        sizeBytes: value.length,
        async *read() {
          yield value;
        },
      };
      proxy.faults = [
        { method: 'PUT', path: /upload_id/, times: 1, action: { cutRequestAfter: 1 << 20 } },
        { method: 'PUT', path: /upload_id/, times: 1, action: { loseResponse: true } },
      ];
      await remote.putStream('a', source);
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
    });

    test('requests that arrive twice do no harm', async () => {
      await using world = await dataRepo({ 'data/a': 'a', 'data/b': 'b' }, ['data']);
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      proxy.faults = [{ times: 1000, action: { twice: true } }];
      expect(await push(world.open(), remote)).toMatchObject({ files: 2 });
      expect(await push(world.open(), remote)).toMatchObject({ upToDate: true });
      expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 2, failures: [] });
    });

    test('a push through a server that is busy every third time', async () => {
      const files = Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [`data/${i}.png`, noise(i, 3000)]),
      );
      await using world = await dataRepo(files, ['data']);
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), proxy.url);
      proxy.faults = Array.from({ length: 40 }, () => ({ skip: 2, times: 1, action: { status: 503 } }));
      expect(await push(world.open(), remote)).toMatchObject({ files: 20 });
      expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 20, failures: [] });
    });

    test('credentials that expire in the middle are named, and the next push goes on', async () => {
      await using world = await dataRepo(
        { 'a.bin': noise('a', 9 << 20), 'b.bin': noise('b', 9 << 20), 'data/c': 'c' },
        ['a.bin', 'b.bin', 'data'],
      );
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      proxy.faults = [
        {
          method: 'POST',
          path: /packs/,
          times: 100,
          action: {
            status: 401,
            body: JSON.stringify({ error: { code: 401, message: 'Invalid Credentials' } }),
          },
        },
      ];
      await expect(push(world.open(), open(bucket, proxy.url))).rejects.toMatchObject({
        code: 'remote-refused',
        details: { reason: 'the credentials are not valid' },
      });
      proxy.faults = [];
      expect(await push(world.open(), open(bucket, proxy.url))).toMatchObject({ upToDate: false });
      expect(await fetch(cloneOf(world), open(bucket))).toMatchObject({ files: 3, failures: [] });
    });

    test('many small pushes are merged', async () => {
      await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
      const remote = open(await newBucket());
      for (let i = 0; i < 34; i++) {
        world.write(`data/${i}`, `more ${i}`);
        await addAndCommit(world, ['data'], `more ${i}`);
        await push(world.open(), remote);
      }
      const idx: string[] = [];
      for await (const { key } of remote.list('idx/')) idx.push(key);
      expect(idx.length).toBeLessThanOrEqual(3);
      expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 35, failures: [] });
    });
  });
}
