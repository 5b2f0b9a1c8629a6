import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { type GetResult, get } from '../../../core/ops/get.ts';
import { configAt, trustedEndpoints, trustRemote } from '../../../core/ops/other-remote.ts';
import { push } from '../../../core/ops/push.ts';
import { objectPath } from '../../../core/store/cache.ts';
import { openGit } from '../../../core/store/git.ts';
import { openHistory } from '../../../core/store/history.ts';
import { openOtherRepository } from '../../../core/store/other-repository.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addPaths, someFiles, writeAll } from '../../support/data.ts';
import { noise, watched } from '../../support/data-world.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

const files = {
  'data/train/cats/1': 'one',
  'data/train/cats/2': 'two',
  'data/train/dogs/1': 'wuff',
  'data/labels.csv': 'a,b',
  'data/README': 'about',
  'models/params.yaml': 'lr: 1',
};

/** Tag `v1`, and a commit after it in which `cats/1` differs. */
async function world(): Promise<TestRepo> {
  const repo = await testRepo(files);
  await addPaths(repo, 'data/train', 'data/labels.csv');
  await repo.commit('one');
  await repo.git('tag', 'v1');
  repo.write('data/train/cats/1', 'ONE');
  await addPaths(repo, 'data/train');
  await repo.commit('two');
  return repo;
}

/** Gets from a repository at a revision, as `dv get --rev` does. */
async function getFrom(
  repo: TestRepo,
  path: string,
  options: { rev?: string; out?: string; remote?: Remote } = {},
): Promise<GetResult> {
  const open = repo.open();
  await using history = await openHistory(open);
  const { id: commit } = await history.resolve(options.rev ?? 'HEAD');
  const openRemote = async () => options.remote ?? openMemoryRemote();
  const source = { history, commit, name: 'HEAD', caches: [], openRemote };
  const target = options.out ?? join(repo.outside, 'out');
  return await get([{ path: path as RepoPath, target }], { source, cache: open });
}

const outside = (repo: TestRepo, path = 'out') => repo.tree(`../outside/${path}`);
const names = (tree: Record<string, string>) =>
  Object.keys(tree).map((path) => path.replace('../outside/', ''));

test('a tracked folder, a subfolder, a file in it, a tracked file, at any revision', async () => {
  await using repo = await world();
  const at = (name: string) => join(repo.outside, name);
  const result = await getFrom(repo, 'data/train', { rev: 'v1', out: at('train') });
  expect(result).toEqual({
    got: [{ path: 'data/train', target: at('train'), files: 3, bytes: 10 }],
    fetched: { files: 0, bytes: 0 },
  });
  expect(names(outside(repo, 'train'))).toEqual(['train/cats/1', 'train/cats/2', 'train/dogs/1']);
  expect(repo.read('../outside/train/cats/1')).toBe('one');
  await getFrom(repo, 'data/train/cats', { out: at('cats') });
  expect(names(outside(repo, 'cats'))).toEqual(['cats/1', 'cats/2']);
  await getFrom(repo, 'data/train/cats/1', { out: at('deep/er/file') });
  expect(repo.read('../outside/deep/er/file')).toBe('ONE');
  await getFrom(repo, 'data/labels.csv', { out: at('labels') });
  expect(repo.read('../outside/labels')).toBe('a,b');
});

test('files of git, and a folder with both, as a checkout has it', async () => {
  await using repo = await world();
  await getFrom(repo, 'models/params.yaml', { out: join(repo.outside, 'params') });
  expect(repo.read('../outside/params')).toBe('lr: 1');
  await getFrom(repo, 'data');
  expect(names(outside(repo))).toEqual([
    'out/README',
    'out/labels.csv',
    'out/train/cats/1',
    'out/train/cats/2',
    'out/train/dogs/1',
  ]);
});

test('nothing is overwritten, and what is not there is named', async () => {
  await using repo = await world();
  repo.write('../outside/out', 'mine');
  await expect(getFrom(repo, 'data/train')).rejects.toMatchObject({ code: 'target-exists' });
  expect(repo.read('../outside/out')).toBe('mine');
  const out = join(repo.outside, 'new');
  for (const path of ['nope', 'data/train/nope', 'data/labels.csv/x'])
    await expect(getFrom(repo, path, { out })).rejects.toMatchObject({ code: 'path-not-recorded' });
  expect(repo.exists('../outside/new')).toBe(false);
});

test('from the remote comes only what is asked for and the cache lacks', async () => {
  await using repo = await testRepo();
  writeAll(repo, someFiles('d', 300));
  for (let i = 0; i < 20; i++) repo.write(`d/big/${i}`, noise(i, 300_000));
  repo.write('f.bin', noise('f', 5000));
  await addPaths(repo, 'd', 'f.bin');
  await repo.commit('data');
  const memory = openMemoryRemote();
  await push(repo.open(), memory);
  rmSync(repo.open().objectsDir, { recursive: true });
  const calls: string[] = [];
  const remote = watched(memory, ({ name, key }) => void calls.push(`${name} ${key.split('/')[0]}`));
  const one = await getFrom(repo, 'd/big/7', { remote });
  expect(one.fetched).toEqual({ files: 1, bytes: 300_000 });
  expect(repo.readBytes('../outside/out')).toEqual(noise(7, 300_000));
  expect(calls.filter((call) => call.startsWith('list'))).toEqual([]);
  expect(calls.length).toBeLessThan(8);
  const folder = await getFrom(repo, 'd/class-1', { remote, out: join(repo.outside, 'class') });
  expect(folder.fetched).toEqual({ files: 100, bytes: expect.any(Number) });
  const file = await getFrom(repo, 'f.bin', { remote, out: join(repo.outside, 'f') });
  expect(file.fetched).toEqual({ files: 1, bytes: 5000 });
});

test('names that look like patterns mean themselves', async () => {
  await using repo = await testRepo({ 'd/a[1].png': 'x', 'd/a1.png': 'y', 'd/*/s': 'z' });
  await addPaths(repo, 'd');
  await repo.commit('data');
  const remote = openMemoryRemote();
  await push(repo.open(), remote);
  rmSync(repo.open().objectsDir, { recursive: true });
  expect((await getFrom(repo, 'd/a[1].png', { remote })).fetched.files).toBe(1);
  expect(repo.read('../outside/out')).toBe('x');
  await getFrom(repo, 'd/*', { remote, out: join(repo.outside, 'star') });
  expect(names(outside(repo, 'star'))).toEqual(['star/s']);
});

test('data that is nowhere is named, and nothing is left behind', async () => {
  await using repo = await world();
  const path = objectPath(repo.open(), digestOf('two'));
  rmSync(path, { force: true });
  await expect(getFrom(repo, 'data/train')).rejects.toMatchObject({
    code: 'data-missing',
    details: { paths: ['data/train/cats/2'] },
  });
  expect(outside(repo, '')).toEqual({});
  await getFrom(repo, 'data/train/dogs');
  expect(names(outside(repo))).toEqual(['out/1']);
});

test('links stay inside what is got, or are refused', async () => {
  await using repo = await testRepo({ 'd/a/file': 'x' });
  symlinkSync('file', join(repo.root, 'd/a/near'));
  symlinkSync('../a/file', join(repo.root, 'd/a/far'));
  await addPaths(repo, 'd');
  symlinkSync('/etc/passwd', join(repo.root, 'evil'));
  await repo.commit('data');
  await getFrom(repo, 'd');
  expect(outside(repo)).toMatchObject({
    '../outside/out/a/near': '-> file',
    '../outside/out/a/far': '-> ../a/file',
  });
  const out = join(repo.outside, 'other');
  await expect(getFrom(repo, 'd/a', { out })).rejects.toMatchObject({ code: 'some-failed' });
  await expect(getFrom(repo, 'evil', { out })).rejects.toMatchObject({ code: 'unsafe-link' });
  expect(repo.exists('../outside/other')).toBe(false);
});

test('a broken pointer elsewhere is no obstacle', async () => {
  await using repo = await world();
  repo.write('broken.dv', 'version: 1\nkind: what\n');
  await repo.commit('broken');
  await getFrom(repo, 'data/labels.csv');
  expect(repo.read('../outside/out')).toBe('a,b');
});

/** Opens another repository as `dv get --repo` does. */
const openOther = (repo: TestRepo, url: string, revision?: string) =>
  openOtherRepository({
    url,
    revision,
    cwd: repo.outside,
    env: repo.env,
    signal: new AbortController().signal,
  });

test.each([undefined, 'main', 'v1', 'signed', 'HEAD~1', 'refs/heads/main'])(
  'another repository at %s',
  async (revision) => {
    await using repo = await world();
    await repo.git('tag', '-a', 'signed', '-m', 'signed', 'v1');
    await using other = await openOther(repo, `file://${repo.root}`, revision);
    expect(other.commit.id).toBe((await repo.git('rev-parse', `${revision ?? 'HEAD'}^{commit}`)).trim());
    const [text] = await other.history.readFiles([{ commit: other.commit.id, path: 'models/params.yaml' }]);
    expect(text?.toString()).toBe('lr: 1');
  },
);

test('another repository by full and short commit ids, and a large file of git', async () => {
  await using repo = await world();
  repo.write('large.txt', 'x'.repeat(200_000));
  const id = await repo.commit('large');
  await repo.git('config', 'uploadpack.allowFilter', 'true');
  for (const revision of [id, id.slice(0, 10)]) {
    await using other = await openOther(repo, repo.root, revision);
    const [text] = await other.history.readFiles([{ commit: other.commit.id, path: 'large.txt' }]);
    expect(text?.length).toBe(200_000);
  }
});

test('hooks, filters and programs as transports of another repository do not run', async () => {
  await using repo = await world();
  const ran = join(repo.outside, 'ran');
  for (const hook of ['post-checkout', 'reference-transaction', 'post-update', 'pre-auto-gc'])
    repo.write(`../home/hooks/${hook}`, `#!/bin/sh\necho ${hook} >> ${ran}\n`, { executable: true });
  await repo.git('config', '--global', 'core.hooksPath', join(repo.home, 'hooks'));
  await repo.git('config', '--global', 'protocol.ext.allow', 'always');
  await repo.git('config', 'filter.x.smudge', `touch ${ran}`);
  repo.write('.gitattributes', '* filter=x\n');
  rmSync(ran, { force: true });
  {
    await using other = await openOther(repo, repo.root);
    expect(other.commit.subject).toBe('two');
  }
  expect(repo.exists('../outside/ran')).toBe(false);
  for (const url of [`ext::sh -c "touch ${ran}"`, 'fd::3', '--upload-pack=touch', 'a\nb'])
    await expect(openOther(repo, url)).rejects.toMatchObject({ code: 'usage' });
  await repo.git('config', '--global', 'url.ext::sh.insteadOf', 'https://x');
  await expect(openOther(repo, 'https://x')).rejects.toMatchObject({ code: 'source-unreachable' });
  expect(repo.exists('../outside/ran')).toBe(false);
});

test('what cannot be read says so, and secrets are not repeated', async () => {
  await using repo = await world();
  await expect(openOther(repo, repo.root, 'nope')).rejects.toMatchObject({ code: 'unknown-revision' });
  await expect(openOther(repo, join(repo.outside, 'none'))).rejects.toMatchObject({
    code: 'source-unreachable',
  });
  const failure = await openOther(repo, 'http://me:secret@127.0.0.1:9/x.git').catch((error: Error) => error);
  expect(failure).toMatchObject({ code: 'source-unreachable' });
  expect(String(failure)).not.toContain('secret');
});

test('an endpoint another repository names is used only once the user has agreed', async () => {
  await using repo = await testRepo({
    '.dvconfig': '[dv "remote.origin"]\n\turl = s3://bucket/x\n\tendpoint = https://evil.example\n',
  });
  const commit = await repo.commit('config');
  await using history = await openHistory(repo.open());
  const remote = (await configAt(history, commit, 'there')).remotes.get('origin')!;
  const trusted = () => trustedEndpoints(openGit(repo.outside, repo.env));
  expect(() => trustRemote(remote, trusted())).toThrow('your credentials go there only after');
  await repo.git('config', '--global', '--add', 'dv.trustedEndpoint', 'https://evil.example');
  expect(trustRemote(remote, trusted())).toMatchObject({ endpointFromRepository: false });
});
