/** What a cloned repository may hold to do harm: nothing of it reaches out of the workspace or into `.git`. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf, hexOf } from '../../core/model/digest.ts';
import { CacheWriter } from '../../core/store/cache-writer.ts';
import { type TestRepo, testRepo } from '../support/repo.ts';

/** Puts objects into the cache as they are, which dv itself would never make. */
async function putRaw(repo: TestRepo, ...contents: (string | Uint8Array)[]): Promise<void> {
  const writer = new CacheWriter(repo.open());
  for (const content of contents) writer.put(Buffer.from(content));
  await writer.commit();
  writer.discard();
}

/** A tree with these lines (size, mode, path), each entry's content being `harm`, and a pointer `name` to it. */
async function putTree(repo: TestRepo, name: string, lines: readonly string[], content = 'harm') {
  const tree = `dv-tree 1\n${lines.map((line) => `${hexOf(digestOf(content))} ${line}\n`).join('')}`;
  await putRaw(repo, tree, content);
  const bytes = lines.reduce((sum, line) => sum + Number.parseInt(line, 10), 0);
  repo.write(
    name,
    `version: 1\nkind: tree\ndigest: ${digestOf(tree)}\nfiles: ${lines.length}\nbytes: ${bytes}\n`,
  );
}

describe('a tree with a path that leads elsewhere is refused by name', () => {
  test.each([
    ['../harm', 'it has a part `.` or `..`'],
    ['/etc/harm', 'it is absolute'],
    ['a/../../harm', 'it has a part `.` or `..`'],
    ['.git/hooks/post-checkout', 'it has a part that names .git'],
    ['x/.GIT/config', 'it has a part that names .git'],
    ['git~1/config', 'it has a part that names .git'],
    ['.git::$INDEX_ALLOCATION/config', 'it has a part that names .git'],
    ['.git. ./config', 'it has a part that names .git'],
    ['.g\u200cit/config', 'it has a part that names .git'],
    ['a\\..\\..\\harm', 'Windows'],
  ])('%j', async (path, why) => {
    await using repo = await testRepo({ keep: 'k' });
    await putTree(repo, 'data.dv', [`4 - ${path}`]);
    const before = [repo.tree(), readdirSync(repo.root), readdirSync(join(repo.root, '.git'))];
    const { status, stderr } = await repo.dv('checkout');
    expect({ status, said: stderr.includes(why) }).toEqual({ status: 2, said: true });
    expect([
      repo.tree(),
      readdirSync(repo.root),
      readdirSync(join(repo.root, '.git')).filter((n) => n !== 'dv'),
    ]).toEqual([before[0], before[1], (before[2] as string[]).filter((name) => name !== 'dv')]);
    expect(readdirSync(repo.outside)).toEqual([]);
  });
});

test('a pointer whose name stands for something else than data is refused', async () => {
  await using repo = await testRepo();
  for (const name of ['.git.dv', '...dv', 'sub/.GIT.dv', 'sub/git~1.dv']) {
    await putRaw(repo, 'harm');
    repo.write(name, `version: 1\nkind: file\ndigest: ${digestOf('harm')}\nbytes: 4\n`);
    const { status, stderr } = await repo.dv('checkout');
    expect([name, status, stderr]).toEqual([name, 2, expect.stringContaining('cannot be tracked')]);
    repo.remove(name);
  }
});

test('a link in a tree may not leave the tracked folder, and nothing is put behind one', async () => {
  await using repo = await testRepo();
  for (const target of ['/etc', '../..', 'a/../../..', '.git', 'C:\\x']) {
    await putTree(repo, 'data.dv', [`${target.length} l out`], target);
    const { status, stdout } = await repo.dv('checkout');
    expect([target, status, stdout]).toEqual([
      target,
      3,
      expect.stringContaining('data/out: its link leads to'),
    ]);
    expect(repo.exists('data/out')).toBe(false);
  }
  await putTree(repo, 'data.dv', ['4 l out', '4 - out/file']);
  const { status, stderr } = await repo.dv('checkout');
  expect([status, stderr]).toEqual([2, expect.stringContaining('out')]);
});

test('a pointer that is a link is no pointer', async () => {
  await using repo = await testRepo({
    'real.dv': `version: 1\nkind: file\ndigest: ${digestOf('harm')}\nbytes: 4\n`,
  });
  symlinkSync('real.dv', join(repo.root, 'alias.dv'));
  await putRaw(repo, 'harm');
  await repo.dvOk('checkout');
  expect(Object.keys(repo.tree())).toEqual(['alias.dv', 'real', 'real.dv']);
});

test('data is not written through a folder that became a link out of the repository', async () => {
  await using repo = await testRepo({ 'data/set/a/x': '1', 'data/set/b/y': '2' });
  await repo.dvOk('add', 'data/set');
  await repo.commit('data');
  repo.remove('data/set');
  mkdirSync(join(repo.root, 'data/set'));
  symlinkSync(repo.outside, join(repo.root, 'data/set/a'));
  const { status, stdout } = await repo.dv('checkout');
  expect(status).toBe(3);
  expect(stdout).toContain(`data/set/a is a link to ${repo.outside}, outside what is tracked`);
  expect(readdirSync(repo.outside)).toEqual([]);
  expect(repo.read('data/set/b/y')).toBe('2');
});

test('a tracked file reached through a link is neither removed nor replaced', async () => {
  await using repo = await testRepo({ 'data/a/x': 'old', 'data/b': 'b' });
  await repo.dvOk('add', 'data');
  await repo.commit('one');
  await repo.git('branch', 'one');
  repo.write('data/a/x', 'new');
  await repo.dvOk('add', 'data');
  await repo.commit('two');
  // The folder moves out and a link takes its place: by its look the file behind it is the one dv knows.
  await repo.run('mv', [join(repo.root, 'data/a'), join(repo.outside, 'a')]);
  symlinkSync(join(repo.outside, 'a'), join(repo.root, 'data/a'));
  await repo.git('checkout', '-q', 'one');
  const { status, stdout } = await repo.dv('checkout');
  expect([status, stdout]).toEqual([3, expect.stringContaining('data/a is a link to')]);
  expect(await repo.run('cat', [join(repo.outside, 'a/x')])).toMatchObject({ stdout: 'new' });
});

test('the files that steer dv are not read through links', async () => {
  await using repo = await testRepo({ 'data/x': 'x' });
  writeFileSync(join(repo.outside, 'secret'), 'password = hunter2\n');
  for (const name of ['.dvconfig', '.gitignore', '.dvcignore', 'stages.yaml', 'stages.lock']) {
    symlinkSync(join(repo.outside, 'secret'), join(repo.root, name));
    const { status, stdout, stderr } = await repo.dv('add', 'data');
    const all = stdout + stderr;
    if (name === 'stages.yaml')
      expect((await repo.dv('status')).stderr).toContain('stages.yaml: it is a link');
    else expect([name, status, all]).toEqual([name, 2, expect.stringContaining(`${name}: it is a link`)]);
    expect(all).not.toContain('hunter2');
    repo.remove(name);
    await repo.git('rm', '-rq', '--cached', '--ignore-unmatch', '.');
    for (const left of ['data.dv', '.gitignore']) if (repo.exists(left)) repo.remove(left);
  }
});

test('impossible numbers in a pointer and false ones are told, and cost nothing', async () => {
  await using repo = await testRepo();
  const digest = digestOf('harm');
  await putRaw(repo, 'harm');
  const said = async (text: string) => {
    repo.write('data.dv', text);
    const { status, stderr } = await repo.dv('checkout');
    return [status, stderr.split('\n')[0]];
  };
  const tree = `dv-tree 1\n${hexOf(digest)} 4 - x\n`;
  await putRaw(repo, tree);
  expect([
    await said(`version: 1\nkind: file\ndigest: ${digest}\nbytes: 1000000000000000000\n`),
    await said(`version: 1\nkind: tree\ndigest: ${digestOf(tree)}\nfiles: 1e18\nbytes: 4\n`),
    await said(`version: 1\nkind: tree\ndigest: ${digestOf(tree)}\nfiles: 9007199254740991\nbytes: 4\n`),
    await said(`version: 1\nkind: tree\ndigest: ${digestOf(tree)}\nfiles: 1\nbytes: 9007199254740991\n`),
  ]).toMatchInlineSnapshot(`
    [
      [
        2,
        "dv: data.dv:4: expected a whole number up to 9007199254740991 after \`bytes: \`, found "1000000000000000000"",
      ],
      [
        2,
        "dv: data.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "1e18"",
      ],
      [
        2,
        "dv: tree sha256:df244a5b6165ac33076ed4fd25f7fba8e319bcb9294d7a85d6a46669469fcb36: its pointer says 9007199254740991 files of 4 bytes, but it lists 1 file of 4",
      ],
      [
        2,
        "dv: tree sha256:df244a5b6165ac33076ed4fd25f7fba8e319bcb9294d7a85d6a46669469fcb36: its pointer says 1 file of 9007199254740991 bytes, but it lists 1 file of 4",
      ],
    ]
  `);
});

test('a tree that lies about sizes gives no file, and nothing is allocated for it', async () => {
  await using repo = await testRepo();
  const tree = `dv-tree 1\n${hexOf(digestOf('harm'))} 9007199254740991 - x\n`;
  await putRaw(repo, 'harm', tree);
  repo.write(
    'data.dv',
    `version: 1\nkind: tree\ndigest: ${digestOf(tree)}\nfiles: 1\nbytes: 9007199254740991\n`,
  );
  const { status, stdout } = await repo.dv('checkout');
  expect([status, stdout]).toEqual([3, expect.stringContaining('data/x')]);
  expect(repo.exists('data/x')).toBe(false);
  await repo.dvOk('remote', 'add', 'there', repo.outside);
  const push = await repo.dv('push');
  expect([push.status, push.stderr]).toMatchInlineSnapshot(`
    [
      1,
      "dv: the cache holds damaged bytes for one path; they were not used:
      data/x
    hint: dv verify --repair
    ",
    ]
  `);
});

test('an index with a million leaves is refused before they are read', async () => {
  await using repo = await testRepo();
  const hex = hexOf(digestOf('harm'));
  const index = `dv-tree-index 1\n${Array.from({ length: 1_000_000 }, (_, i) => `${hex} 2048 1 ${String(i).padStart(7, '0')}\n`).join('')}`;
  await putRaw(repo, 'harm', index);
  repo.write('data.dv', `version: 1\nkind: tree\ndigest: ${digestOf(index)}\nfiles: 1\nbytes: 1\n`);
  const { status, stderr } = await repo.dv('checkout');
  expect([status, stderr.split('\n')[0]]).toMatchInlineSnapshot(`
    [
      2,
      "dv: tree sha256:f45674277605e378fd2ade26ba8765c673dd839a7d5d8da653c3a9de3f52c38b:65538: expected at most 65536 leaves",
    ]
  `);
});

test('a listing that is really a huge file is not read into memory', async () => {
  await using repo = await testRepo();
  const digest = digestOf('no tree');
  const { objectsDir } = repo.open();
  const folder = join(objectsDir, hexOf(digest).slice(0, 2));
  mkdirSync(folder, { recursive: true });
  await repo.run('truncate', ['-s', '3G', join(folder, hexOf(digest).slice(2))]);
  repo.write('data.dv', `version: 1\nkind: tree\ndigest: ${digest}\nfiles: 1\nbytes: 1\n`);
  const { status, stderr } = await repo.dv('checkout');
  expect([status, stderr.split('\n')[0]?.replace(repo.root, '')]).toMatchInlineSnapshot(`
    [
      2,
      "dv: sha256:973a4d6f2bd901e445f3c5a95668dd1fe38b92cb56e98b451ca3c233c51bf50e: expected a listing of at most 268435456 bytes, found 3221225472",
    ]
  `);
});

test('a clone runs nothing and writes no data before dv init', async () => {
  await using repo = await testRepo({ 'data/x': 'x' }, { init: true });
  await repo.dvOk('add', 'data');
  repo.write(
    'stages.yaml',
    'version: 1\nstages:\n  harm:\n    cmd: touch harmed\n    outs: [harmed]\n    on: [post-checkout, post-merge]\n',
  );
  await repo.commit('harm');
  await repo.git('branch', 'other');
  const clone = join(repo.outside, 'clone');
  await repo.git('clone', '-q', repo.root, clone);
  await repo.run('git', ['checkout', '-q', 'other'], { cwd: clone });
  expect(readdirSync(clone).sort()).toEqual(
    [
      '.dvcignore.example',
      '.dvconfig',
      '.git',
      '.gitattributes',
      '.gitignore',
      'data.dv',
      'stages.yaml',
    ].filter((name) => repo.exists(name)),
  );
  expect(readdirSync(join(clone, '.git'))).not.toContain('dv');
});
