/** Names and files that are unusual, through the built `dv`: kept exactly, or named while the others go on. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { canBeAnother, dvAs, giveTo, nobody } from '../support/another-user.ts';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

/** Takes the data away and brings it back. */
async function away(repo: TestRepo, path: string): Promise<void> {
  rmSync(join(repo.root, path), { recursive: true });
  await repo.dvOk('checkout');
}

const state = async (repo: TestRepo) =>
  (
    JSON.parse((await repo.dv('status', '--json')).stdout) as { paths: { path: string; state: string }[] }
  ).paths.map(({ path, state }) => `${path}: ${state}`);

test('odd names come back exactly as they were', async () => {
  await using repo = await testRepo();
  const names = [
    'with space',
    ' \'quoted\' "twice" ',
    'new\nline',
    'tab\tand\rreturn',
    '-leading',
    '--force',
    '$(touch harm)',
    '`x`',
    '*?[a]',
    'back\\slash',
    '%41',
    '#comment',
    '!not',
    'é',
    'e\u0301',
    'É',
    'A.png',
    'a.png',
    'ü/😀',
    '.hidden',
    'CON',
    'trailing.',
    'trailing ',
    'x'.repeat(255),
    `${'é'.repeat(127)}x`,
    '\u202egnp.exe',
    '..dots',
    'a.dv',
  ];
  for (const name of names) repo.write(`data/${name}`, `content of ${name}`);
  mkdirSync(join(repo.root, 'data/empty folder'));
  repo.write('data/empty file', '');
  repo.write('data/run', '#!/bin/sh\n', { executable: true });
  const before = repo.tree('data');
  expect(Object.keys(before)).toHaveLength(names.length + 2);
  await repo.dvOk('add', 'data');
  expect(await state(repo)).toEqual(['data: clean']);
  await away(repo, 'data');
  expect(repo.tree('data')).toEqual(before);
  expect(readdirSync(repo.root)).not.toContain('harm');
});

test('odd names can be tracked themselves, and git takes their pointers', async () => {
  await using repo = await testRepo();
  const names = [
    'with space',
    'new\nline',
    '-leading',
    "it's",
    '[a]*?',
    'é',
    'back\\slash',
    '#x',
    '!y',
    'x'.repeat(251),
  ];
  for (const name of names) repo.write(name, name);
  await repo.dvOk('add', '--', ...names);
  await repo.commit('odd');
  const before = repo.tree();
  expect(await repo.git('status', '--short', '--ignored=no')).toBe('');
  for (const name of names) rmSync(join(repo.root, name));
  await repo.dvOk('checkout');
  expect(repo.tree()).toEqual(before);
});

test('a name that leaves no room for its pointer is told', async () => {
  await using repo = await testRepo({ ['x'.repeat(255)]: 'x' });
  const { status, stderr } = await repo.dv('add', 'x'.repeat(255));
  expect([status, stderr.replaceAll(/x{9,}/g, 'x…')]).toMatchInlineSnapshot(`
    [
      2,
      "dv: "x…" cannot be tracked: with .dv behind it, its name would be longer than 255 bytes; rename it
    ",
    ]
  `);
});

test('a name that is no UTF-8 is told with its bytes, and the others are recorded', async () => {
  await using repo = await testRepo({ 'data/good': 'g' });
  try {
    writeFileSync(Buffer.concat([Buffer.from(join(repo.root, 'data/b')), Buffer.from([0xff, 0x0a])]), 'bad');
  } catch {
    return; // A file system that does not take such names has no such problem.
  }
  const { status, stdout } = await repo.dv('add', 'data');
  expect({ status, stdout }).toMatchInlineSnapshot(`
    {
      "status": 3,
      "stdout": "recorded  data  (1 file, 1 B)
    1 file could not be read:
      data/b\\xff\\x0a: its name is not valid UTF-8; rename it to track it
    ",
    }
  `);
  expect(repo.read('data.dv')).toContain('files: 1\n');
  expect((await repo.dv('status')).status).toBe(3);
});

test('a path longer than the system takes is told, and the others are recorded and written', async () => {
  await using repo = await testRepo({ 'data/good': 'g' });
  const part = 'p'.repeat(250);
  const deeper = spawnSync(
    process.execPath,
    [
      '-e',
      `const fs = require('node:fs'); process.chdir('data');
       for (let i = 0; i < 17; i++) { fs.mkdirSync('${part}'); process.chdir('${part}'); }
       fs.writeFileSync('deep', 'x');`,
    ],
    { cwd: repo.root },
  );
  expect(deeper.status).toBe(0);
  const { status, stdout } = await repo.dv('add', 'data');
  expect([status, stdout.replaceAll(/(p{250}\/?)+/g, 'ppp')]).toMatchInlineSnapshot(`
    [
      3,
      "recorded  data  (1 file, 1 B)
    1 file could not be read:
      data/ppp: ENAMETOOLONG: name too long
    ",
    ]
  `);
  spawnSync('rm', ['-rf', join(repo.root, 'data')]);
  await repo.dvOk('checkout');
  expect(Object.keys(repo.tree('data'))).toEqual(['data/good']);
});

test('a path that only fits where it was recorded is told where it does not', async () => {
  await using repo = await testRepo({ 'd/good': 'g' });
  const part = 'p'.repeat(250);
  const folders = Array.from({ length: 15 }, () => part).join('/');
  repo.write(`d/${folders}/file`, 'x');
  await repo.dvOk('add', 'd');
  const objects = join(repo.root, '.git/dv');
  const inner = join(repo.root, 'i'.repeat(200), 'j'.repeat(200));
  mkdirSync(inner, { recursive: true });
  spawnSync('git', ['init', '-q', inner], { env: repo.env });
  spawnSync('cp', ['-r', objects, join(inner, '.git/dv')]);
  rmSync(join(inner, '.git/dv/index'), { recursive: true });
  spawnSync('cp', [join(repo.root, 'd.dv'), inner]);
  const { status, stdout } = await repo.run(process.execPath, [mainScript, 'checkout'], { cwd: inner });
  expect([status, stdout.replaceAll(/(p{250}\/?)+/g, 'ppp')]).toMatchInlineSnapshot(`
    [
      3,
      "d  +1
    1 file could not be written:
      d/pppfile: its whole path would be longer than the 4095 bytes this system takes
    ",
    ]
  `);
  expect(readdirSync(join(inner, 'd')).includes('good')).toBe(true);
});

test('pipes, sockets and devices are named and never waited for', async () => {
  await using repo = await testRepo({ 'data/good': 'g' });
  spawnSync('mkfifo', [join(repo.root, 'data/pipe')]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(repo.root, 'data/socket'), resolve));
  symlinkSync('/dev/zero', join(repo.root, 'data/zero'));
  try {
    const { status, stdout } = await repo.dv('add', 'data');
    expect({ status, stdout }).toMatchInlineSnapshot(`
      {
        "status": 3,
        "stdout": "recorded  data  (1 file, 1 B)
      3 files could not be read:
        data/pipe: it is neither a file, a folder nor a link
        data/socket: it is neither a file, a folder nor a link
        data/zero: it is a link to /dev/zero: its target is absolute
      ",
      }
    `);
  } finally {
    server.close();
  }
  const alone = await repo.dv('add', 'data/pipe');
  expect(alone.status).not.toBe(0);
});

test.runIf(canBeAnother)(
  'a folder that cannot be read is named; what was recorded of it stays recorded',
  async () => {
    await using repo = await testRepo({ 'data/a/x': '1', 'data/a/deep/y': '2', 'data/b': '3' });
    giveTo(repo, nobody);
    expect((await dvAs(nobody, repo, ['add', 'data'])).status).toBe(0);
    const recorded = repo.read('data.dv');
    chmodSync(join(repo.root, 'data/a'), 0);
    const again = await dvAs(nobody, repo, ['add', 'data']);
    expect(again).toMatchObject({
      status: 3,
      stdout: expect.stringContaining('data/a: EACCES: permission denied'),
    });
    expect(repo.read('data.dv')).toBe(recorded);
    const checkout = await dvAs(nobody, repo, ['checkout']);
    expect(checkout).toMatchObject({ status: 3, stdout: expect.stringContaining('data/a/deep/y: EACCES') });
    chmodSync(join(repo.root, 'data/a'), 0o755);
    expect((await dvAs(nobody, repo, ['status'])).stdout).toContain('1 path as recorded');
  },
);

test('a file that changes while it is read is read once more, then named', async () => {
  await using repo = await testRepo({ 'data/good': 'g', 'data/growing': 'x' });
  // Larger than one read, and touched by another program all the time.
  spawnSync('truncate', ['-s', '64M', join(repo.root, 'data/growing')]);
  const writer = spawn(
    process.execPath,
    ['-e', `for (;;) require('node:fs').appendFileSync('data/growing', 'x')`],
    { cwd: repo.root },
  );
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { status, stdout } = await repo.dv('add', 'data');
    expect({ status, stdout: stdout.replace(/\d+ B/, 'n B') }).toMatchInlineSnapshot(`
      {
        "status": 3,
        "stdout": "recorded  data  (1 file, n B)
      1 file could not be read:
        data/growing: it changed while it was read
      ",
      }
    `);
  } finally {
    writer.kill('SIGKILL');
  }
  await repo.dvOk('add', 'data');
});

test('the two spellings of a letter are two names, and renaming one to the other is seen', async () => {
  await using repo = await testRepo({ 'data/caf\u00e9': 'composed' });
  await repo.dvOk('add', 'data');
  renameSync(join(repo.root, 'data/caf\u00e9'), join(repo.root, 'data/cafe\u0301'));
  expect(await state(repo)).toEqual(['data: modified']);
  await repo.dvOk('add', 'data');
  await away(repo, 'data');
  expect(readdirSync(join(repo.root, 'data'))).toEqual(['cafe\u0301']);
});

test('a file larger than the memory it may take is streamed all the way', async () => {
  await using repo = await testRepo();
  const sizeMiB = 400;
  mkdirSync(join(repo.root, 'data'));
  spawnSync('truncate', ['-s', `${sizeMiB}M`, join(repo.root, 'data/big')]);
  const peak = join(repo.outside, 'peak');
  const preload = fileURLToPath(new URL('../support/peak-memory.cjs', import.meta.url));
  const env = { NODE_OPTIONS: `--require ${preload}`, DV_TEST_PEAK: peak };
  const peakMiB = async (...args: string[]) => {
    const outcome = await repo.run(process.execPath, [mainScript, ...args], { env });
    expect(outcome).toMatchObject({ status: 0 });
    return Number(readFileSync(peak, 'utf8')) / 1024;
  };
  const peaks = [await peakMiB('add', 'data')];
  await repo.commit('big');
  rmSync(join(repo.root, 'data'), { recursive: true });
  peaks.push(await peakMiB('checkout'));
  await repo.dvOk('remote', 'add', 'store', join(repo.outside, 'store'));
  peaks.push(await peakMiB('push'));
  rmSync(join(repo.root, '.git/dv/objects'), { recursive: true });
  rmSync(join(repo.root, 'data'), { recursive: true });
  peaks.push(await peakMiB('pull'));
  expect(statSync(join(repo.root, 'data/big')).size).toBe(sizeMiB << 20);
  expect(Math.max(...peaks)).toBeLessThan(300);
}, 120_000);
