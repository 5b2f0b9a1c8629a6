import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  baseName,
  comparePaths,
  isDotGit,
  isWithin,
  joinPaths,
  linkProblem,
  parentOf,
  parseRepoPath,
  pathProblem,
} from '../../../core/model/repo-path.ts';
import { anyPath } from '../../support/arbitraries.ts';

describe('valid paths', () => {
  test.each([
    'a',
    'data/train/img 1.png',
    '.gitignore',
    '.github/x',
    'git',
    'git~2',
    'gitfoo',
    '.git-old/x',
    '...',
    '..a',
    'a..',
    'a\nb',
    'a%b',
    'a\\b',
    '\\',
    'C:x',
    'café',
    'cafe\u0301',
    '\u{1f600}.png',
    '\ufeffx',
    '-rf',
    ' ',
  ])('%j', (text) => {
    expect(pathProblem(text)).toBeUndefined();
    expect(parseRepoPath(text)).toBe(text);
  });
});

describe('invalid paths, with the reason', () => {
  test.each([
    ['', 'it is empty'],
    ['/etc/passwd', 'it is absolute'],
    ['/', 'it is absolute'],
    ['a//b', 'it has an empty part'],
    ['a/', 'it has an empty part'],
    ['.', 'it has a part `.` or `..`'],
    ['..', 'it has a part `.` or `..`'],
    ['a/../b', 'it has a part `.` or `..`'],
    ['a/.', 'it has a part `.` or `..`'],
    ['../a', 'it has a part `.` or `..`'],
    ['a\0b', 'it contains a NUL byte'],
    ['a\ud800', 'it is not valid Unicode'],
    ['.git', 'it has a part that names .git'],
    ['a/.GIT/config', 'it has a part that names .git'],
    ['.git.', 'it has a part that names .git'],
    ['.git . .', 'it has a part that names .git'],
    ['.git:stream', 'it has a part that names .git'],
    ['.git::$INDEX_ALLOCATION/config', 'it has a part that names .git'],
    ['git~1', 'it has a part that names .git'],
    ['a/GIT~1/hooks', 'it has a part that names .git'],
    ['GIT~1 .', 'it has a part that names .git'],
    ['.g\u200cit', 'it has a part that names .git'],
    ['\u200d.git', 'it has a part that names .git'],
    ['.git\ufeff', 'it has a part that names .git'],
    ['\u202a.\u202eg\u206ai\u206ft\u200e', 'it has a part that names .git'],
    ['.git\\config', 'it has a part that names .git'],
    ['a\\.git\\config', 'it has a part ".git" once backslashes are taken as slashes, as Windows does'],
    ['a\\..\\..\\b', 'it has a part ".." once backslashes are taken as slashes, as Windows does'],
    ['..\\b', 'it has a part ".." once backslashes are taken as slashes, as Windows does'],
    ['a/b\\.', 'it has a part "." once backslashes are taken as slashes, as Windows does'],
  ])('%j', (text, reason) => {
    expect(pathProblem(text)).toBe(reason);
    expect(parseRepoPath(text)).toBeUndefined();
  });

  test('every code point HFS+ ignores is ignored in .git', () => {
    const ignored = [
      ...[0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e],
      ...[0x206a, 0x206b, 0x206c, 0x206d, 0x206e, 0x206f, 0xfeff],
    ];
    for (const code of ignored) {
      for (let at = 0; at <= 4; at++) {
        const name = `${'.git'.slice(0, at)}${String.fromCharCode(code)}${'.GIT'.slice(at)}`;
        expect(pathProblem(`a/${name}`), JSON.stringify(name)).toBeDefined();
      }
    }
    expect(pathProblem('.g\u200bit')).toBeUndefined();
  });

  test('a hostile name of a million characters is judged at once', () => {
    const start = performance.now();
    expect(isDotGit(`.${'. '.repeat(500_000)}x`)).toBe(false);
    expect(isDotGit(`.git${'. '.repeat(500_000)}`)).toBe(true);
    expect(pathProblem(`g${'\u200c'.repeat(1_000_000)}`)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test('paths are ordered as their UTF-8 bytes', () => {
  const anyText = fc.oneof(
    anyPath,
    fc.string({
      unit: fc.constantFrom(...'ab/\ud7ff\ue000\uffff\u{10000}\u{10ffff}\u{1f600}'),
      maxLength: 6,
    }),
  );
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      expect(Math.sign(comparePaths(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2000 },
  );
});

test('parents, names and joins fit together', () => {
  fc.assert(
    fc.property(anyPath, anyPath, (a, b) => {
      expect(joinPaths(parentOf(a), baseName(a))).toBe(a);
      expect(isWithin(joinPaths(a, b), a)).toBe(true);
      expect(isWithin(a, joinPaths(a, b))).toBe(false);
      expect(isWithin(a, a)).toBe(true);
      expect(isWithin(a, '')).toBe(true);
      expect(isWithin(`${a}x`, a)).toBe(false);
    }),
  );
});

describe('links', () => {
  test.each([
    ['a', 'b'],
    ['a', 'b/c'],
    ['a', './b'],
    ['a', '.'],
    ['d/a', '..'],
    ['d/a', '../b'],
    ['d/a', './../b'],
    ['d/e/a', '../../b/c'],
    ['a', 'x/'],
    ['a', '...'],
    ['a', '..b'],
    ['a', 'b/.../c'],
  ])('%j may lead to %j', (link, target) => expect(linkProblem(link, target)).toBeUndefined());

  test.each([
    ['a', '', 'its target is empty'],
    ['a', '/', 'its target is absolute'],
    ['a', '/etc/passwd', 'its target is absolute'],
    ['a', '//server/x', 'its target is absolute'],
    ['a', 'C:', 'its target is absolute'],
    ['a', 'c:/x', 'its target is absolute'],
    ['a', 'c:x', 'its target is absolute'],
    ['a', '..', 'its target is outside the tracked folder'],
    ['a', '../b', 'its target is outside the tracked folder'],
    ['a', './/../b', 'its target is outside the tracked folder'],
    ['d/a', '../..', 'its target is outside the tracked folder'],
    ['d/a', '../../tracked', 'its target is outside the tracked folder'],
    ['d/e/a', '../../../b', 'its target is outside the tracked folder'],
    ['a', 'b/..', 'its target has `..` behind a name'],
    ['d/a', 'b/../../c', 'its target has `..` behind a name'],
    ['d/a', '../b/./..//c', 'its target has `..` behind a name'],
    ['a', '.git', 'its target names .git'],
    ['a', 'b/.GIT/config', 'its target names .git'],
    ['a', 'git~1/hooks', 'its target names .git'],
    ['d/a', '../.g\u200cit', 'its target names .git'],
    ['a', '..\\b', 'its target has a NUL byte or a backslash'],
    ['a', '\\\\server\\share', 'its target has a NUL byte or a backslash'],
    ['a', 'b\0/../../etc', 'its target has a NUL byte or a backslash'],
  ])('%j may not lead to %j', (link, target, reason) => expect(linkProblem(link, target)).toBe(reason));

  test('no chain of allowed links leaves the folder, whatever they are called', () => {
    const part = fc.constantFrom('a', 'b', 'c', '..', '.', '');
    const anyLink = fc.record({
      path: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
      target: fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/')),
    });
    fc.assert(
      fc.property(fc.array(anyLink, { maxLength: 6 }), (candidates) => {
        const links = new Map<string, string>();
        for (const { path, target } of candidates) {
          // As in a tree: what lies below a link is not also listed.
          const below = path.some((_, depth) => depth > 0 && links.has(path.slice(0, depth).join('/')));
          const above = [...links.keys()].some((other) => other.startsWith(`${path.join('/')}/`));
          if (!below && !above && linkProblem(path.join('/'), target) === undefined) {
            links.set(path.join('/'), target);
          }
        }
        for (const link of links.keys()) expect(leaves(link, links)).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Follows a path as a file system does, part by part, and says whether it ever stands above the top. */
function leaves(path: string, links: ReadonlyMap<string, string>): boolean {
  const todo = path.split('/');
  const at: string[] = [];
  for (let steps = 0; todo.length > 0 && steps < 200; steps++) {
    const part = todo.shift()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length === 0) return true;
      at.pop();
      continue;
    }
    at.push(part);
    const target = links.get(at.join('/'));
    if (target !== undefined) {
      at.pop();
      todo.unshift(...target.split('/'));
    }
  }
  return false;
}
