import { expect, test } from 'vitest';
import { testRepo } from '../support/repo.ts';

test('what keeps what is told with sizes, and removing is asked for', async () => {
  await using repo = await testRepo({ 'data/a.txt': 'one\n', 'data/b.txt': 'two\n' }, { init: true });
  await repo.dvOk('add', 'data');
  await repo.commit('data');
  await repo.git('checkout', '--quiet', '-b', 'side');
  repo.write('data/c.txt', 'three\n');
  await repo.dvOk('add', 'data');
  await repo.commit('more');
  await repo.git('checkout', '--quiet', 'main');
  expect((await repo.dvOk('gc')).stdout).toMatchInlineSnapshot(`
    "kept:
      3  168 B  needed by a workspace
      2  241 B  needed by branches, tags and other refs
    nothing to remove
    "
  `);
  await repo.git('branch', '--quiet', '--delete', '--force', 'side');
  await repo.git('reflog', 'expire', '--expire=now', '--all');
  expect((await repo.dvOk('gc')).stdout).toMatchInlineSnapshot(`
    "kept:
      3  168 B  needed by a workspace
      2  241 B  needed by nothing, but younger than 2 weeks
    nothing to remove
    "
  `);
  expect((await repo.dvOk('gc', '--older-than', 'now')).stdout).toMatchInlineSnapshot(`
    "kept:
      3  168 B  needed by a workspace
      2  241 B  needed by nothing, but no remote confirms to hold them
    dv push --all sends what branches need; dv gc --yes --force removes what exists only here
    nothing to remove
    "
  `);
  expect((await repo.dvOk('gc', '--older-than', 'now', '--force')).stdout).toMatchInlineSnapshot(`
    "kept:
      3  168 B  needed by a workspace
    could go: 2 objects (241 B)
    nothing was removed: this was a dry run; the same with --yes removes
    "
  `);
  expect((await repo.dvOk('gc', '--older-than', 'now', '--force', '--yes')).stdout).toMatchInlineSnapshot(`
    "kept:
      3  168 B  needed by a workspace
    removed 2 objects (241 B)
    "
  `);
  await repo.git('config', 'dv.gc.pruneExpire', 'yesterday');
  expect(await repo.dv('gc')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('expected an age'),
  });
  await repo.git('config', 'dv.gc.pruneExpire', '3.days.ago');
  expect((await repo.dvOk('gc')).stdout).toContain('nothing to remove');
  expect(await repo.dv('gc', '--grace', '1d')).toMatchObject({ status: 2 });
  expect(await repo.dv('gc', '--remote', '--force')).toMatchObject({ status: 2 });
});
