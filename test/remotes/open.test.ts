import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildConfig } from '../../core/model/config.ts';
import { parseGitConfig } from '../../core/model/git-config.ts';
import { parseBucketUrl } from '../../remotes/address.ts';
import { openRemote, selectRemote } from '../../remotes/open.ts';
import { explainS3 } from '../../remotes/s3-errors.ts';

const configOf = (tracked: string, own = '') =>
  buildConfig([
    { file: '.dvconfig', tracked: true, entries: parseGitConfig(tracked, '.dvconfig') },
    { file: 'config', tracked: false, entries: parseGitConfig(own, 'config') },
  ]);

test('folders are taken from the top of the repository', async () => {
  const at = async (url: string) =>
    (await openRemote({ name: 'x', url, endpointFromRepository: false }, '/top/of')).url;
  expect(await at('../store')).toBe('../store');
  await expect(at('ftp://example.org/x')).rejects.toMatchObject({ code: 'remote-url' });
  await expect(at('file://other-host/x')).rejects.toMatchObject({ code: 'remote-url' });
  const relative = await openRemote(
    { name: 'x', url: 'missing/store', endpointFromRepository: false },
    join('/', 'top', 'of'),
  );
  await expect(relative.put('a', new Uint8Array(1))).rejects.toThrow('/top/of/missing');
});

test('a bucket and the folder in it', () => {
  expect(parseBucketUrl('s3://bucket')).toEqual({ bucket: 'bucket', prefix: '' });
  expect(parseBucketUrl('gs://my_bucket.example/a/b/')).toEqual({
    bucket: 'my_bucket.example',
    prefix: 'a/b',
  });
  for (const url of ['s3://', 's3://UPPER/x', 's3://b/a/../c', 's3://bucket/a?x=1', 's3://bucket/a#b']) {
    expect(() => parseBucketUrl(url)).toThrow(expect.objectContaining({ code: 'remote-url' }));
  }
});

test('the default remote, or the only one, or a question', () => {
  expect(() => selectRemote(configOf(''))).toThrow(expect.objectContaining({ code: 'no-remote' }));
  const one = configOf('[dv "remote.a"]\n\turl = /a\n');
  expect(selectRemote(one).name).toBe('a');
  const two = configOf('[dv "remote.a"]\n\turl = /a\n[dv "remote.b"]\n\turl = /b\n');
  expect(() => selectRemote(two)).toThrow('none is the default');
  expect(selectRemote(two, 'b').url).toBe('/b');
  expect(() => selectRemote(two, 'c')).toThrow(expect.objectContaining({ code: 'unknown-remote' }));
  expect(
    selectRemote(
      configOf('[dv "remote.a"]\n\turl = /a\n[dv "remote.b"]\n\turl = /b\n', '[dv]\n\tdefaultRemote = b\n'),
    ).name,
  ).toBe('b');
});

test('an endpoint only a tracked file names is not used before the user agreed to it', async () => {
  const tracked = '[dv "remote.a"]\n\turl = s3://bucket/x\n\tendpoint = https://s3.example.org\n';
  await expect(openRemote(selectRemote(configOf(tracked)), '/')).rejects.toMatchObject({
    code: 'remote-endpoint',
    hint: 'git config dv.remote.a.endpoint https://s3.example.org',
  });
  const agreed = '[dv "remote.a"]\n\tendpoint = https://s3.example.org\n';
  expect((await openRemote(selectRemote(configOf(tracked, agreed)), '/')).url).toBe('s3://bucket/x');
  // A tracked file that changes its mind afterwards is not followed.
  const changed = configOf(tracked.replace('s3.example', 'evil.example'), agreed);
  expect(selectRemote(changed).endpoint).toBe('https://s3.example.org');
});

test('failures of S3 say what they mean', () => {
  const context = { url: 's3://b/x', bucket: 'b', operation: 'write', anonymous: false } as const;
  const failure = (name: string, status?: number) =>
    Object.assign(new Error('words of the server'), { name, $metadata: { httpStatusCode: status } });
  const codeOf = (error: unknown) => (explainS3(error, context) as { code: string }).code;
  expect(codeOf(failure('AccessDenied', 403))).toBe('remote-refused');
  expect(codeOf(failure('ExpiredToken', 400))).toBe('remote-refused');
  expect(codeOf(failure('CredentialsProviderError'))).toBe('remote-refused');
  expect(codeOf(failure('NoSuchBucket', 404))).toBe('remote-missing-bucket');
  expect(codeOf(failure('SlowDown', 503))).toBe('remote-unreachable');
  expect(codeOf(failure('XMinioStorageFull', 507))).toBe('remote-full');
  expect(codeOf(Object.assign(new Error('getaddrinfo ENOTFOUND s3.example'), { code: 'ENOTFOUND' }))).toBe(
    'remote-unreachable',
  );
  expect(
    codeOf(Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })),
  ).toBe('remote-unreachable');
  expect((explainS3(failure('AccessDenied', 403), context) as Error).message).toContain('s3:PutObject');
  const bug = new TypeError('a bug');
  expect(explainS3(bug, context)).toBe(bug);
});
