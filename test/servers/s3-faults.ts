/** What goes wrong between dv and a server that speaks S3, and that nothing is lost by it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { pull } from '../../core/ops/pull.ts';
import { push } from '../../core/ops/push.ts';
import { openS3Remote } from '../../remotes/s3.ts';
import type { S3Settings } from '../../remotes/s3-client.ts';
import { addAndCommit, cloneOf, damagedIn, dataRepo, keysOf, noise } from '../support/data-world.ts';
import { faultyProxy } from '../support/faulty-proxy.ts';
import { temporaryFolder } from '../support/git-folder.ts';
import { mainScript, runProgram, type TestRepo } from '../support/repo.ts';
import type { S3Server } from './start.ts';

/** What a server is trusted for. */
export interface FaultTrust {
  /** It refuses requests of another time. */
  readonly clock: boolean;
  /** It compares a body with the hash in its signature. */
  readonly bodyHash: boolean;
  /** It knows somebody who may not list. */
  readonly permissions: boolean;
}

const xml = (code: string) =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>injected</Message></Error>`;

/** Runs the fault rows against a server. */
export function s3Faults(
  name: string,
  server: S3Server,
  newBucket: () => Promise<string>,
  trust: FaultTrust,
): void {
  const { endpoint, owner, blind } = server;
  const open = (bucket: string, settings: Partial<S3Settings> = {}) =>
    openS3Remote(
      { bucket, prefix: 'p' },
      { url: `s3://${bucket}/p`, endpoint, region: 'us-east-1', credentials: owner, ...settings },
    );
  const world = (count = 30, bytes = 4000) =>
    dataRepo(
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`data/${i % 3}/${i}.png`, noise(i, bytes)]),
      ),
      ['data'],
    );
  /** Lets the built `dv` use a bucket through an address. */
  const configure = async (repo: TestRepo, bucket: string, address: string) => {
    await repo.git('config', 'dv.remote.store.url', `s3://${bucket}/p`);
    await repo.git('config', 'dv.remote.store.endpoint', address);
  };
  const keysInEnv = (keys = owner, token?: string) => ({
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_REGION: 'us-east-1',
    ...(token === undefined ? {} : { AWS_SESSION_TOKEN: token }),
  });
  const dv = (repo: TestRepo, ...args: string[]) =>
    runProgram(process.execPath, [mainScript, ...args], {
      cwd: repo.root,
      env: { ...repo.env, ...keysInEnv() },
    });

  describe(`s3 faults (${name})`, () => {
    test('a connection that stands still is given up and asked again, both ways', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), { endpoint: proxy.url, idleMs: 500 });
      const value = randomBytes(1 << 20);
      proxy.faults = [{ method: 'PUT', times: 1, action: { neverAnswer: true } }];
      await remote.put('a', value);
      proxy.faults = [
        { method: 'GET', times: 1, action: { stallResponseAfter: 1000 } },
        { method: 'GET', times: 1, action: { neverAnswer: true } },
      ];
      expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
      await remote.close();
    });

    test('a push and a pull through a server that says SlowDown to every third request', async () => {
      await using repo = await world();
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      const remote = open(bucket, { endpoint: proxy.url });
      const busy = () =>
        Array.from({ length: 40 }, () => ({
          skip: 2,
          times: 1,
          action: { status: 503, body: xml('SlowDown') },
        }));
      proxy.faults = busy();
      expect(await push(repo.open(), remote)).toMatchObject({ files: 30 });
      proxy.faults = busy();
      expect(await fetch(cloneOf(repo), remote)).toMatchObject({ files: 30, failures: [] });
      await remote.close();
    });

    test('requests that arrive twice do no harm', async () => {
      await using repo = await dataRepo({ 'data/a': 'a', 'big.bin': noise('big', 20 << 20) }, [
        'data',
        'big.bin',
      ]);
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      const remote = open(bucket, { endpoint: proxy.url });
      proxy.faults = [{ times: 1000, action: { twice: true } }];
      expect(await push(repo.open(), remote)).toMatchObject({ files: 2 });
      expect(await push(repo.open(), remote)).toMatchObject({ upToDate: true });
      const clone = cloneOf(repo);
      expect(await fetch(clone, remote)).toMatchObject({ files: 2, failures: [] });
      expect(damagedIn(clone)).toEqual([]);
      await remote.close();
    });

    test('a large upload whose last answer is lost is complete', async () => {
      await using proxy = await faultyProxy(endpoint);
      const remote = open(await newBucket(), { endpoint: proxy.url });
      const value = randomBytes(20 << 20);
      const source = {
        sizeBytes: value.length,
        async *read() {
          yield value;
        },
      };
      proxy.faults = [{ method: 'POST', path: /uploadId=/, times: 1, action: { loseResponse: true } }];
      await remote.putStream('a', source);
      expect(await remote.head('a')).toMatchObject({ sizeBytes: value.length });
      await remote.close();
    });

    test.runIf(trust.bodyHash)(
      'bytes that were altered on the way up are refused, and sent again',
      async () => {
        await using proxy = await faultyProxy(endpoint);
        const remote = open(await newBucket(), { endpoint: proxy.url });
        const value = randomBytes(100_000);
        proxy.faults = [{ method: 'PUT', times: 1, action: { flipRequestAt: 50_000 } }];
        await remote.put('a', value);
        expect(Buffer.from((await remote.get('a'))!).equals(value)).toBe(true);
        expect(proxy.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2);
        await remote.close();
      },
    );

    test.runIf(trust.clock)('a wrong clock is corrected by what the server says', async () => {
      const remote = open(await newBucket(), { systemClockOffset: 3 * 3_600_000 });
      await remote.put('a', Buffer.from('x'));
      expect(await remote.head('a')).toMatchObject({ sizeBytes: 1 });
      await remote.close();
    });

    test.runIf(trust.permissions)('who may not list is told so, by push and by fetch', async () => {
      await using repo = await world(3);
      const bucket = await newBucket();
      const remote = open(bucket, { credentials: blind });
      await expect(push(repo.open(), remote)).rejects.toMatchObject({
        code: 'remote-refused',
        details: { operation: 'list', permission: 's3:ListBucket' },
      });
      await remote.close();
    });

    test('credentials that expire in the middle end a push with 13 and their name; the next one goes on', async () => {
      await using repo = await dataRepo(
        Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.bin`, noise(i, 9 << 20)])),
        Array.from({ length: 6 }, (_, i) => `${i}.bin`),
      );
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      await configure(repo, bucket, proxy.url);
      // The first two large files arrive.
      proxy.faults = [
        {
          method: 'POST',
          path: /uploads/,
          skip: 4,
          times: 1000,
          action: { status: 400, body: xml('ExpiredToken') },
        },
      ];
      const outcome = await dv(repo, 'push');
      expect(outcome.status).toBe(13);
      expect(outcome.stderr).toContain('the credentials have expired');
      const remote = open(bucket);
      const arrived = (await keysOf(remote)).filter((key) => key.startsWith('blobs/')).length;
      expect(arrived).toBeGreaterThan(0);
      proxy.faults = [];
      proxy.requests.length = 0;
      expect(await dv(repo, 'push')).toMatchObject({ status: 0 });
      const begun = proxy.requests.filter(({ method, path }) => method === 'POST' && /\?uploads/.test(path));
      expect(begun).toHaveLength(6 - arrived);
      expect(await fetch(cloneOf(repo), remote)).toMatchObject({ files: 6, failures: [] });
      await remote.close();
    });

    test('Ctrl-C ends a push that hangs within a second, with 130, and the next one goes on', async () => {
      await using repo = await world();
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      await configure(repo, bucket, proxy.url);
      proxy.faults = [{ method: 'PUT', path: /packs/, times: 1, action: { neverAnswer: true } }];
      const child = spawn(process.execPath, [mainScript, 'push'], {
        cwd: repo.root,
        env: { ...repo.env, ...keysInEnv() },
        stdio: 'ignore',
      });
      await expect
        .poll(() => proxy.requests.some(({ path }) => path.includes('packs')), { timeout: 20_000 })
        .toBe(true);
      const started = performance.now();
      child.kill('SIGINT');
      const [code] = await once(child, 'exit');
      expect(code).toBe(130);
      expect(performance.now() - started).toBeLessThan(1000);
      expect((await keysOf(open(bucket))).filter((key) => /^(roots|idx)/.test(key))).toEqual([]);
      expect(await dv(repo, 'push')).toMatchObject({ status: 0 });
    });

    test('a large file comes in many requests at once; Ctrl-C ends a hanging pull, and the next one goes on', async () => {
      await using repo = await dataRepo({ 'large.bin': noise(1, 100 << 20), 'small.bin': 'small' }, [
        'large.bin',
        'small.bin',
      ]);
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      await configure(repo, bucket, proxy.url);
      expect(await dv(repo, 'push')).toMatchObject({ status: 0 });
      await repo.run('rm', ['-rf', '.git/dv', 'large.bin', 'small.bin']);
      proxy.faults = [{ method: 'GET', path: /blobs/, skip: 8, times: 1, action: { neverAnswer: true } }];
      proxy.requests.length = 0;
      const child = spawn(process.execPath, [mainScript, 'pull'], {
        cwd: repo.root,
        env: { ...repo.env, ...keysInEnv() },
        stdio: 'ignore',
      });
      const pieces = () => proxy.requests.filter(({ path }) => path.includes('blobs')).length;
      await expect.poll(pieces, { timeout: 20_000 }).toBeGreaterThan(10);
      const started = performance.now();
      child.kill('SIGINT');
      const [code] = await once(child, 'exit');
      expect(code).toBe(130);
      expect(performance.now() - started).toBeLessThan(1000);
      // Nothing that Node has to say of it, either.
      expect(await dv(repo, 'pull')).toMatchObject({ status: 0, stderr: '' });
      expect(repo.readBytes('large.bin').equals(noise(1, 100 << 20))).toBe(true);
    });

    test('kill -9 in the middle of a push: the next one sends only what had not arrived', async () => {
      await using repo = await dataRepo(
        Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`data/${i}`, noise(i, 7 << 20)])),
        ['data'],
      );
      await using proxy = await faultyProxy(endpoint);
      const bucket = await newBucket();
      await configure(repo, bucket, proxy.url);
      proxy.faults = [{ method: 'PUT', path: /packs/, skip: 2, times: 10, action: { neverAnswer: true } }];
      const child = spawn(process.execPath, [mainScript, 'push'], {
        cwd: repo.root,
        env: { ...repo.env, ...keysInEnv() },
        stdio: 'ignore',
      });
      const remote = open(bucket);
      const packs = async () => (await keysOf(remote)).filter((key) => key.startsWith('packs/')).length;
      await expect.poll(packs, { timeout: 20_000 }).toBe(2);
      // Time for the notes of what arrived.
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.kill('SIGKILL');
      await once(child, 'exit');
      proxy.faults = [];
      expect(await dv(repo, 'push')).toMatchObject({ status: 0 });
      // Five objects fill a pack.
      expect(await packs()).toBe(4);
      const clone = cloneOf(repo);
      expect(await fetch(clone, remote)).toMatchObject({ files: 20, failures: [] });
      expect(damagedIn(clone)).toEqual([]);
    });

    test('two projects share a bucket, and two people push at once', async () => {
      const bucket = await newBucket();
      await using one = await world(10);
      await using other = await dataRepo({ 'x/a': 'other', 'x/b': noise(3, 4000) }, ['x']);
      const results = await Promise.all([push(one.open(), open(bucket)), push(other.open(), open(bucket))]);
      expect(results.map(({ upToDate }) => upToDate)).toEqual([false, false]);
      expect(await fetch(cloneOf(one), open(bucket))).toMatchObject({ files: 10, failures: [] });
      expect(await fetch(cloneOf(other), open(bucket))).toMatchObject({ files: 2, failures: [] });
    });

    test('many small pushes are merged on a real server, while somebody reads', async () => {
      await using repo = await world(3, 100);
      const bucket = await newBucket();
      const remote = open(bucket);
      for (let i = 0; i < 36; i++) {
        repo.write(`data/more/${i}`, `more ${i}`);
        await addAndCommit(repo, ['data'], `more ${i}`);
        const [, read] = await Promise.all([
          push(repo.open(), remote),
          i > 0 && i % 6 === 0
            ? fetch(cloneOf(repo, `clone-${i}`), open(bucket), {
                select: { workspace: false, revisions: ['HEAD~1'], all: false },
              })
            : undefined,
        ]);
        if (read !== undefined) expect(read.failures).toEqual([]);
      }
      expect((await keysOf(remote)).filter((key) => key.startsWith('idx/')).length).toBeLessThanOrEqual(10);
      const { fetched } = await pull(cloneOf(repo, 'last'), remote, { force: false });
      expect(fetched).toMatchObject({ files: 39, failures: [] });
      await remote.close();
    });

    test.skipIf(spawnSync('openssl', ['version']).status !== 0)(
      'a certificate nobody vouches for is named, and nothing is sent',
      async () => {
        using folder = temporaryFolder();
        execFileSync(
          'openssl',
          [
            'req',
            '-x509',
            '-newkey',
            'rsa:2048',
            '-nodes',
            '-days',
            '1',
            '-subj',
            '/CN=127.0.0.1',
            '-keyout',
            folder.at('key'),
            '-out',
            folder.at('cert'),
          ],
          { stdio: 'ignore' },
        );
        let asked = 0;
        const tls = createServer(
          { key: readFileSync(folder.at('key')), cert: readFileSync(folder.at('cert')) },
          () => {
            asked++;
          },
        );
        await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
        const remote = open('bucket', {
          endpoint: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
        });
        await expect(remote.get('a')).rejects.toMatchObject({ code: 'remote-unreachable' });
        await expect(remote.get('a')).rejects.toThrow(/self-signed certificate/);
        expect(asked).toBe(0);
        tls.close();
      },
    );
  });
}
