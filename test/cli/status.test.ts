import { expect, test } from 'vitest';
import { testRepo } from '../support/repo.ts';

test('status says what git has to commit, and --remote what is not pushed', async () => {
  await using repo = await testRepo({ 'd/1': 'one', 'd/2': 'two' }, { init: true });
  await repo.dvOk('remote', 'add', 'origin', repo.outside);
  await repo.git('commit', '-qam', 'remote');
  await repo.dvOk('add', 'd');
  expect(await repo.dv('status', '--check')).toEqual({
    status: 0,
    stdout: '1 path as recorded\nto be committed with git:\n  new      d\n',
    stderr: '',
  });
  await repo.commit('data');
  expect((await repo.dvOk('status')).stdout).toBe('1 path as recorded\n');
  const before = await repo.dv('status', '--remote', '--check');
  expect({ status: before.status, stdout: before.stdout.replaceAll(repo.outside, '<remote>') }).toEqual({
    status: 4,
    stdout: '1 path as recorded\nnot on <remote>: 2 files (6 B); dv push sends them\n',
  });
  await repo.dvOk('push');
  const after = JSON.parse((await repo.dvOk('status', '--remote', '--check', '--json')).stdout);
  expect(after.remote).toEqual({
    remote: repo.outside,
    objects: 0,
    files: 0,
    bytes: 0,
    requests: 1,
    upToDate: true,
  });
  expect((await repo.dvOk('status', '--remote', 'd')).stdout).toContain(`everything is on ${repo.outside}`);
});

test('a remote that cannot be asked does not keep the rest from being told', async () => {
  await using repo = await testRepo({ 'd/1': 'one' }, { init: true });
  await repo.dvOk('add', 'd');
  await repo.commit('data');
  repo.write('d/1', 'edited');
  const { status, stdout } = await repo.dv('status', '--remote');
  expect(status).toBe(2);
  expect(stdout).toContain('modified     d  ~1');
  expect(stdout).toContain('remote: this repository names no remote');
});
