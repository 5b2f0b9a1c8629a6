import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mainScript, testRepo } from '../support/repo.ts';

const withoutTimes = (text: string) => text.replace(/\d+ ms/g, '<n> ms');

test('a remote is added for everybody, checked, listed and forgotten', async () => {
  await using repo = await testRepo({ 'sub/readme.md': 'x' });
  const added = await repo.run(process.execPath, [mainScript, 'remote', 'add', 'nas', '../../outside/nas'], {
    cwd: 'sub',
  });
  expect(added).toMatchObject({ status: 0, stdout: 'added nas: ../outside/nas (in .dvconfig; commit it)\n' });
  expect(repo.read('.dvconfig')).toBe('[dv "remote.nas"]\n\turl = ../outside/nas\n');
  expect(await repo.git('diff', '--cached', '--name-only')).toBe('.dvconfig\n');
  expect(withoutTimes((await repo.dvOk('remote', 'check')).stdout)).toMatchInlineSnapshot(`
    "../outside/nas works; nothing has been pushed to it yet
      ok      read        <n> ms
      ok      write       <n> ms
      ok      write once  <n> ms
      ok      read back   <n> ms
      ok      list        <n> ms
      ok      delete      <n> ms
    "
  `);
  await repo.dvOk('remote', 'add', 'own', join(repo.outside, 'own'), '--local');
  expect((await repo.dvOk('remote', 'list')).stdout).toBe(
    `  nas  ../outside/nas\n  own  ${repo.outside}/own\n`,
  );
  expect(await repo.dv('push')).toMatchObject({ status: 2 });
  await repo.dvOk('remote', 'set-default', 'own', '--local');
  expect((await repo.dvOk('remote', 'list')).stdout).toContain('* own');
  await repo.dvOk('remote', 'remove', 'own');
  await repo.dvOk('remote', 'remove', 'nas');
  expect((await repo.dvOk('remote', 'list')).stdout).toContain('no remotes');
  expect(readFileSync(join(repo.root, '.git', 'config'), 'utf8')).not.toContain('dv');
});

test('what cannot be a remote is refused, with its secrets left out', async () => {
  await using repo = await testRepo({ 'readme.md': 'x' });
  for (const url of [
    's3://key:hunter2@bucket/x',
    'https://ada:hunter2@example.org/x',
    'ftp://example.org/x',
    's3://',
    's3://b/../x',
  ]) {
    const outcome = await repo.dv('remote', 'add', 'bad', url);
    expect(outcome.status).toBe(2);
    expect(outcome.stderr + outcome.stdout).not.toContain('hunter2');
  }
  expect(await repo.dv('remote', 'add', '../up', 'folder')).toMatchObject({ status: 2 });
  expect(await repo.dv('remote', 'remove', 'nobody')).toMatchObject({ status: 2 });
  expect(await repo.dv('push', '--remote', 'nobody')).toMatchObject({ status: 2 });
  expect(repo.exists('.dvconfig')).toBe(false);
  const none = await repo.dv('push');
  expect(none.status).toBe(2);
  expect(none.stderr).toContain('dv remote add');
});

test('credentials do not follow an endpoint that only a tracked file names', async () => {
  await using repo = await testRepo({
    'data/a': 'a',
    '.dvconfig': '[dv "remote.evil"]\n\turl = s3://bucket/x\n\tendpoint = http://127.0.0.1:9\n',
  });
  await repo.dvOk('add', 'data');
  const outcome = await repo.dv('push');
  expect(outcome.status).toBe(13);
  expect(outcome.stderr).toContain('git config dv.remote.evil.endpoint http://127.0.0.1:9');
});

test('push says what it sent, pull what it brought, each with its exit status', async () => {
  await using repo = await testRepo({ 'data/a.txt': 'a', 'data/b.txt': 'bb' });
  await repo.dvOk('remote', 'add', 'store', '../outside/store');
  await repo.dvOk('add', 'data');
  await repo.commit('data');
  expect((await repo.dvOk('push', '--dry-run')).stdout).toBe(
    'would push 2 files (3 B) in 1 pack to ../outside/store\n',
  );
  expect(await repo.dv('pull')).toMatchObject({ status: 0, stdout: 'everything is in the cache already\n' });
  const clone = join(repo.outside, 'clone');
  await repo.git('clone', '--quiet', repo.root, clone);
  await repo.git('-C', clone, 'config', 'dv.remote.store.url', join(repo.outside, 'store'));
  const early = await repo.dv('-C', clone, 'pull');
  expect(early).toMatchObject({ status: 12 });
  expect((await repo.dvOk('push')).stdout).toBe('pushed 2 files (3 B) in 1 pack to ../outside/store\n');
  expect((await repo.dvOk('push')).stdout).toBe('everything is on ../outside/store already\n');
  expect(JSON.parse((await repo.dvOk('push', '--json')).stdout)).toMatchObject({
    remote: '../outside/store',
    objects: 0,
    bytes: 0,
    packs: 0,
    requests: 1,
    upToDate: true,
  });
  expect((await repo.dvOk('-C', clone, 'pull')).stdout).toBe(
    `fetched 2 files (3 B) from ${repo.outside}/store\ndata  +2\n`,
  );
  expect(readFileSync(join(clone, 'data', 'b.txt'), 'utf8')).toBe('bb');
  await repo.dvOk('fetch', '--all');
});
