import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DvError } from '../../../core/errors.ts';
import { buildConfig, type Config, type ConfigSource } from '../../../core/model/config.ts';
import { parseGitConfig } from '../../../core/model/git-config.ts';

const source = (file: string, text: string): ConfigSource => ({
  file,
  tracked: file === '.dvconfig',
  entries: parseGitConfig(text, file),
});
const tracked = (text: string) => source('.dvconfig', text);
const local = (text: string) => source('.git/config', text);

function refusal(...sources: ConfigSource[]): string {
  try {
    buildConfig(sources);
  } catch (error) {
    if (error instanceof DvError) return error.message;
    throw error;
  }
  return 'accepted';
}

test('without any setting the defaults stand', () => {
  expect(buildConfig([])).toEqual({
    remotes: new Map(),
    defaultRemote: undefined,
    cacheDir: undefined,
    link: ['reflink', 'copy'],
    jobs: undefined,
    autostage: true,
    sharedPermissions: undefined,
    hooks: new Map(),
    gc: { pruneExpireMs: 14 * 86_400_000, remoteGraceMs: 7 * 86_400_000 },
    lockTimeoutMs: 30_000,
    unpackLimit: 100,
  } satisfies Config);
});

test('every setting is taken from where it may stand', () => {
  const config = buildConfig([
    tracked(`[dv]
  defaultRemote = origin
  jobs = 4
  autostage = off
[dv "cache"]
  link = hardlink, copy
[dv "hooks"]
  post-checkout = false
  pre-push
[dv "remote.origin"]
  url = s3://bucket/prefix
  endpoint = https://minio.example:9000
  region = eu-central-1
  profile = team
[dv "remote.nas"]
  url = /mnt/nas/dv
`),
    local('[dv "cache"]\n dir = /big/cache\n[dv]\n unknown = kept by somebody else\n[user]\n name = x\n'),
  ]);
  expect(config).toEqual({
    remotes: new Map([
      [
        'origin',
        {
          name: 'origin',
          url: 's3://bucket/prefix',
          endpoint: 'https://minio.example:9000',
          region: 'eu-central-1',
          profile: 'team',
          endpointFromRepository: true,
        },
      ],
      ['nas', { name: 'nas', url: '/mnt/nas/dv', endpointFromRepository: false }],
    ]),
    defaultRemote: 'origin',
    cacheDir: '/big/cache',
    link: ['hardlink', 'copy'],
    jobs: 4,
    autostage: false,
    sharedPermissions: undefined,
    hooks: new Map([
      ['post-checkout', false],
      ['pre-push', true],
    ]),
    gc: { pruneExpireMs: 14 * 86_400_000, remoteGraceMs: 7 * 86_400_000 },
    lockTimeoutMs: 30_000,
    unpackLimit: 100,
  } satisfies Config);
});

test('a later source wins, setting by setting', () => {
  const environment: ConfigSource = {
    file: 'environment',
    tracked: false,
    entries: [{ key: 'dv.jobs', value: '7', line: 0 }],
  };
  const config = buildConfig([
    tracked('[dv]\njobs = 1\nautostage = no\n[dv "remote.a"]\nurl = s3://one\nregion = eu-west-1\n'),
    local('[dv]\njobs = 2\nautostage = yes\n[dv "remote.a"]\nurl = s3://two\n'),
    environment,
  ]);
  expect(config).toMatchObject({ jobs: 7, autostage: true });
  expect(config.remotes.get('a')).toMatchObject({ url: 's3://two', region: 'eu-west-1' });
});

test('an endpoint that only the repository names is marked, until the user names it', () => {
  const fromRepository = tracked('[dv "remote.a"]\nurl = s3://b\nendpoint = https://evil.example\n');
  const endpointOf = (...sources: ConfigSource[]) =>
    buildConfig(sources).remotes.get('a')?.endpointFromRepository;
  expect(endpointOf(fromRepository)).toBe(true);
  expect(endpointOf(fromRepository, local('[dv "remote.a"]\nendpoint = https://ours.example\n'))).toBe(false);
  expect(endpointOf(fromRepository, local('[dv "remote.a"]\nprofile = me\n'))).toBe(true);
});

test('the only remote is the default; of several, none is; an empty name takes the choice back', () => {
  const remote = (name: string) => `[dv "remote.${name}"]\nurl = s3://${name}\n`;
  expect(buildConfig([tracked(remote('a'))]).defaultRemote).toBe('a');
  expect(buildConfig([tracked(remote('a') + remote('b'))]).defaultRemote).toBeUndefined();
  const chosen = tracked(`${remote('a')}${remote('b')}[dv]\ndefaultRemote = b\n`);
  expect(buildConfig([chosen]).defaultRemote).toBe('b');
  expect(buildConfig([chosen, local('[dv]\ndefaultRemote =\n')]).defaultRemote).toBeUndefined();
});

test('an empty cache folder is none, not the top of the repository', () => {
  expect(
    buildConfig([local('[dv "cache"]\ndir = /x\n'), local('[dv "cache"]\ndir =\n')]).cacheDir,
  ).toBeUndefined();
});

test('an empty value takes back what the repository says of a remote', () => {
  const said = tracked(
    '[dv "remote.a"]\nurl = s3://b\nendpoint = https://evil.example\nregion = eu-west-1\n',
  );
  const taken = local('[dv "remote.a"]\nendpoint =\nregion =\n');
  expect(buildConfig([said, taken]).remotes.get('a')).toEqual({
    name: 'a',
    url: 's3://b',
    endpointFromRepository: false,
  });
  expect(buildConfig([said, local('[dv "remote.a"]\nurl =\n')]).remotes.size).toBe(0);
});

test('a remote without a URL is left out', () => {
  expect(buildConfig([local('[dv "remote.a"]\nregion = eu-west-1\n')]).remotes.size).toBe(0);
});

describe('.dvconfig', () => {
  test('may not say what anybody who can push must not decide; every problem is told at once', () => {
    const text = `[core]
  hooksPath = /tmp/evil
[include]
  path = /etc/passwd
[dv]
  jbos = 4
  password = hunter2
  post-checkout = rm -rf
[dv "cache"]
  dir = /home/you
[dv "remote.origin"]
  url = s3://bucket
  secretAccessKey = abc
  sessionToken = abc
  credentialProcess = evil
  command = evil
[dv "remote.b"]
  url = https://user:pass@host/x
  endpoint = https://me@host
[dv "hooks"]
  post-chekout = off
[dv "hooks.x"]
  post-checkout = off
[dv "Cache"]
  link = copy
`;
    expect(refusal(tracked(text))).toMatchInlineSnapshot(`
      ".dvconfig:2 core.hookspath: expected settings in sections [dv …] only
      .dvconfig:4 include.path: expected settings in sections [dv …] only
      .dvconfig:6 dv.jbos: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:7 dv.password: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:8 dv.post-checkout: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:10 dv.cache.dir: a tracked file may not choose where on this machine data is written: use git config dv.cache.dir
      .dvconfig:13 dv.remote.origin.secretaccesskey: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:14 dv.remote.origin.sessiontoken: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:15 dv.remote.origin.credentialprocess: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:16 dv.remote.origin.command: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:18 dv.remote.b.url: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:19 dv.remote.b.endpoint: a secret does not belong in a tracked file: use git config, a profile or the environment
      .dvconfig:21 dv.hooks.post-chekout: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:23 dv.hooks.x.post-checkout: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:25 dv.Cache.link: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)"
    `);
    // The user's own settings may hold what is somebody else's.
    expect(refusal(local(text))).toBe('accepted');
  });

  test('key of a remote is no secret only because the remote is called so', () => {
    expect(refusal(tracked('[dv "remote.keyboards"]\nurl = s3://b\n'))).toBe('accepted');
  });
});

test('values that cannot be are refused wherever they stand', () => {
  const text = `[dv]
  jobs = 0
  jobs = 1e3
  jobs = -1
  jobs = 2000
  jobs = 4k
  jobs
  autostage = maybe
  defaultRemote
[dv "cache"]
  link =
  link = copy,softlink
  dir
[dv "hooks"]
  pre-push = later
[dv "remote.a"]
  url
  region = eu.evil.example/
  region = "x#"
  endpoint = minio:9000
  endpoint = file:///etc
  endpoint = https://
[dv "remote...//x"]
  url = s3://b
[dv "remote.a/b"]
  url = s3://b
[dv "remote."]
  url = s3://b
`;
  expect(refusal(local(text))).toMatchInlineSnapshot(`
    ".git/config:2 dv.jobs: expected a whole number from 1 to 1024, found "0"
    .git/config:3 dv.jobs: expected a whole number from 1 to 1024, found "1e3"
    .git/config:4 dv.jobs: expected a whole number from 1 to 1024, found "-1"
    .git/config:5 dv.jobs: expected a whole number from 1 to 1024, found "2000"
    .git/config:6 dv.jobs: expected a whole number from 1 to 1024, found "4k"
    .git/config:7 dv.jobs: expected a whole number from 1 to 1024, found "true"
    .git/config:8 dv.autostage: expected true or false, found "maybe"
    .git/config:9 dv.defaultremote: expected the name of a remote
    .git/config:11 dv.cache.link: expected a list of reflink, copy, hardlink, symlink, found ""
    .git/config:12 dv.cache.link: expected a list of reflink, copy, hardlink, symlink, found "copy,softlink"
    .git/config:13 dv.cache.dir: expected a folder
    .git/config:15 dv.hooks.pre-push: expected on or off, found "later"
    .git/config:17 dv.remote.a.url: expected a value
    .git/config:18 dv.remote.a.region: expected a region such as eu-central-1, found "eu.evil.example/"
    .git/config:19 dv.remote.a.region: expected a region such as eu-central-1, found "x#"
    .git/config:20 dv.remote.a.endpoint: expected a URL that begins with https:// or http://
    .git/config:21 dv.remote.a.endpoint: expected a URL that begins with https:// or http://
    .git/config:22 dv.remote.a.endpoint: expected a URL that begins with https:// or http://
    .git/config:24 dv.remote...//x.url: expected a remote's name of letters, digits, - and _, found "..//x"
    .git/config:26 dv.remote.a/b.url: expected a remote's name of letters, digits, - and _, found "a/b"
    .git/config:28 dv.remote..url: expected a remote's name of letters, digits, - and _, found """
  `);
  expect(
    refusal({ file: 'environment', tracked: false, entries: [{ key: 'dv.jobs', value: 'x', line: 0 }] }),
  ).toBe('environment dv.jobs: expected a whole number from 1 to 1024, found "x"');
});

test('any entry of the user’s own config is taken or told about, never a crash', () => {
  const key = fc
    .array(fc.constantFrom('dv', 'remote', 'cache', 'hooks', 'url', 'dir', 'link', 'jobs', '', '..', 'a/b'), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join('.'));
  const entry = fc.record({ key, value: fc.string(), line: fc.nat() });
  fc.assert(
    fc.property(fc.array(entry), fc.boolean(), (entries, isTracked) => {
      let config: Config;
      try {
        config = buildConfig([{ file: 'x', tracked: isTracked, entries }]);
      } catch (error) {
        expect(error).toBeInstanceOf(DvError);
        return;
      }
      for (const name of config.remotes.keys()) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]*$/);
    }),
    { numRuns: 500 },
  );
});
