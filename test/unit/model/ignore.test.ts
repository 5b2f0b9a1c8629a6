import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type IgnoreRules, ignoreNothing, withIgnoreFile } from '../../../core/model/ignore.ts';
import { wildmatch } from '../../../core/model/wildmatch.ts';
import { type GitFolder, gitFolder } from '../../support/git-folder.ts';

/** Whether one file of rules at the top ignores a path; a slash at the end makes it a folder. */
const ignores = (rules: string, path: string) =>
  withIgnoreFile(ignoreNothing, '', rules).isIgnored(path.replace(/\/$/, ''), path.endsWith('/'));

test.each([
  ['*.tmp', 'a.tmp', true],
  ['*.tmp', 'deep/er/a.tmp', true],
  ['*.tmp', 'a.tmpx', false],
  ['build/', 'build/', true],
  ['build/', 'build', false],
  ['build/', 'x/build/', true],
  ['/build', 'x/build', false],
  ['a/b', 'a/b', true],
  ['a/b', 'x/a/b', false],
  ['**/a/b', 'x/a/b', true],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**', 'a/x', true],
  ['a/**', 'a/', false],
  ['a/*', 'a/x/y', false],
  ['*.jpg\n!keep.jpg', 'keep.jpg', false],
  ['!keep.jpg\n*.jpg', 'keep.jpg', true],
  ['# comment', '# comment', false],
  ['\\# file', '# file', true],
  ['\\!file', '!file', true],
  ['a ', 'a', true],
  ['a\\ ', 'a ', true],
  ['a\\  ', 'a ', true],
  ['a\t', 'a', false],
  ['a\r\nb\r\n', 'b', true],
  ['\ufeffa', 'a', true],
  ['[a-c]?', 'b1', true],
  ['[!a-c]', 'b', false],
  ['[[:digit:]]*', '7x', true],
  ['[[:nonsense:]]', 'a', false],
  ['[a', '[a', false],
  ['a\\', 'a\\', false],
  ['', 'a', false],
  ['/', 'a/', false],
  ['!', 'a', false],
  ['é', 'é', true],
  // Bytes, as in git: the letter has two.
  ['?', 'é', false],
  ['??', 'é', true],
])('%j on %j: %j', (rules, path, expected) => expect(ignores(rules, path)).toBe(expected));

test('the example file does what its comments say', () => {
  const example = readFileSync(new URL('../../../.dvcignore.example', import.meta.url), 'utf8');
  for (const path of ['.DS_Store', 'a/b/notes.txt~', 'x/.ipynb_checkpoints/', 'a.part']) {
    expect(ignores(example, path), path).toBe(true);
  }
  const onlyPng = example.replace(/^# (!?previews)/gm, '$1');
  expect(onlyPng).not.toBe(example);
  for (const [path, expected] of [
    ['previews/a.jpg', true],
    ['previews/a.png', false],
    ['previews/deep/', false],
    ['previews/deep/a.png', false],
    ['previews/deep/a.jpg', true],
    ['other/a.jpg', false],
  ] as const) {
    expect(ignores(onlyPng, path), path).toBe(expected);
    expect(ignores(example, path), path).toBe(false);
  }
});

test('a nearer file decides before a farther one', () => {
  const top = withIgnoreFile(ignoreNothing, '', 'build\n*.log\n');
  const near = withIgnoreFile(top, 'data/train', '!build\n/only-here\n');
  expect(near.isIgnored('data/train/build', true)).toBe(false);
  expect(near.isIgnored('data/train/build/x', false)).toBe(false);
  expect(near.isIgnored('data/train/x.log', false)).toBe(true);
  expect(near.isIgnored('data/train/only-here', false)).toBe(true);
  expect(near.isIgnored('data/train/deep/only-here', false)).toBe(false);
  expect(top.isIgnored('data/train/build', true)).toBe(true);
});

test('a file without rules changes nothing', () => {
  expect(withIgnoreFile(ignoreNothing, 'a', '\n# only words\n  \n\r\n')).toBe(ignoreNothing);
});

test('patterns made to take for ever do not', () => {
  const start = performance.now();
  expect(wildmatch(`${'*a'.repeat(60)}b`, 'a'.repeat(250), 'plain')).toBe(false);
  expect(wildmatch(`${'**/a/'.repeat(40)}b`, 'a/'.repeat(120), 'apart')).toBe(false);
  expect(wildmatch(`${'*/**/'.repeat(40)}b`, 'a/'.repeat(120), 'apart')).toBe(false);
  expect(wildmatch(`${'[a]*'.repeat(60)}b`, 'a'.repeat(250), 'apart')).toBe(false);
  expect(performance.now() - start).toBeLessThan(2000);
});

/** Every file and folder our rules ignore, found as a walk does: from the top, not entering what is ignored. */
function ignoredByUs(folder: GitFolder, files: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const visit = (at: string, outer: IgnoreRules, inside: boolean) => {
    const text = files.get(at);
    const rules = text === undefined || inside ? outer : withIgnoreFile(outer, at, text);
    for (const entry of readdirSync(folder.at(at), { withFileTypes: true })) {
      if (entry.name === '.git') continue;
      const path = at === '' ? entry.name : `${at}/${entry.name}`;
      const ignored = inside || rules.isIgnored(path, entry.isDirectory());
      if (ignored) found.push(path);
      if (entry.isDirectory()) visit(path, rules, ignored);
    }
  };
  visit('', ignoreNothing, false);
  return found.sort();
}

/** Of all files and folders, those that git ignores by `.gitignore` files of the same text. */
function ignoredByGit(folder: GitFolder): string[] {
  const paths: string[] = [];
  const visit = (at: string) => {
    for (const entry of readdirSync(folder.at(at), { withFileTypes: true })) {
      if (entry.name === '.git') continue;
      const path = at === '' ? entry.name : `${at}/${entry.name}`;
      paths.push(path);
      if (entry.isDirectory()) visit(path);
    }
  };
  visit('');
  const result = spawnSync('git', ['check-ignore', '--no-index', '-z', '--stdin'], {
    cwd: folder.path,
    env: folder.env,
    input: paths.join('\0'),
    encoding: 'utf8',
  });
  if (result.status !== 0 && result.status !== 1) throw new Error(result.stderr);
  return result.stdout
    .split('\0')
    .filter((path) => path !== '')
    .sort();
}

test('generated rules on generated folders ignore what git check-ignore names', () => {
  const name = fc.constantFrom(
    'a',
    'b',
    'ab',
    'a b',
    'a.x',
    'b.x',
    '.h',
    'é',
    '[a]',
    '!a',
    '#a',
    'a*',
    'a\\b',
    'x ',
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const anyPiece = fc.constantFrom(
    ...[
      'a',
      'b',
      'ab',
      'x',
      '.',
      'é',
      '*',
      '*',
      '**',
      '?',
      '/',
      '/',
      '[ab]',
      '[!a]',
      '[^b]',
      '[a-z]',
      '[]a]',
    ],
    ...[
      '[[:alpha:]]',
      '[[:punct:]]',
      '[[:x:]]',
      '[',
      ']',
      '-',
      '\\',
      '\\a',
      '\\*',
      '\\[',
      '\\ ',
      ' ',
      '#',
      '!',
      '[a',
      '[\\]]',
    ],
  );
  const anyPattern = fc.array(anyPiece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  const likely = fc
    .tuple(
      fc.constantFrom('', '', '!', '/', '!/', '**/'),
      fc.oneof(path, name, fc.constantFrom('*', '*.x', 'a*', '**')),
      fc.constantFrom('', '', '/', '/*', '/**', ' ', '  ', '\\ '),
    )
    .map((parts) => parts.join(''));
  const rules = fc
    .tuple(
      fc.constantFrom('', '', '\ufeff'),
      fc.array(fc.oneof(anyPattern, { weight: 2, arbitrary: likely }), { maxLength: 5 }),
      fc.constantFrom('\n', '\n', '\r\n'),
      fc.constantFrom('', '\n'),
    )
    .map(([mark, lines, newline, end]) => `${mark}${lines.join(newline)}${end}`);
  const scene = fc.record({
    paths: fc.array(path, { minLength: 3, maxLength: 14 }),
    top: rules,
    nested: fc.array(fc.tuple(fc.nat(), rules), { maxLength: 3 }),
  });
  let ignored = 0;
  let kept = 0;
  using folder = gitFolder();
  fc.assert(
    fc.property(scene, ({ paths, top, nested }) => {
      for (const old of readdirSync(folder.path)) {
        if (old !== '.git') rmSync(folder.at(old), { recursive: true });
      }
      const isFolder = (candidate: string) => paths.some((other) => other.startsWith(`${candidate}/`));
      for (const each of paths) if (!isFolder(each)) folder.write(each);
      const folders = [...new Set(paths.flatMap((each) => foldersAbove(each)))];
      const files = new Map([['', top]]);
      for (const [where, text] of nested) {
        if (folders.length > 0) files.set(folders[where % folders.length]!, text);
      }
      for (const [at, text] of files) folder.write(at === '' ? '.gitignore' : `${at}/.gitignore`, text);
      const ours = ignoredByUs(folder, files);
      expect(ours).toEqual(ignoredByGit(folder));
      ignored += ours.length;
      kept += paths.length;
    }),
    { numRuns: 150 },
  );
  expect(ignored).toBeGreaterThan(200);
  expect(kept).toBeGreaterThan(200);
});

function foldersAbove(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}
