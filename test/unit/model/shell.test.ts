import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import { restoreCommand, shellWord } from '../../../core/model/shell.ts';

test.each([
  'data/train/a.png',
  'with space',
  "it's",
  '$HOME `x` "y" \\ *',
  'new\nline',
  "tab\tand 'quote' \\",
  'turned\u202eround',
  'é ☃',
  '',
])('bash reads %j back as it was', (word) => {
  const read = execFileSync('bash', ['-c', `printf '%s' ${shellWord(word)}`], { encoding: 'utf8' });
  expect(read).toBe(word);
  expect(shellWord(word)).not.toMatch(/[\n\u202e]/);
});

test('a restore command names the object, and the path from where the user stands', () => {
  const digest = digestOf('x');
  expect(restoreCommand({ path: 'd/a b', digest }, true)).toBe(
    `dv restore --object ${digest.slice(7, 23)} 'd/a b'`,
  );
  expect(restoreCommand({ path: 'd/a', digest, mode: 'x' }, false)).toBe(
    `dv restore --object ${digest.slice(7, 23)} --as executable :/d/a`,
  );
  expect(restoreCommand({ path: '-x', digest }, true)).toMatch(/ :\/-x$/);
});
