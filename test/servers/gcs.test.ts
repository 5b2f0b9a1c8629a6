import { randomBytes } from 'node:crypto';
import { Storage } from '@google-cloud/storage';
import { describe, expect, inject, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import { openGcsRemote } from '../../remotes/gcs.ts';
import { remoteContract } from '../remotes/contract.ts';
import { addAndCommit, cloneOf, damagedIn, dataRepo, noise } from '../support/data-world.ts';
import { faultyProxy } from '../support/faulty-proxy.ts';

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
    test('what is pushed comes back, again is one request, a change is small', async () => {
      const files = Object.fromEntries(
        Array.from({ length: 300 }, (_, i) => [`data/${i % 7}/${i}.png`, noise(i, 3000)]),
      );
      await using world = await dataRepo({ ...files, 'big.bin': noise('big', 20 << 20) }, [
        'data',
        'big.bin',
      ]);
      const remote = open(await newBucket());
      expect(await push(world.open(), remote)).toMatchObject({ files: 301, upToDate: false });
      expect(await push(world.open(), remote)).toMatchObject({ requests: 1, upToDate: true });
      const clone = cloneOf(world);
      expect(await fetch(clone, remote)).toMatchObject({ files: 301, failures: [] });
      expect(damagedIn(clone)).toEqual([]);
      world.write('data/new.png', noise('new', 3000));
      await addAndCommit(world, ['data'], 'more');
      expect(await push(world.open(), remote)).toMatchObject({ files: 1 });
    });

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
  });
}
