import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DvError, systemCode } from '../../../core/errors.ts';
import { openGit } from '../../../core/store/git.ts';
import { gitFolder, temporaryFolder } from '../../support/git-folder.ts';

/** What a piece of work throws. */
function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('git’s status, output and errors come back as they are', () => {
  using folder = gitFolder();
  const git = openGit(folder.path, folder.env);
  expect(git.available).toBe(true);
  expect(git.run(['rev-parse', '--show-prefix'])).toEqual({ status: 0, stdout: '\n', stderr: '' });
  expect(git.run(['rev-parse', '--verify', '--quiet', 'HEAD']).status).toBe(1);
  // The empty blob, gitrepository-layout(5).
  const empty = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n';
  expect(git.output(['hash-object', '--stdin'], { input: '' })).toBe(empty);
  expect(git.output(['hash-object', '--stdin'], { input: Buffer.alloc(0) })).toBe(empty);
});

test('a failing git is reported with its command, status and words, in English', () => {
  using folder = gitFolder();
  const git = openGit(folder.path, { ...folder.env, LC_ALL: 'de_DE.UTF-8', LANGUAGE: 'de' });
  const error = thrown(() => git.output(['cat-file', '-p', 'nothing']));
  expect(error).toBeInstanceOf(DvError);
  expect((error as DvError).code).toBe('git-failed');
  expect((error as DvError).message).toContain(
    'git cat-file -p nothing ended with status 128: fatal: Not a valid object name nothing',
  );
});

test('a machine without git is told from a folder that is gone', () => {
  using folder = temporaryFolder();
  const without = openGit(folder.path, { PATH: folder.path });
  expect(without.available).toBe(false);
  expect(thrown(() => without.run(['status']))).toMatchObject({ code: 'git-missing' });

  const gone = folder.at('gone');
  const git = openGit(gone, { PATH: process.env.PATH });
  const error = thrown(() => git.run(['status']));
  expect(error).not.toBeInstanceOf(DvError);
  expect(systemCode(error)).toBe('ENOENT');
});

test('output of many megabytes and odd names comes whole', () => {
  using folder = gitFolder();
  const git = openGit(folder.path, folder.env);
  const big = 'line\n'.repeat(2_000_000);
  const digest = git.output(['hash-object', '-w', '--stdin'], { input: big }).trim();
  expect(git.output(['cat-file', 'blob', digest])).toBe(big);
  folder.write('näme with\nnewline', 'x');
  expect(git.output(['ls-files', '-z', '--others'])).toBe('näme with\nnewline\0');
  rmSync(folder.at('näme with\nnewline'));
});

test('commands that only look take no locks', () => {
  using folder = gitFolder();
  folder.write('file', 'x');
  folder.git(['add', 'file']);
  folder.write('.git/index.lock', '');
  const git = openGit(folder.path, folder.env);
  expect(git.run(['status', '--porcelain']).stdout).toBe('A  file\n');
});
