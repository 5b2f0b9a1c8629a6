import { expect, test } from 'vitest';
import { csvLine } from '../../../core/steps/csv.ts';

test('fields are quoted where RFC 4180 asks for it, and only there', () => {
  expect(csvLine(['a b', 'a,b', 'say "x"', 'two\nlines', '', 1.5])).toBe(
    'a b,"a,b","say ""x""","two\nlines",,1.5\r\n',
  );
});
