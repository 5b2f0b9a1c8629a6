import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DvError } from '../../../core/errors.ts';
import {
  formatPointer,
  looksLikePointer,
  type Pointer,
  parsePointer,
  parseTrackedPath,
  pointerPathOf,
  trackedPathOf,
} from '../../../core/model/pointer.ts';
import { anyDigest, anyPath, anySize } from '../../support/arbitraries.ts';

const anyPointer: fc.Arbitrary<Pointer> = fc.oneof(
  fc.record({ kind: fc.constant('file'), digest: anyDigest, bytes: anySize }),
  fc.record({ kind: fc.constant('tree'), digest: anyDigest, files: anySize, bytes: anySize }),
);

const hex = '3f0a'.repeat(16);
const file = `version: 1\nkind: file\ndigest: sha256:${hex}\nbytes: 31457280\n`;
const tree = `version: 1\nkind: tree\ndigest: sha256:${hex}\nfiles: 2880\nbytes: 31457280\n`;

/** What a text is refused with. */
function refusal(text: string): string {
  try {
    parsePointer(text, 'data/train.dv');
  } catch (error) {
    if (error instanceof DvError) return error.message;
    throw error;
  }
  return 'accepted';
}

test('a pointer reads back as it was written, and has one encoding', () => {
  fc.assert(
    fc.property(anyPointer, (pointer) => {
      const text = formatPointer(pointer);
      expect(parsePointer(text, 'x.dv')).toEqual(pointer);
      expect(looksLikePointer(text)).toBe(true);
    }),
  );
  expect(formatPointer(parsePointer(tree, 'x.dv'))).toBe(tree);
  expect(formatPointer(parsePointer(file, 'x.dv'))).toBe(file);
});

test('any change of one character is refused, or reads as another pointer with the changed text', () => {
  fc.assert(
    fc.property(
      anyPointer,
      fc.nat(),
      fc.constantFrom('', ' ', '\n', '\r', '0', 'x', '\t', '#', '\ufeff', '\0', ':'),
      (pointer, where, instead) => {
        const text = formatPointer(pointer);
        const at = where % text.length;
        const changed = text.slice(0, at) + instead + text.slice(at + 1);
        let read: Pointer;
        try {
          read = parsePointer(changed, 'x.dv');
        } catch (error) {
          expect(error).toBeInstanceOf(DvError);
          return;
        }
        expect(formatPointer(read)).toBe(changed);
      },
    ),
    { numRuns: 2000 },
  );
});

describe('malformed pointers', () => {
  const malformed: [string, string][] = [
    ['empty', ''],
    ['cut after the version', 'version: 1\n'],
    ['unknown key', tree.replace('bytes', 'size')],
    ['key of a tree in a file', file.replace('bytes', 'files: 3\nbytes')],
    ['missing files', tree.replace('files: 2880\n', '')],
    ['wrong order', tree.replace(/(files.*\n)(bytes.*\n)/, '$2$1')],
    ['twice the same key', tree.replace('bytes', 'bytes: 1\nbytes')],
    ['unknown kind', tree.replace('tree', 'folder')],
    ['kind with a space behind', tree.replace('tree', 'tree ')],
    ['digest in upper case', tree.replace('3f0a', '3F0A')],
    ['digest too short', tree.replace('3f0a', '')],
    ['digest of another algorithm', tree.replace('sha256', 'blake3')],
    ['leading zero', tree.replace('2880', '02880')],
    ['negative', tree.replace('2880', '-1')],
    ['fraction', tree.replace('2880', '2880.0')],
    ['exponent', tree.replace('2880', '3e3')],
    ['number above 2^53 - 1', tree.replace('2880', '9007199254740992')],
    ['number of 400 digits', tree.replace('2880', '9'.repeat(400))],
    ['empty value', tree.replace('2880', '')],
    ['no final newline', tree.trimEnd()],
    ['two final newlines', `${tree}\n`],
    ['something behind', `${tree}note: mine\n`],
    ['a comment', tree.replace('kind', '# mine\nkind')],
    ['CR LF', tree.replaceAll('\n', '\r\n')],
    ['trailing space', tree.replace('1\n', '1 \n')],
    ['two spaces', tree.replace('kind: ', 'kind:  ')],
    ['byte order mark', `\ufeff${tree}`],
    ['not UTF-8', Buffer.from(tree.replace('tree', 'tr\xe9e'), 'latin1').toString()],
    ['NUL', tree.replace('tree', 'tree\0')],
    ['newer version', tree.replace('version: 1', 'version: 2')],
    ['much newer version', 'version: 10\nanything: goes\n'],
    ['version 0', tree.replace('version: 1', 'version: 0')],
    ['version 01', tree.replace('version: 1', 'version: 01')],
    ['merge conflict', `version: 1\nkind: tree\n<<<<<<< HEAD\ndigest: a\n=======\ndigest: b\n>>>>>>> x\n`],
    ['escape codes', tree.replace('2880', '\u001b[31m\u009b31m\u202e1')],
  ];

  test('are refused with line and what was expected', () => {
    const refusals = malformed.map(([what, text]) => `${what} => ${refusal(text)}`);
    expect(refusals.join('\n')).toMatchInlineSnapshot(`
      "empty => data/train.dv:1: expected \`version: …\`, found the end
      cut after the version => data/train.dv:2: expected \`kind: …\`, found the end
      unknown key => data/train.dv:5: expected \`bytes: …\`, found "size: 31457280"
      key of a tree in a file => data/train.dv:4: expected \`bytes: …\`, found "files: 3"
      missing files => data/train.dv:4: expected \`files: …\`, found "bytes: 31457280"
      wrong order => data/train.dv:4: expected \`files: …\`, found "bytes: 31457280"
      twice the same key => data/train.dv:6: expected the end, found "bytes: 31457280"
      unknown kind => data/train.dv:2: expected \`kind: file\` or \`kind: tree\`, found "folder"
      kind with a space behind => data/train.dv:2: expected \`kind: file\` or \`kind: tree\`, found "tree "
      digest in upper case => data/train.dv:3: expected \`sha256:\` and 64 lower-case hex digits, found "sha256:3F0A3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a"
      digest too short => data/train.dv:3: expected \`sha256:\` and 64 lower-case hex digits, found "sha256:3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a"
      digest of another algorithm => data/train.dv:3: expected \`sha256:\` and 64 lower-case hex digits, found "blake3:3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a3f0a"
      leading zero => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "02880"
      negative => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "-1"
      fraction => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "2880.0"
      exponent => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "3e3"
      number above 2^53 - 1 => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "9007199254740992"
      number of 400 digits => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999…"
      empty value => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found ""
      no final newline => data/train.dv:5: expected a newline at the end
      two final newlines => data/train.dv:6: expected the end, found ""
      something behind => data/train.dv:6: expected the end, found "note: mine"
      a comment => data/train.dv:2: expected \`kind: …\`, found "# mine"
      CR LF => data/train.dv:1: expected the line to end in LF alone, found CR LF
      trailing space => data/train.dv:1: expected \`version: 1\`, found "1 "
      two spaces => data/train.dv:2: expected \`kind: file\` or \`kind: tree\`, found " tree"
      byte order mark => data/train.dv:1: expected \`version: …\`, found a byte order mark before it
      not UTF-8 => data/train.dv:2: expected \`kind: file\` or \`kind: tree\`, found "tr�e"
      NUL => data/train.dv:2: expected \`kind: file\` or \`kind: tree\`, found "tree\\u0000"
      newer version => data/train.dv has format version 2, which this dv does not know
      much newer version => data/train.dv has format version 10, which this dv does not know
      version 0 => data/train.dv:1: expected \`version: 1\`, found "0"
      version 01 => data/train.dv:1: expected \`version: 1\`, found "01"
      merge conflict => data/train.dv:3: git left a merge conflict here
      escape codes => data/train.dv:4: expected a whole number up to 9007199254740991 after \`files: \`, found "\\u001b[31m\\u009b31m\\u202e1""
    `);
  });

  test('in long lines and conflicts are told in few words', () => {
    expect(refusal(`<<<<<<< HEAD\n${tree}=======\n${file}>>>>>>> other\n`)).toMatchInlineSnapshot(
      `"data/train.dv:1: git left a merge conflict here"`,
    );
    expect(refusal(tree.replace('tree', 'x'.repeat(5000))).length).toBeLessThan(250);
  });
});

test('files of other programs are told from pointers by how they begin', () => {
  for (const text of ['version: 1\n', 'version: 99', '<<<<<<< HEAD\n', '\ufeffversion: 1\n']) {
    expect(looksLikePointer(text)).toBe(true);
  }
  for (const text of ['', '\u001f\u0007\0?', 'version:1', 'Version: 1', ' version: 1', '# version: 1']) {
    expect(looksLikePointer(text)).toBe(false);
  }
});

test('a tracked path and its pointer file lead to each other', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      expect(trackedPathOf(pointerPathOf(path))).toBe(path);
      expect(parseTrackedPath(pointerPathOf(path))).toBe(path);
    }),
  );
});

test.each([
  '...dv',
  '..dv',
  '.dv',
  '.git.dv',
  'a/.GIT.dv',
  'git~1.dv',
  'a/...dv',
  '.git .dv',
  '../x.dv',
  '/x.dv',
  'x.DV',
  'x.dv/',
])('%j is no pointer file of anything', (name) => expect(parseTrackedPath(name)).toBeUndefined());
