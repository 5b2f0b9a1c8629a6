/** What a remote's settings put on the wire to Google Cloud Storage, seen by a server that only records. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type GcsSettings, openGcsRemote } from '../../remotes/gcs.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/git-folder.ts';
import { type RecordedRequest, recordingServer } from '../support/recording-server.ts';

const address = { bucket: 'bucket', prefix: 'p' };
const open = (settings: Partial<GcsSettings>) =>
  openGcsRemote(address, { url: 'gs://bucket/p', ...settings });

/** CRC-32C of three zero bytes, as GCS writes it. */
const crcOfThreeZeros = 'YGSjeg==';

const gcs = (url: () => string) => (request: RecordedRequest) => {
  const json = { 'content-type': 'application/json' };
  if (request.path.includes('uploadType=resumable')) return { headers: { location: `${url()}/session` } };
  if (request.path === '/session') return { headers: json, body: '{"size":"9437184"}' };
  if (request.method === 'GET' && /\/o\?/.test(request.path)) return { headers: json, body: '{"items":[]}' };
  return {
    headers: json,
    body: JSON.stringify({ name: 'p/a', size: '3', generation: '1', crc32c: crcOfThreeZeros }),
  };
};

let home: TemporaryFolder;
beforeEach(() => {
  home = temporaryFolder();
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  vi.stubEnv('CLOUDSDK_CONFIG', home.path);
  vi.stubEnv('HOME', home.path);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
});
afterEach(() => {
  vi.unstubAllEnvs();
  home[Symbol.dispose]();
});

test('a value goes with its checksum, its class, its key and who pays', async () => {
  await using server = await recordingServer(gcs(() => server.url));
  const remote = open({
    endpoint: server.url,
    userProject: 'payer',
    storageClass: 'NEARLINE',
    kmsKeyId: 'projects/x/locations/y/keyRings/z/cryptoKeys/k',
  });
  await remote.put('a', new Uint8Array(3));
  const [put] = server.requests;
  const text = put!.body.toString('latin1');
  expect(text).toContain('"storageClass":"NEARLINE"');
  const sent = /"crc32c":"([^"]+)"/.exec(text)?.[1];
  expect(sent).toBe(crcOfThreeZeros);
  expect(decodeURIComponent(put!.path)).toContain(
    'kmsKeyName=projects/x/locations/y/keyRings/z/cryptoKeys/k',
  );
  await remote.putStream('b', {
    sizeBytes: 9 << 20,
    async *read() {
      yield new Uint8Array(9 << 20);
    },
  });
  await remote.head('a');
  await remote.getRange('a', 0, 3);
  for await (const _ of remote.list(''));
  await remote.delete('a');
  const asked = server.requests.filter(({ path }) => path !== '/session');
  expect(asked.length).toBeGreaterThanOrEqual(6);
  for (const { path, method } of asked) expect(`${method} ${path}`).toContain('userProject=payer');
});

test('an endpoint without TLS, and an anonymous remote, get no token', async () => {
  await using server = await recordingServer(gcs(() => server.url));
  await open({ endpoint: server.url }).head('a');
  await open({ endpoint: server.url, anonymous: true }).head('a');
  expect(server.requests).toHaveLength(2);
  for (const { headers } of server.requests) expect(headers.authorization).toBeUndefined();
});
