/** `dv init` and `dv hook`: where hooks go, what is kept, and that git runs both. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hookEvents } from '../../hooks/events.ts';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

/** A hook that writes its name, arguments and input into `log` at the top. */
const recorder = (label: string) =>
  `#!/bin/sh\necho "${label} $0 $*" >> log\nif [ ! -t 0 ]; then sed 's/^/input /' >> log; fi\n`;

const log = (repo: TestRepo) => (repo.exists('log') ? repo.read('log').trimEnd().split('\n') : []);

describe('dv init', () => {
  test('writes settings and hooks in a repository without commits, and says so', async () => {
    await using repo = await testRepo();
    const { stdout } = await repo.dvOk('init');
    expect(stdout.replace(repo.root, '<root>')).toMatchInlineSnapshot(`
      "dv is ready in <root>
        .dvconfig         written, staged for the next commit
        post-checkout     installed
        post-merge        installed
        post-rewrite      installed
        post-index-change installed
        pre-commit        installed
        pre-push          installed
        merge, diff       installed
      next: dv add <folder of data>
      "
    `);
    expect(await repo.git('status', '--porcelain')).toBe('A  .dvconfig\n');
    expect((await repo.dv('status')).status).toBe(0);
  });

  test('twice changes nothing', async () => {
    await using repo = await testRepo();
    await repo.dvOk('init');
    const before = hookEvents.map((event) => repo.read(`.git/hooks/${event}`));
    expect((await repo.dvOk('init')).stdout).toBe(`dv was ready in ${repo.root}; nothing changed\n`);
    expect(hookEvents.map((event) => repo.read(`.git/hooks/${event}`))).toEqual(before);
    expect(hookEvents.some((event) => repo.exists(`.git/hooks/${event}.before-dv`))).toBe(false);
  });

  test('keeps settings that are there', async () => {
    await using repo = await testRepo({ '.dvconfig': '[dv]\n\tjobs = 3\n' });
    await repo.dvOk('init');
    expect(repo.read('.dvconfig')).toBe('[dv]\n\tjobs = 3\n');
  });

  test('--no-hooks leaves the hooks alone', async () => {
    await using repo = await testRepo();
    await repo.dvOk('init', '--no-hooks');
    expect(hookEvents.some((event) => repo.exists(`.git/hooks/${event}`))).toBe(false);
    expect(repo.exists('.dvconfig')).toBe(true);
  });

  test('works from a subfolder, in a folder with a space and a quote in its name', async () => {
    await using repo = await testRepo({ 'a b/x': '1' }, { name: "it's a repo" });
    const { status } = await repo.run(process.execPath, [mainScript, 'init'], { cwd: 'a b' });
    expect(status).toBe(0);
    expect(repo.exists('.dvconfig')).toBe(true);
    await repo.dvOk('add', 'a b');
    await repo.commit('one');
    expect((await repo.tryGit('checkout', '--quiet', '-b', 'other')).stderr).toBe('');
  });
});

describe('a hook that was there', () => {
  test('is kept, runs first with its arguments, input and own name, and decides', async () => {
    await using repo = await testRepo({ x: '1' });
    repo.write('.git/hooks/post-checkout', recorder('old'), { executable: true });
    repo.write('.git/hooks/pre-push', `${recorder('old')}exit 7\n`, { executable: true });
    const { stdout } = await repo.dvOk('init');
    expect(stdout).toContain(
      'pre-push          installed; the hook that was there is kept as pre-push.before-dv',
    );
    const first = await repo.commit('one');
    await repo.git('checkout', '--quiet', '-b', 'other');
    expect(log(repo)).toEqual([`old .git/hooks/post-checkout ${first} ${first} 1`]);

    repo.remove('log');
    await repo.run('git', ['init', '--bare', '--quiet', `${repo.outside}/remote.git`]);
    const pushed = await repo.tryGit('push', '--quiet', `${repo.outside}/remote.git`, 'other');
    expect(pushed.status).not.toBe(0);
    expect(log(repo)).toEqual([
      `old .git/hooks/pre-push ${repo.outside}/remote.git ${repo.outside}/remote.git`,
      `input refs/heads/other ${first} refs/heads/other ${'0'.repeat(40)}`,
    ]);
  });

  test('may be written in any language', async () => {
    await using repo = await testRepo({ x: '1' });
    repo.write(
      '.git/hooks/post-checkout',
      `#!${process.execPath}\nrequire('fs').writeFileSync('log', process.argv.slice(2).join(' '));\n`,
      { executable: true },
    );
    await repo.dvOk('init');
    const first = await repo.commit('one');
    await repo.git('checkout', '--quiet', '-b', 'other');
    expect(log(repo)).toEqual([`${first} ${first} 1`]);
  });

  test('that git did not run, as it is not executable, still does not run', async () => {
    await using repo = await testRepo({ x: '1' });
    repo.write('.git/hooks/post-checkout', recorder('old'));
    await repo.dvOk('init');
    await repo.commit('one');
    await repo.git('checkout', '--quiet', '-b', 'other');
    expect(log(repo)).toEqual([]);
  });

  test('comes back on uninstall, byte for byte', async () => {
    await using repo = await testRepo();
    repo.write('.git/hooks/post-merge', recorder('old'), { executable: true });
    await repo.dvOk('init');
    const { stdout } = await repo.dvOk('hook', 'uninstall');
    expect(stdout).toMatchInlineSnapshot(`
      "  post-checkout     removed
        post-merge        removed; the hook from before is back in its place
        post-rewrite      removed
        post-index-change removed
        pre-commit        removed
        pre-push          removed
        merge, diff       removed
      "
    `);
    expect(repo.read('.git/hooks/post-merge')).toBe(recorder('old'));
    expect(hookEvents.filter((event) => repo.exists(`.git/hooks/${event}`))).toEqual(['post-merge']);
    expect(repo.exists('.git/hooks/post-merge.before-dv')).toBe(false);
    expect((await repo.dvOk('hook', 'uninstall')).stdout).toContain('post-checkout     was not installed');
    expect(repo.read('.git/hooks/post-merge')).toBe(recorder('old'));
  });

  test('that replaced the one kept before is not thrown away', async () => {
    await using repo = await testRepo();
    repo.write('.git/hooks/pre-push', recorder('first'), { executable: true });
    await repo.dvOk('init');
    repo.write('.git/hooks/pre-push', recorder('second'), { executable: true });
    const { status, stdout } = await repo.dv('init');
    expect(status).toBe(3);
    expect(stdout).toContain('pre-push          not installed: another hook is there');
    expect(repo.read('.git/hooks/pre-push')).toBe(recorder('second'));
    expect(repo.read('.git/hooks/pre-push.before-dv')).toBe(recorder('first'));
  });

  test('that a hook manager wrote once more is chained again', async () => {
    await using repo = await testRepo();
    repo.write('.git/hooks/pre-push', recorder('same'), { executable: true });
    await repo.dvOk('init');
    repo.write('.git/hooks/pre-push', recorder('same'), { executable: true });
    expect((await repo.dvOk('init')).stdout).toContain(
      'pre-push          installed; the hook that was there',
    );
    expect(repo.read('.git/hooks/pre-push.before-dv')).toBe(recorder('same'));
  });
});

describe('our own text', () => {
  test('of an older version, or of a dv that has moved, is renewed', async () => {
    await using repo = await testRepo();
    await repo.dvOk('init');
    const current = repo.read('.git/hooks/post-merge');
    repo.write('.git/hooks/post-merge', '#!/bin/sh\n# dv-hook 0: of long ago\nexit 0\n');
    expect((await repo.dvOk('hook', 'list')).stdout).toContain('post-merge        installed by another dv');
    expect((await repo.dvOk('init')).stdout).toContain('post-merge        renewed');
    expect(repo.read('.git/hooks/post-merge')).toBe(current);
    chmodSync(join(repo.root, '.git/hooks/post-merge'), 0o644);
    expect((await repo.dvOk('init')).stdout).toContain('post-merge        renewed');
  });
});

describe('core.hooksPath', () => {
  test('in a tracked folder: chained there, without paths of this machine, and said', async () => {
    await using repo = await testRepo({ 'data/a': '1' });
    repo.write('githooks/post-checkout', recorder('shared'), { executable: true });
    await repo.git('config', 'core.hooksPath', 'githooks');
    const { stdout } = await repo.dvOk('init');
    expect(stdout).toContain('is part of the workspace: commit its hooks');
    expect(repo.read('githooks/pre-push')).not.toContain(process.execPath);
    expect(repo.exists('.git/hooks/pre-push')).toBe(false);
    // The dv on PATH is found.
    const bin = join(repo.outside, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'git-dv'), `#!/bin/sh\nexec '${process.execPath}' '${mainScript}' "$@"\n`, {
      mode: 0o755,
    });
    await repo.dvOk('add', 'data');
    await repo.commit('one');
    repo.write('data/a', '2');
    await repo.git('checkout', '--quiet', '-b', 'two');
    await repo.dvOk('add', 'data');
    await repo.git('commit', '--quiet', '--all', '--message', 'two');
    repo.remove('log');
    const env = { PATH: `${bin}:${repo.env.PATH}` };
    const back = await repo.run('git', ['checkout', '--quiet', 'main'], { env });
    expect(back.stderr).toBe('dv: data is now 1 file (~1)\n');
    expect(repo.read('data/a')).toBe('1');
    expect(log(repo)[0]).toMatch(/^shared .*githooks\/post-checkout /);
  });

  test('as husky sets it: its scripts find their own files', async () => {
    await using repo = await testRepo({ x: '1', '.husky/_/.gitignore': '*\n' });
    // What husky 9 writes: each hook sources `h`, which runs the user's script of the same name one folder up.
    repo.write(
      '.husky/_/h',
      '#!/usr/bin/env sh\nn=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\nexit $?\n',
    );
    repo.write('.husky/_/post-checkout', `#!/usr/bin/env sh\n. "\${0%/*}/h"`, { executable: true });
    repo.write('.husky/post-checkout', 'echo "user $*" >> log\n');
    await repo.git('config', 'core.hooksPath', '.husky/_');
    expect((await repo.dvOk('init')).stdout).toContain('which a hook manager makes');
    expect(repo.read('.husky/_/post-checkout')).toContain(process.execPath);
    const first = await repo.commit('one');
    await repo.git('checkout', '--quiet', '-b', 'other');
    expect(log(repo)).toEqual([`user ${first} ${first} 1`]);
  });

  test('outside the repository is said; where no folder can be made it is refused', async () => {
    await using repo = await testRepo();
    await repo.git('config', 'core.hooksPath', join(repo.outside, 'hooks'));
    expect((await repo.dvOk('init')).stdout).toContain('which other repositories may share');
    await repo.git('config', 'core.hooksPath', '/dev/null');
    const { status, stderr } = await repo.dv('hook', 'install');
    expect(status).toBe(1);
    expect(stderr).toContain('/dev/null, where none can be written');
  });
});

test('hooks of a linked worktree are those of the repository, and its data is its own', async () => {
  await using repo = await testRepo({ 'data/a': '1' }, { init: true });
  await repo.dvOk('add', 'data');
  await repo.commit('one');
  const linked = join(repo.outside, 'linked');
  const added = await repo.tryGit('worktree', 'add', '--quiet', '-b', 'other', linked);
  expect(added).toEqual({ status: 0, stdout: '', stderr: 'dv: data is now 1 file (+1)\n' });
  expect((await repo.run('cat', ['data/a'], { cwd: linked })).stdout).toBe('1');
  const init = await repo.run(process.execPath, [mainScript, 'init'], { cwd: linked });
  expect(init.stdout).toContain('nothing changed');
  writeFileSync(join(linked, 'data/a'), '2');
  await repo.run(process.execPath, [mainScript, 'add', 'data'], { cwd: linked });
  await repo.run('git', ['commit', '--quiet', '--all', '--message', 'two'], { cwd: linked });
  await repo.git('merge', '--quiet', 'other');
  expect(repo.read('data/a')).toBe('2');
});

describe('without dv', () => {
  /** A world in which neither the recorded dv nor one on PATH is there. */
  async function withoutDv(files: Record<string, string>): Promise<TestRepo> {
    const repo = await testRepo(files, { init: true });
    for (const event of hookEvents) {
      const text = repo.read(`.git/hooks/${event}`);
      expect(text).toContain(mainScript);
      repo.write(`.git/hooks/${event}`, text.replaceAll(mainScript, '/nowhere/main.js'), {
        executable: true,
      });
    }
    await repo.run('git', ['init', '--bare', '--quiet', `${repo.outside}/remote.git`]);
    return repo;
  }

  test('a repository without data works as ever', async () => {
    await using repo = await withoutDv({ x: '1' });
    expect(await repo.tryGit('checkout', '--quiet', '-b', 'other')).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    expect(await repo.tryGit('push', '--quiet', `${repo.outside}/remote.git`, 'other')).toMatchObject({
      status: 0,
    });
  });

  test('a checkout says how to get it, and a push of pointers is stopped unless that is switched off', async () => {
    await using repo = await withoutDv({ 'data/a': '1' });
    await repo.dvOk('add', 'data');
    await repo.commit('data');
    const switched = await repo.tryGit('checkout', '--quiet', '-b', 'other');
    expect(switched.status).toBe(0);
    expect(switched.stderr).toBe('dv: not found, so the data stays as it is: npm install -g git-dv\n');
    const push = () => repo.tryGit('push', '--quiet', `${repo.outside}/remote.git`, 'other');
    const stopped = await push();
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain('dv: not found, so the data cannot be pushed before its pointers');
    await repo.git('config', 'dv.hooks.pre-push', 'off');
    expect((await push()).status).toBe(0);
  });
});
