import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mainScript, testRepo } from '../support/repo.ts';

test('the command printed after a forced checkout brings the edit back, from a subfolder too', async () => {
  await using repo = await testRepo({ "d/it's a file": 'one', 'd/x': 'x' }, { init: true });
  await repo.dvOk('add', 'd');
  await repo.commit('data');
  for (const folder of ['.', 'd']) {
    repo.write("d/it's a file", 'mine');
    const { stdout } = await repo.dvOk('-C', folder, 'restore', '.');
    expect(repo.read("d/it's a file")).toBe('one');
    const line = stdout.split('\n').find((each) => each.includes('dv restore --object'))!;
    const { status } = await repo.run(
      'bash',
      ['-c', `dv() { "${process.execPath}" "${mainScript}" "$@"; }; ${line}`],
      {
        cwd: folder,
      },
    );
    expect({ status, now: repo.read("d/it's a file") }).toEqual({ status: 0, now: 'mine' });
  }
});

test('words, statuses and JSON', async () => {
  await using repo = await testRepo({ 'd/a/1': 'one', 'd/b/2': 'two' }, { init: true });
  await repo.dvOk('add', 'd');
  await repo.commit('data');
  repo.remove('d/a');
  const { stdout } = await repo.dvOk('restore', 'd/a', '--json');
  expect(JSON.parse(stdout)).toEqual({
    changed: [{ path: 'd', created: 1, replaced: 0, deleted: 0 }],
    kept: [],
    saved: [],
    savedTogether: [],
    missing: [],
    failures: [],
  });
  expect((await repo.dvOk('restore', 'd')).stdout).toBe('everything there is as recorded\n');
  expect(await repo.dv('restore')).toMatchObject({ status: 2 });
  expect(await repo.dv('restore', 'd/nope')).toMatchObject({
    status: 2,
    stderr: 'dv: the pointer of d records nothing at d/nope\nhint: dv log -- d/nope\n',
  });
  repo.write('d/a/1', 'mine');
  const forced = await repo.dvOk('checkout', '--force');
  const digits = /--object ([0-9a-f]{16}) d\/a\/1$/m.exec(forced.stdout)![1]!;
  const out = join(repo.outside, 'saved');
  expect(await repo.dv('restore', '--object', digits, '--out', out)).toMatchObject({ status: 0 });
  expect(await repo.dv('restore', '--object', digits, '--out', out)).toMatchObject({ status: 4 });
  expect((await repo.run('cat', [out])).stdout).toBe('mine');
  expect(await repo.dv('restore', '--object', '00000000', 'x')).toMatchObject({ status: 12 });
});
