import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ignoreNothing, withIgnoreFile } from '../../../core/model/ignore.ts';
import { baseName, parseRepoPath, type RepoPath } from '../../../core/model/repo-path.ts';
import { ensureIgnored, ignoreLineOf, removeIgnored } from '../../../core/store/gitignore.ts';
import { openRepo } from '../../../core/store/repo.ts';
import { anyPath } from '../../support/arbitraries.ts';
import { gitFolder } from '../../support/git-folder.ts';

/** Whether a line of `.gitignore` ignores a name beside it, and only there. */
const ignores = (line: string, path: string) =>
  withIgnoreFile(ignoreNothing, '', `before\n${line}\nbehind\n`).isIgnored(path, false);

test('a tracked path’s line ignores its name, whatever is in it, and no other', () => {
  fc.assert(
    fc.property(anyPath, anyPath, (path, otherPath) => {
      const [name, other] = [baseName(path), baseName(otherPath)];
      const line = ignoreLineOf(path);
      expect(line).not.toContain('\n');
      expect(ignores(line, name)).toBe(true);
      expect(ignores(line, `below/${name}`)).toBe(false);
      expect(ignores(line, `${name}x`)).toBe(false);
      // A line cannot hold a newline; in its place any one character is taken.
      if (!/[\n\r]/.test(name) && other !== 'before' && other !== 'behind') {
        expect(ignores(line, other)).toBe(other === name);
      }
    }),
    { numRuns: 1000 },
  );
});

test('git itself ignores what was made ignored, until it is taken back', () => {
  using folder = gitFolder();
  const repo = openRepo({ cwd: folder.path, env: folder.env });
  const names = [
    'plain',
    '#a',
    '!a',
    'a*b',
    '[x]',
    'end ',
    'end\\',
    'new\nline',
    'cr\r',
    'é',
    'q?',
    '\ttab\t',
  ];
  folder.write('data/.gitignore', '*.log');
  for (const name of names) {
    const path = parseRepoPath(`data/${name}`) as RepoPath;
    folder.write(path);
    expect(ensureIgnored(repo, [path])).toEqual(['data/.gitignore']);
    expect(ensureIgnored(repo, [path, path])).toEqual([]);
  }
  const untracked = () => folder.git(['ls-files', '-z', '--others', '--exclude-standard']);
  expect(untracked()).toBe('data/.gitignore\0');
  for (const name of names) {
    expect(removeIgnored(repo, `data/${name}` as RepoPath)).toBe(true);
    expect(removeIgnored(repo, `data/${name}` as RepoPath)).toBe(false);
  }
  expect(readFileSync(folder.at('data/.gitignore'), 'utf8')).toBe('*.log\n');
  expect(untracked().split('\0').filter(Boolean).length).toBe(names.length + 1);
});

test('a .gitignore with CR LF keeps its line ends', () => {
  using folder = gitFolder();
  const repo = openRepo({ cwd: folder.path, env: folder.env });
  folder.write('.gitignore', 'a\r\nb\r\n');
  ensureIgnored(repo, ['data' as RepoPath]);
  expect(readFileSync(folder.at('.gitignore'), 'utf8')).toBe('a\r\nb\r\n/data\r\n');
  removeIgnored(repo, 'data' as RepoPath);
  expect(readFileSync(folder.at('.gitignore'), 'utf8')).toBe('a\r\nb\r\n');
});
