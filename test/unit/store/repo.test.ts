import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DvError } from '../../../core/errors.ts';
import { openRepo, toRepoPath } from '../../../core/store/repo.ts';
import { type GitFolder, gitFolder, temporaryFolder } from '../../support/git-folder.ts';

/** Where openRepo finds itself, or the code of its failure. */
function located(cwd: string, env: NodeJS.ProcessEnv) {
  try {
    const { root, gitDir, commonDir } = openRepo({ cwd, env });
    return { root, gitDir, commonDir };
  } catch (error) {
    if (error instanceof DvError) return error.code;
    throw error;
  }
}

/** Where git itself says things are. */
function gitsAnswer(folder: GitFolder, cwd: string, env: NodeJS.ProcessEnv = folder.env) {
  const ask = (what: string) =>
    folder.git(['rev-parse', '--path-format=absolute', what], { cwd, env }).replace(/\n$/, '');
  return { root: ask('--show-toplevel'), gitDir: ask('--git-dir'), commonDir: ask('--git-common-dir') };
}

function committed(folder: GitFolder): GitFolder {
  folder.write('file', 'x');
  folder.git(['add', '.']);
  folder.git(['commit', '--quiet', '-m', 'first']);
  return folder;
}

describe('a repository is found as git finds it', () => {
  test('from its top, a folder in it, through a link', () => {
    using folder = gitFolder();
    mkdirSync(folder.at('a/b'), { recursive: true });
    symlinkSync(folder.at('a'), folder.at('../link'));
    for (const cwd of [folder.path, folder.at('a/b'), folder.at('../link/b')]) {
      expect(located(cwd, folder.env)).toEqual(gitsAnswer(folder, cwd));
    }
  });

  test('from a linked worktree, also a moved one of a bare repository', () => {
    using folder = committed(gitFolder());
    folder.git(['worktree', 'add', '--quiet', '-b', 'other', '../tree']);
    mkdirSync(folder.at('../tree/sub'));
    for (const cwd of [folder.at('../tree'), folder.at('../tree/sub')]) {
      expect(located(cwd, folder.env)).toEqual(gitsAnswer(folder, cwd));
    }
    folder.git(['clone', '--quiet', '--bare', '.', '../bare.git']);
    folder.git(['worktree', 'add', '--quiet', '-b', 'third', '../of-bare'], {
      cwd: folder.at('../bare.git'),
    });
    folder.git(['worktree', 'move', '../of-bare', '../moved'], { cwd: folder.at('../bare.git') });
    expect(located(folder.at('../moved'), folder.env)).toEqual(gitsAnswer(folder, folder.at('../moved')));
    expect(located(folder.at('../bare.git'), folder.env)).toBe('bare-repository');
  });

  test('from a bare repository kept beside its worktrees, where only those have a workspace', () => {
    using folder = committed(gitFolder());
    const project = folder.at('../project');
    folder.git(['clone', '--quiet', '--bare', '.', join(project, '.bare')]);
    writeFileSync(join(project, '.git'), 'gitdir: ./.bare\n');
    folder.git(['worktree', 'add', '--quiet', '-b', 'topic', 'topic'], { cwd: project });
    expect(located(project, folder.env)).toBe('bare-repository');
    expect(located(join(project, 'topic'), folder.env)).toEqual(gitsAnswer(folder, join(project, 'topic')));
  });

  test('from a submodule, which is a repository of its own', () => {
    using folder = committed(gitFolder());
    using other = committed(gitFolder());
    const allow = ['-c', 'protocol.file.allow=always'];
    folder.git([...allow, 'submodule', '--quiet', 'add', other.path, 'parts/sub']);
    mkdirSync(folder.at('parts/sub/deep'));
    const answer = located(folder.at('parts/sub/deep'), folder.env);
    expect(answer).toEqual(gitsAnswer(folder, folder.at('parts/sub/deep')));
    expect(answer).toMatchObject({ root: folder.at('parts/sub') });
    // And from inside its git directory, which names the workspace in its config.
    expect(located(folder.at('.git/modules/parts/sub'), folder.env)).toEqual(answer);
  });

  test('with a workspace elsewhere (core.worktree, GIT_WORK_TREE)', () => {
    using folder = gitFolder();
    mkdirSync(folder.at('../elsewhere'));
    const env = { ...folder.env, GIT_WORK_TREE: folder.at('../elsewhere') };
    expect(located(folder.path, env)).toMatchObject({
      root: folder.at('../elsewhere'),
      gitDir: folder.at('.git'),
    });
    folder.git(['config', 'core.worktree', '../../elsewhere']);
    expect(located(folder.path, folder.env)).toMatchObject({ root: folder.at('../elsewhere') });
  });

  test('from inside the git directory', () => {
    using folder = committed(gitFolder());
    const answer = gitsAnswer(folder, folder.path);
    for (const cwd of ['.git', '.git/hooks', '.git/objects'])
      expect(located(folder.at(cwd), folder.env)).toEqual(answer);
    folder.git(['worktree', 'add', '--quiet', '-b', 'other', '../tree']);
    expect(located(folder.at('.git/worktrees/tree'), folder.env)).toMatchObject({
      root: folder.at('../tree'),
    });
  });

  test('with folders in the way that only look like repositories', () => {
    using folder = gitFolder();
    for (const [name, files] of Object.entries({
      empty: ['.git/x'],
      half: ['.git/HEAD'],
      data: ['HEAD', 'objects/x'],
    })) {
      for (const file of files) folder.write(`${name}/${file}`);
      expect(located(folder.at(name), folder.env)).toMatchObject({ root: folder.path });
    }
  });

  test('not at all outside of any, above a ceiling, or where `.git` leads nowhere', () => {
    using plain = temporaryFolder();
    const env = { PATH: process.env.PATH };
    expect(located(plain.path, env)).toBe('not-a-repository');
    using folder = committed(gitFolder());
    mkdirSync(folder.at('sub'));
    const ceiling = { ...folder.env, GIT_CEILING_DIRECTORIES: folder.path };
    expect(located(folder.at('sub'), ceiling)).toBe('not-a-repository');
    expect(located(folder.path, ceiling)).toMatchObject({ root: folder.path });
    folder.git(['worktree', 'add', '--quiet', '-b', 'other', 'sub/tree']);
    renameSync(folder.at('.git/worktrees'), folder.at('.git/gone'));
    // Not the repository around it: that would write its data somewhere else.
    expect(located(folder.at('sub/tree'), folder.env)).toBe('not-a-repository');
    folder.write('sub/broken/.git', 'nonsense');
    expect(located(folder.at('sub/broken'), folder.env)).toBe('not-a-repository');
    expect(located(folder.path, { ...folder.env, GIT_DIR: 'nowhere' })).toBe('not-a-repository');
  });

  test('as unreadable when its config is broken, by file and line', () => {
    using folder = gitFolder();
    folder.write('.git/config', '[core\n');
    expect(() => openRepo({ cwd: folder.path, env: folder.env })).toThrow(/\.git\/config:1: expected/);
  });
});

describe('in a hook, with what git sets for it', () => {
  /** Runs a git command in a folder with a post-checkout hook, and gives back where and with what the hook ran. */
  function hookSurroundings(folder: GitFolder, args: readonly string[], cwd: string) {
    const record = folder.at('../hook-ran');
    rmSync(record, { force: true });
    const hooks = folder.at('../hooks');
    mkdirSync(hooks, { recursive: true });
    writeFileSync(join(hooks, 'post-checkout'), `#!/bin/sh\n{ pwd; env | grep ^GIT_; } > '${record}'\n`);
    chmodSync(join(hooks, 'post-checkout'), 0o755);
    folder.git(['-c', `core.hooksPath=${hooks}`, ...args], { cwd });
    const [hookCwd, ...variables] = readFileSync(record, 'utf8').trim().split('\n');
    const env = { ...folder.env };
    for (const variable of variables) {
      const equals = variable.indexOf('=');
      env[variable.slice(0, equals)] = variable.slice(equals + 1);
    }
    return { cwd: hookCwd!, env };
  }

  test('the workspace is that of the command, in a folder, a worktree, a new worktree, a submodule', () => {
    using folder = committed(gitFolder());
    using other = committed(gitFolder());
    mkdirSync(folder.at('sub'));
    const where = ({ cwd, env }: { cwd: string; env: NodeJS.ProcessEnv }) => located(cwd, env);

    const main = gitsAnswer(folder, folder.path);
    expect(where(hookSurroundings(folder, ['checkout', '--quiet', '-b', 'b1'], folder.at('sub')))).toEqual(
      main,
    );

    const fresh = hookSurroundings(
      folder,
      ['worktree', 'add', '--quiet', '-b', 'b2', '../tree'],
      folder.path,
    );
    const tree = gitsAnswer(folder, folder.at('../tree'));
    expect(where(fresh)).toEqual(tree);
    const inTree = hookSurroundings(folder, ['checkout', '--quiet', '-b', 'b3'], folder.at('../tree'));
    expect(where(inTree)).toEqual(tree);

    folder.git(['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', other.path, 'parts']);
    const inSub = hookSurroundings(folder, ['checkout', '--quiet', '-b', 'b4'], folder.at('parts'));
    expect(where(inSub)).toEqual(gitsAnswer(folder, folder.at('parts')));

    // A hook manager may go to a folder of its own first; git's relative GIT_DIR is then no use to it.
    const gone = { cwd: folder.at('sub'), env: { ...folder.env, GIT_DIR: folder.at('.git') } };
    expect(where(gone)).toEqual(main);
  });

  test('git run by dv works on the same repository, wherever GIT_DIR was relative to', () => {
    using folder = committed(gitFolder());
    mkdirSync(folder.at('sub'));
    const repo = openRepo({ cwd: folder.at('sub'), env: { ...folder.env, GIT_DIR: '../.git' } });
    expect(repo.git.output(['rev-parse', '--show-toplevel']).trim()).toBe(folder.path);
    expect(repo.git.output(['ls-files'])).toBe('file\n');
  });

  test('a git directory away from its workspace makes the current folder the top', () => {
    using folder = committed(gitFolder());
    renameSync(folder.at('.git'), folder.at('../dotfiles.git'));
    const env = { ...folder.env, GIT_DIR: folder.at('../dotfiles.git') };
    expect(located(folder.path, env)).toEqual(gitsAnswer(folder, folder.path, env));
    using elsewhere = temporaryFolder();
    expect(located(elsewhere.path, env)).toMatchObject({ root: elsewhere.path });
  });
});

describe('settings', () => {
  const jobs = (folder: GitFolder, env: NodeJS.ProcessEnv = {}, cwd = folder.path) =>
    openRepo({ cwd, env: { ...folder.env, ...env } }).config.jobs;

  test('each source overrides those before it: .dvconfig, system, user, repository, -c, environment', () => {
    using folder = gitFolder();
    expect(jobs(folder)).toBeUndefined();
    folder.write('.dvconfig', '[dv]\n\tjobs = 1\n');
    expect(jobs(folder)).toBe(1);
    const system = {
      GIT_CONFIG_NOSYSTEM: '0',
      GIT_CONFIG_SYSTEM: folder.write('../system', '[dv]\njobs = 2\n'),
    };
    expect(jobs(folder, system)).toBe(2);
    expect(jobs(folder, { ...system, GIT_CONFIG_NOSYSTEM: '1' })).toBe(1);
    folder.write('../home/.config/git/config', '[dv]\njobs = 3\n');
    expect(jobs(folder, system)).toBe(3);
    folder.write('../home/.gitconfig', '[dv]\njobs = 4\n');
    expect(jobs(folder, system)).toBe(4);
    expect(jobs(folder, { GIT_CONFIG_GLOBAL: '' })).toBe(1);
    folder.git(['config', 'dv.jobs', '5']);
    expect(jobs(folder, system)).toBe(5);
    const once = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'dv.jobs', GIT_CONFIG_VALUE_0: '6' };
    expect(jobs(folder, once)).toBe(6);
    expect(jobs(folder, { ...once, DV_JOBS: '7' })).toBe(7);
  });

  test('an empty XDG_CONFIG_HOME is none', () => {
    using folder = gitFolder();
    folder.write('git/config', '[dv]\njobs = 9\n');
    folder.write('../home/.config/git/config', '[dv]\njobs = 3\n');
    expect(jobs(folder, { XDG_CONFIG_HOME: '' })).toBe(3);
  });

  test('included files and worktree settings are read, with git', () => {
    using folder = committed(gitFolder());
    folder.git(['config', 'include.path', folder.write('../included', '[dv]\njobs = 3\n')]);
    expect(jobs(folder)).toBe(3);
    folder.git(['config', '--unset', 'include.path']);
    folder.git(['worktree', 'add', '--quiet', '-b', 'other', '../tree']);
    folder.git(['config', 'extensions.worktreeConfig', 'true']);
    folder.git(['config', '--worktree', 'dv.jobs', '8'], { cwd: folder.at('../tree') });
    expect(jobs(folder, {}, folder.at('../tree'))).toBe(8);
    expect(jobs(folder)).toBeUndefined();
  });

  test('every worktree has its own .dvconfig and shares the repository’s settings and cache', () => {
    using folder = gitFolder();
    folder.write('.dvconfig', '[dv]\n\tjobs = 1\n');
    committed(folder);
    folder.git(['worktree', 'add', '--quiet', '-b', 'other', '../tree']);
    folder.write('../tree/.dvconfig', '[dv]\n\tjobs = 2\n');
    expect(jobs(folder)).toBe(1);
    expect(jobs(folder, {}, folder.at('../tree'))).toBe(2);
    const [main, tree] = [folder.path, folder.at('../tree')].map((cwd) => openRepo({ cwd, env: folder.env }));
    expect(tree!.objectsDir).toBe(main!.objectsDir);
    expect(tree!.temporaryDir).toBe(main!.temporaryDir);
    expect(tree!.indexDir).not.toBe(main!.indexDir);
    folder.git(['config', 'dv.jobs', '4']);
    expect(jobs(folder, {}, folder.at('../tree'))).toBe(4);
  });

  test('the cache is in the git directory, or where only the user may say', () => {
    using folder = gitFolder();
    const objects = (env: NodeJS.ProcessEnv = {}) =>
      openRepo({ cwd: folder.path, env: { ...folder.env, ...env } }).objectsDir;
    expect(objects()).toBe(folder.at('.git/dv/objects'));
    folder.git(['config', 'dv.cache.dir', '~/cache']);
    expect(objects()).toBe(folder.at('../home/cache/objects'));
    expect(objects({ DV_CACHE_DIR: '../shared' })).toBe(folder.at('../shared/objects'));
    expect(objects({ DV_CACHE_DIR: '' })).toBe(folder.at('.git/dv/objects'));
    folder.write('.dvconfig', '[dv "cache"]\n\tdir = /tmp/evil\n');
    expect(() => objects()).toThrow('.dvconfig:2 dv.cache.dir: a tracked file may not choose');
  });

  test('all problems of all files are told at once', () => {
    using folder = gitFolder();
    folder.write('.dvconfig', '[dv]\n\tjbos = 1\n\tjobs = x\n');
    folder.git(['config', 'dv.jobs', 'many']);
    let message = '';
    try {
      openRepo({ cwd: folder.path, env: { ...folder.env, DV_AUTOSTAGE: 'perhaps' } });
    } catch (error) {
      message = (error as Error).message.replaceAll(folder.path, '<work>');
    }
    expect(message).toMatchInlineSnapshot(`
      ".dvconfig:2 dv.jbos: is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile|sse|kmsKeyId|storageClass|pathStyle|anonymous)
      .dvconfig:3 dv.jobs: expected a whole number from 1 to 1024, found "x"
      <work>/.git/config:7 dv.jobs: expected a whole number from 1 to 1024, found "many"
      environment dv.autostage: expected true or false, found "perhaps""
    `);
  });

  test.skipIf(process.getuid?.() === 0)(
    'a config of another user’s home that may not be read is none',
    () => {
      using folder = gitFolder();
      chmodSync(folder.write('../home/.gitconfig', '[dv]\njobs = 4\n'), 0);
      expect(jobs(folder)).toBeUndefined();
    },
  );
});

describe('what a user types', () => {
  function world() {
    const folder = gitFolder();
    const repo = openRepo({ cwd: folder.path, env: folder.env });
    const path = (typed: string, cwd = folder.path) => {
      try {
        return toRepoPath(repo, cwd, typed);
      } catch (error) {
        if (error instanceof DvError)
          return `${error.code}: ${error.message.replaceAll(folder.at('..'), '<above>')}`;
        throw error;
      }
    };
    return { folder, path };
  }

  test('is a path from the top, wherever the user stands', () => {
    const { folder, path } = world();
    using _ = folder;
    mkdirSync(folder.at('data/train'), { recursive: true });
    expect(path('data/train')).toBe('data/train');
    expect(path('data//./train/')).toBe('data/train');
    expect(path('train', folder.at('data'))).toBe('data/train');
    expect(path('../../other', folder.at('data/train'))).toBe('other');
    expect(path(folder.at('data/new'))).toBe('data/new');
    expect(path(`${folder.path}/data/../x/`)).toBe('x');
    expect(path('missing/deep/er')).toBe('missing/deep/er');
    expect(path('-rf')).toBe('-rf');
  });

  test('is one path by whatever links it is reached; a link itself stays a link', () => {
    const { folder, path } = world();
    using _ = folder;
    mkdirSync(folder.at('data/train'), { recursive: true });
    symlinkSync('data', folder.at('link'));
    symlinkSync(folder.path, folder.at('../repo-link'));
    symlinkSync('nowhere', folder.at('dangling'));
    expect(path('link/train')).toBe('data/train');
    expect(path('link/new/deep')).toBe('data/new/deep');
    expect(path('train', folder.at('link'))).toBe('data/train');
    expect(path(folder.at('../repo-link/data/train'))).toBe('data/train');
    expect(path('link')).toBe('link');
    expect(path('dangling')).toBe('dangling');
  });

  test('must be inside the repository, also behind links', () => {
    const { folder, path } = world();
    using _ = folder;
    mkdirSync(folder.at('../outside'));
    symlinkSync('../outside', folder.at('out'));
    symlinkSync('loop', folder.at('loop'));
    expect(path('out')).toBe('out');
    expect([
      path('..'),
      path('../outside'),
      path('/etc/passwd'),
      path('out/x'),
      path('out/new/deep/x'),
      path(`${folder.path}-2/x`),
    ]).toMatchInlineSnapshot(`
      [
        "path-outside: .. is outside the repository <above>/work",
        "path-outside: ../outside is outside the repository <above>/work",
        "path-outside: /etc/passwd is outside the repository <above>/work",
        "path-outside: out/x is outside the repository <above>/work",
        "path-outside: out/new/deep/x is outside the repository <above>/work",
        "path-outside: <above>/work-2/x is outside the repository <above>/work",
      ]
    `);
    expect(path('loop/x')).toBe('loop/x');
  });

  test('must be a valid path below the top, and of this repository', () => {
    const { folder, path } = world();
    using _ = folder;
    folder.git(['init', '--quiet', 'inner/repo']);
    symlinkSync('.', folder.at('here'));
    expect([
      path(''),
      path('.'),
      path(folder.path),
      path('..', folder.at('inner')),
      path('here'),
      path('.git'),
      path('.git/config'),
      path('a/.GIT/x'),
      path('a\0b'),
      path('inner/repo/data/x'),
    ]).toMatchInlineSnapshot(`
      [
        "path-invalid: "" cannot be tracked: it is empty",
        "path-invalid: "." cannot be tracked: it is the top of the repository",
        "path-invalid: "<above>/work" cannot be tracked: it is the top of the repository",
        "path-invalid: ".." cannot be tracked: it is the top of the repository",
        "path-invalid: "here" cannot be tracked: it is the top of the repository",
        "path-invalid: ".git" cannot be tracked: it has a part that names .git",
        "path-invalid: ".git/config" cannot be tracked: it has a part that names .git",
        "path-invalid: "a/.GIT/x" cannot be tracked: it has a part that names .git",
        "path-invalid: "a\\u0000b" cannot be tracked: it contains a NUL byte",
        "path-invalid: "inner/repo/data/x" cannot be tracked: it belongs to another git repository, inner/repo",
      ]
    `);
    expect(path('inner/repo')).toBe('inner/repo');
  });
});
