/** What a remote's settings put on the wire, seen by a server that only records. Whether servers agree: test/servers/. */
import { writeFileSync } from 'node:fs';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { requireProfile } from '../../remotes/aws-profiles.ts';
import { openS3Remote } from '../../remotes/s3.ts';
import type { S3Settings } from '../../remotes/s3-client.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/git-folder.ts';
import { type RecordedRequest, recordingServer } from '../support/recording-server.ts';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const address = { bucket: 'bucket', prefix: 'p' };
const open = (settings: Partial<S3Settings>) =>
  openS3Remote(address, { url: 's3://bucket/p', region: 'eu-central-1', ...settings });

/** Answers as S3 does, as far as the driver looks. */
const s3 = ({ method, path }: RecordedRequest) => {
  if (path.includes('list-type=2'))
    return { body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' };
  if (path.includes('uploads')) return { body: '<R><UploadId>u</UploadId></R>' };
  if (path.includes('uploadId=u') && method === 'POST') return { body: '<R><ETag>"e"</ETag></R>' };
  return { headers: { etag: '"e"' } };
};
const source = (length: number) => ({
  sizeBytes: length,
  async *read() {
    yield new Uint8Array(length);
  },
});

/** Takes every request to the recording server, whatever host it is for, and notes that. */
function handlerTo(url: string, hosts: Set<string> = new Set()): NonNullable<S3Settings['requestHandler']> {
  const inner = new NodeHttpHandler();
  const handle: typeof inner.handle = (request, options) => {
    hosts.add(`${request.protocol}//${request.hostname}`);
    Object.assign(request, { protocol: 'http:', hostname: '127.0.0.1', port: Number(new URL(url).port) });
    return inner.handle(request, options);
  };
  return {
    handle,
    destroy: () => inner.destroy(),
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => ({}),
  };
}

let home: TemporaryFolder;
beforeEach(() => {
  home = temporaryFolder();
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_CONFIG_FILE', home.at('config'));
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', home.at('credentials'));
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => {
  vi.unstubAllEnvs();
  home[Symbol.dispose]();
});

test('encryption, storage class and requester pays go with every request they concern', async () => {
  await using server = await recordingServer(s3);
  const remote = open({
    endpoint: server.url,
    credentials,
    sse: 'aws:kms',
    kmsKeyId: 'alias/data',
    storageClass: 'STANDARD_IA',
    requesterPays: true,
  });
  await remote.put('a', new Uint8Array(3));
  await remote.putIfAbsent('b', new Uint8Array(3));
  await remote.putStream('c', source(9 << 20));
  const written = server.requests.filter(
    ({ method, path }) => (method === 'PUT' && !path.includes('partNumber')) || path.includes('uploads'),
  );
  expect(written).toHaveLength(3);
  for (const { headers } of written) {
    expect(headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'alias/data',
      'x-amz-storage-class': 'STANDARD_IA',
    });
  }
  await remote.head('a');
  await remote.get('a');
  await remote.delete('a');
  for await (const _ of remote.list(''));
  expect(server.requests.length).toBeGreaterThan(8);
  for (const { headers } of server.requests) expect(headers['x-amz-request-payer']).toBe('requester');
  await remote.close();
});

test('an endpoint is addressed by path and asked for no checksum it may not know, unless told otherwise', async () => {
  await using server = await recordingServer(s3);
  const remote = open({ endpoint: server.url, credentials });
  await remote.put('a', new Uint8Array(3));
  await remote.putStream('c', source(9 << 20));
  expect(server.requests[0]).toMatchObject({ path: '/bucket/p/a?x-id=PutObject' });
  for (const { headers } of server.requests) {
    expect(Object.keys(headers).filter((name) => /checksum|trailer|sdk-checksum/.test(name))).toEqual([]);
    expect(headers['x-amz-server-side-encryption']).toBeUndefined();
    expect(headers['x-amz-request-payer']).toBeUndefined();
  }
  await remote.close();
});

test('AWS itself gets the bucket as a host name and a checksum with every value and part', async () => {
  await using server = await recordingServer(s3);
  const hosts = new Set<string>();
  const remote = open({ credentials, requestHandler: handlerTo(server.url, hosts) });
  await remote.put('a', new Uint8Array(3));
  await remote.putStream('c', source(9 << 20));
  expect([...hosts]).toEqual(['https://bucket.s3.eu-central-1.amazonaws.com']);
  // A part's checksum is only kept when the upload was begun with its kind.
  const begun = server.requests.find(({ path }) => path.includes('uploads'));
  expect(begun!.headers['x-amz-checksum-algorithm']).toBe('CRC32');
  const bodies = server.requests.filter(({ method }) => method === 'PUT');
  expect(bodies).toHaveLength(3);
  for (const { headers } of bodies) expect(headers['x-amz-checksum-crc32']).toBeDefined();
  await remote.close();
});

test('without credentials, or told to, nothing is signed', async () => {
  await using server = await recordingServer(s3);
  await open({ endpoint: server.url }).get('a');
  await open({ endpoint: server.url, credentials, anonymous: true }).get('a');
  expect(server.requests).toHaveLength(2);
  for (const { headers } of server.requests) expect(headers.authorization).toBeUndefined();
});

test('a profile gives keys, region and endpoint; the environment is not changed by that', async () => {
  await using server = await recordingServer(s3);
  writeFileSync(
    home.at('config'),
    `[profile team]\nregion = us-west-2\nservices = lab\n[services lab]\ns3 =\n  endpoint_url = ${server.url}\n[default]\nregion = eu-west-1\n`,
  );
  writeFileSync(home.at('credentials'), '[team]\naws_access_key_id = TEAMKEY\naws_secret_access_key = x\n');
  const remote = openS3Remote(address, { url: 's3://bucket/p', profile: 'team' });
  await remote.put('a', new Uint8Array(3));
  expect(server.requests[0]).toMatchObject({ path: '/bucket/p/a?x-id=PutObject' });
  expect(server.requests[0]!.headers.authorization).toContain('Credential=TEAMKEY/');
  expect(server.requests[0]!.headers.authorization).toContain('/us-west-2/s3/');
  expect(process.env.AWS_PROFILE).toBeUndefined();
});

test('a profile that is not there, or has no keys, is no reason to go without', async () => {
  await using server = await recordingServer(s3);
  const remote = open({ endpoint: server.url, profile: 'nobody' });
  await expect(remote.get('a')).rejects.toMatchObject({ code: 'remote-refused' });
  expect(server.requests).toEqual([]);
});

test('a profile that nobody wrote is named, and no other source of credentials takes its place', async () => {
  await using server = await recordingServer(s3);
  writeFileSync(home.at('config'), '[profile team]\nregion = us-west-2\n# [profile nobody]\n');
  const asked = { endpoint: server.url, profile: 'nobody' };
  await expect(open(asked).get('a')).rejects.toMatchObject({
    code: 'remote-refused',
    details: {
      reason: expect.stringMatching(/^profile nobody is neither in .*config nor in .*credentials$/),
    },
  });
  // A folder in a file's place cannot be read: no profile there.
  const asFolder = { AWS_CONFIG_FILE: home.at('.'), AWS_SHARED_CREDENTIALS_FILE: home.at('none') };
  expect(() => requireProfile('team', asFolder)).toThrow('profile team is neither in');
  for (const header of ['[profile nobody]', '[ nobody ]', '[profile "nobody"]']) {
    writeFileSync(home.at('credentials'), `${header}\naws_access_key_id = KEY\naws_secret_access_key = x\n`);
    expect(() => requireProfile('nobody', process.env)).not.toThrow();
  }
  expect(server.requests).toEqual([]);
});

test('keys of the environment, of a process and of a container come through the client’s own chain', async () => {
  await using server = await recordingServer((request) =>
    request.path === '/creds'
      ? {
          body: JSON.stringify({
            AccessKeyId: 'CONTAINERKEY',
            SecretAccessKey: 'x',
            Token: 't',
            Expiration: new Date(Date.now() + 3_600_000).toISOString(),
          }),
        }
      : s3(request),
  );
  const keyUsed = async (settings: Partial<S3Settings> = {}) => {
    await open({ endpoint: server.url, ...settings }).get('a');
    return /Credential=(\w+)/.exec(server.requests.at(-1)!.headers.authorization ?? '')?.[1];
  };
  const printed = JSON.stringify({ Version: 1, AccessKeyId: 'PROCESSKEY', SecretAccessKey: 'x' });
  writeFileSync(home.at('config'), `[profile tool]\ncredential_process = printf '%s' '${printed}'\n`);
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${server.url}/creds`);
  expect(await keyUsed()).toBe('CONTAINERKEY');
  expect(server.requests.at(-1)!.headers['x-amz-security-token']).toBe('t');
  expect(await keyUsed({ profile: 'tool' })).toBe('PROCESSKEY');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'ENVKEY');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
  expect(await keyUsed()).toBe('ENVKEY');
});

test('a bucket in another region is found by the redirect', async () => {
  const regions: string[] = [];
  await using server = await recordingServer((request) => {
    const region = /\d{8}\/([a-z0-9-]+)\/s3/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    regions.push(region);
    return region === 'ap-south-1'
      ? { headers: { etag: '"e"' } }
      : {
          status: 301,
          headers: { 'x-amz-bucket-region': 'ap-south-1' },
          body: '<Error><Code>PermanentRedirect</Code></Error>',
        };
  });
  const remote = openS3Remote(address, {
    url: 's3://bucket/p',
    credentials,
    requestHandler: handlerTo(server.url),
  });
  await remote.put('a', new Uint8Array(3));
  expect(regions).toEqual(['us-east-1', 'ap-south-1']);
});
