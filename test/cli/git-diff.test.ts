/** git diff, log and show with dv's text of pointers: files instead of digests. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRepo } from '../support/repo.ts';

/** A difference without the lines that hold ids of git. */
const withoutIds = (diff: string) => diff.replace(/^index .*\n/gm, '');

test('files that were added, removed or changed, with their sizes', async () => {
  await using repo = await testRepo(
    {
      'data/a': 'a1',
      'data/b': 'b1',
      'data/c': 'c1',
      'data/d': 'd1',
      'data/e\u001b[31m\n': 'e1',
      model: 'm',
    },
    { init: true },
  );
  await repo.dvOk('add', 'data', 'model');
  await repo.commit('one');
  repo.write('data/a', 'a longer one');
  repo.write('data/new/run.sh', '#!/bin/sh', { executable: true });
  repo.remove('data/d');
  await repo.dvOk('add', 'data');
  expect(withoutIds(await repo.git('diff', '--cached', '-U1'))).toMatchInlineSnapshot(`
    "diff --git a/data.dv b/data.dv
    --- a/data.dv
    +++ b/data.dv
    @@ -1,6 +1,6 @@
    -tree: 5 files, 10 B
    -a  2 B  f55ff16f
    +tree: 5 files, 27 B
    +a  12 B  fb84d14e
     b  2 B  7dc96f77
     c  2 B  d0f631ca
    -d  2 B  8b53639f
     e\\x0a  2 B  8b5cc4df
    +new/run.sh  9 B  3af71adb  executable
    "
  `);
  await repo.commit('two');
  expect(await repo.git('log', '-p', '--format=%s', '-U0', '--', 'model.dv')).toContain(
    '+file: 1 file, 1 B  62c66a7a\n',
  );
  expect(await repo.git('show', '--format=', 'HEAD')).toContain('+new/run.sh  9 B  3af71adb  executable\n');
  // A patch that others can apply holds the pointer itself.
  expect(await repo.git('format-patch', '--stdout', '-1')).toContain('+digest: sha256:');
});

test('where the list of files is not here: the pointer, and a line that says so', async () => {
  await using repo = await testRepo({ 'data/a': '1' }, { init: true });
  await repo.dvOk('add', 'data');
  await repo.commit('one');
  rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
  const shown = await repo.git('show', '--format=');
  expect(shown).toContain('+kind: tree\n');
  expect(shown).toContain("+# its list of files is not in this machine's cache: dv fetch\n");
});

test("other programs' files, broken pointers and conflicts are shown as they are", async () => {
  await using repo = await testRepo(
    {
      'notes.dv': 'plain text\n',
      'film.dv': new Uint8Array(70_000),
      'broken.dv': 'version: 1\nkind: heap\n',
    },
    { init: true },
  );
  await repo.commit('one');
  const shown = await repo.git('show', '--format=');
  expect(shown).toContain('+plain text\n');
  expect(shown).toMatch(/\+.*: 70000 bytes, not a pointer of dv\n/);
  expect(shown).toContain('+kind: heap\n');
});
