/** The built `dv`: words in, words and exit status out. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commands } from '../../cli/commands/index.ts';
import { commonExits, exitMeanings, exitStatuses } from '../../cli/exit.ts';
import { helpFor } from '../../cli/help.ts';
import { mainScript, testRepo } from '../support/repo.ts';

const packageVersion = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;

describe('without a command', () => {
  test('--version says the version of the package', async () => {
    await using repo = await testRepo({}, { git: false });
    expect(await repo.dv('--version')).toEqual({ status: 0, stdout: `dv ${packageVersion}\n`, stderr: '' });
  });

  test('--help and help list every command and every exit status', async () => {
    await using repo = await testRepo({}, { git: false });
    const { status, stdout, stderr } = await repo.dv('--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const [name, { summary }] of commands)
      expect(stdout).toMatch(new RegExp(`^  ${name} +${summary}$`, 'm'));
    for (const exit of Object.keys(exitMeanings)) expect(stdout).toMatch(new RegExp(`^ +${exit}  `, 'm'));
    expect((await repo.dv('help')).stdout).toBe(stdout);
  });

  test('nothing at all is wrong usage', async () => {
    await using repo = await testRepo({}, { git: false });
    expect(await repo.dv()).toMatchInlineSnapshot(`
      {
        "status": 2,
        "stderr": "dv: which command?
      hint: dv --help
      ",
        "stdout": "",
      }
    `);
  });
});

describe('every command', () => {
  test.each([...commands.keys()])('%s: its help has examples and its exit statuses', async (name) => {
    const { command } = await commands.get(name)!.load();
    const stdout = await helpFor(name);
    expect(stdout.split('\n')[0]).toBe(`dv ${command.usage}`);
    expect(stdout).toContain('Examples:');
    const listed = stdout
      .slice(stdout.indexOf('Exit status:'))
      .split('\n')
      .flatMap((line) => /^ {2}(\d+) +(.*)$/.exec(line)?.slice(1, 3) ?? [])
      .filter((_, i) => i % 2 === 0)
      .map(Number);
    expect(listed).toEqual([...new Set([...commonExits, ...command.exits])].sort((a, b) => a - b));
  });

  test.each([...commands.keys()])(
    '%s: is listed with its own summary and known exit statuses',
    async (name) => {
      const entry = commands.get(name)!;
      const { command } = await entry.load();
      expect(command.usage.split(' ')[0]).toBe(name);
      expect(entry.summary).toBe(command.summary);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const exit of command.exits) expect(exitMeanings).toHaveProperty(String(exit));
    },
  );
});

test('dv help NAME, dv NAME --help and dv NAME -h are the same', async () => {
  await using repo = await testRepo({}, { git: false });
  const told = { status: 0, stdout: `${await helpFor('add')}\n`, stderr: '' };
  for (const words of [
    ['help', 'add'],
    ['add', '--help'],
    ['add', 'x', '-h'],
  ]) {
    expect(await repo.dv(...words)).toEqual(told);
  }
});

test('every failure has an exit status that help explains', () => {
  for (const exit of Object.values(exitStatuses)) expect(exitMeanings).toHaveProperty(String(exit));
});

describe('what dv does not understand', () => {
  test('an unknown command, with a guess', async () => {
    await using repo = await testRepo({}, { git: false });
    expect(await repo.dv('stauts')).toMatchInlineSnapshot(`
      {
        "status": 2,
        "stderr": "dv: dv has no command "stauts"
      hint: did you mean dv status?
      ",
        "stdout": "",
      }
    `);
    expect((await repo.dv('zzz')).stderr).toBe('dv: dv has no command "zzz"\nhint: dv --help\n');
  });

  test('an unknown option, with a guess', async () => {
    await using repo = await testRepo();
    expect(await repo.dv('status', '--chek')).toMatchInlineSnapshot(`
      {
        "status": 2,
        "stderr": "dv: status: unknown option --chek
      hint: did you mean --check?
      ",
        "stdout": "",
      }
    `);
    expect((await repo.dv('init', '--no-hook')).stderr).toContain('did you mean --no-hooks?');
    expect((await repo.dv('status', '-Z')).stderr).toContain('unknown option -Z');
  });

  test('a missing or superfluous argument', async () => {
    await using repo = await testRepo();
    expect(await repo.dv('add')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('dv add <paths..>'),
    });
    expect(await repo.dv('init', 'extra')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('unexpected argument extra'),
    });
    expect(await repo.dv('hook', 'instal')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('expected one of "install", "uninstall", "list"'),
    });
  });

  test('a value that does not fit', async () => {
    await using repo = await testRepo();
    expect(await repo.dv('status', '-j', 'many')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--jobs: expected a whole number from 1'),
    });
    expect((await repo.dv('status', '-j', '0')).status).toBe(2);
    expect(await repo.dv('-C', 'nowhere', 'status')).toMatchObject({
      status: 2,
      stderr: 'dv: -C nowhere: there is no such folder\n',
    });
  });

  test('words behind -- are arguments, whatever they look like', async () => {
    await using repo = await testRepo();
    expect(await repo.dv('add', '--', '--force')).toMatchObject({
      status: 2,
      stderr: 'dv: --force does not exist\n',
    });
  });
});

describe('where there is nothing to work on', () => {
  test('outside a repository', async () => {
    await using repo = await testRepo({}, { git: false });
    const { status, stderr } = await repo.dv('status');
    expect(status).toBe(10);
    expect(stderr.replace(repo.root, '<root>')).toBe(
      'dv: <root> is not inside a git repository\nhint: git init && dv init\n',
    );
  });

  test('in a bare repository', async () => {
    await using repo = await testRepo({}, { bare: true });
    for (const words of [['status'], ['init'], ['add', 'x']]) {
      const { status, stderr } = await repo.dv(...words);
      expect(status).toBe(10);
      expect(stderr).toContain('is a bare git repository');
      expect(stderr).toContain('hint: git worktree add');
    }
  });

  test('-C stands elsewhere, before or behind the command', async () => {
    await using repo = await testRepo({ 'sub/x.txt': 'x' });
    const out = { cwd: repo.outside };
    const dv = (...words: string[]) => repo.run(process.execPath, [mainScript, ...words], out);
    expect((await dv('status')).status).toBe(10);
    expect((await dv('-C', repo.root, 'status')).status).toBe(0);
    expect((await dv('status', '-C', `${repo.root}/sub`)).status).toBe(0);
  });
});

describe('--json', () => {
  test('prints one document on standard output', async () => {
    await using repo = await testRepo({ 'data/a': '1' });
    const { status, stdout } = await repo.dv('add', 'data', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ added: [{ path: 'data' }] });
    expect(stdout.trimEnd()).not.toContain('\n');
  });

  test('prints a failure as a document on standard error', async () => {
    await using repo = await testRepo();
    const { status, stdout, stderr } = await repo.dv('add', 'missing', '--json');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'path-missing',
        message: 'missing does not exist',
        hint: null,
        details: { repoPath: 'missing' },
      },
    });
    expect(JSON.parse((await repo.dv('status', '--json', '--nope')).stderr)).toMatchObject({
      error: { code: 'usage' },
    });
  });
});

test('-q prints no result, but failures', async () => {
  await using repo = await testRepo({ 'data/a': '1' });
  expect(await repo.dv('add', 'data', '-q')).toEqual({ status: 0, stdout: '', stderr: '' });
  expect((await repo.dv('add', 'nothing', '-q')).stderr).toBe('dv: nothing does not exist\n');
});

test('an argument with escapes cannot write to the terminal', async () => {
  await using repo = await testRepo();
  const { stderr } = await repo.dv('add', 'a\x1b[2Jb\u202ec\x07');
  expect(stderr).toBe('dv: ab\ufffdc\ufffd does not exist\n');
});

test('a reader that goes away early is no failure', async () => {
  await using repo = await testRepo();
  const child = spawn(process.execPath, [mainScript, '--help'], { cwd: repo.root, env: repo.env });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('completion: a script that bash accepts, and the words it asks for', async () => {
  await using repo = await testRepo();
  const { stdout } = await repo.dvOk('completion', 'bash');
  expect(await repo.run('bash', ['-n'], { input: stdout })).toMatchObject({ status: 0, stderr: '' });
  expect((await repo.dvOk('help', '--words')).stdout.split('\n')).toEqual([...commands.keys(), 'help', '']);
  expect((await repo.dvOk('help', '--words', 'status')).stdout.split('\n')).toContain('--check');
  expect(await repo.dv('completion', 'fish')).toMatchObject({ status: 2 });
  const typed = `${stdout}
    dv() { '${process.execPath}' '${mainScript}' "$@"; }
    COMP_WORDS=(dv -C . stat); COMP_CWORD=3; _dv; echo "\${COMPREPLY[@]}"
    COMP_WORDS=(dv status --ch); COMP_CWORD=2; _dv; echo "\${COMPREPLY[@]}"
    COMP_WORDS=(git dv che); COMP_CWORD=2; _git_dv; echo "\${COMPREPLY[@]}"`;
  expect((await repo.run('bash', [], { input: typed })).stdout).toBe('status\n--check\ncheckout\n');
});

test('doctor: says what it found, inside and outside a repository', async () => {
  await using repo = await testRepo({}, { init: true });
  const names = (stdout: string) =>
    (JSON.parse(stdout) as { findings: { name: string; state: string }[] }).findings;
  const inside = names((await repo.dvOk('doctor', '--json')).stdout);
  expect(inside.map(({ name, state }) => `${state} ${name}`)).toEqual([
    'good repository',
    'good node',
    'good git',
    'good hooks',
    'good merge',
    'good cache',
    'good links',
    'note remote',
    expect.stringContaining('training'),
    expect.stringContaining('training'),
    'good training',
  ]);
  await repo.git('config', 'dv.defaultRemote', 'gone');
  await repo.git('config', 'dv.remote.there.url', repo.outside);
  await repo.dvOk('hook', 'uninstall');
  const broken = await repo.dv('doctor');
  expect(broken.status).toBe(1);
  expect(broken.stdout).toContain('BAD   remote');
  expect(broken.stdout).toContain('not installed: git checkout and git push do not take the data along');
  await using plain = await testRepo({}, { git: false });
  expect(names((await plain.dvOk('doctor', '--json')).stdout)[0]).toEqual(
    expect.objectContaining({ name: 'repository', state: 'note' }),
  );
});
