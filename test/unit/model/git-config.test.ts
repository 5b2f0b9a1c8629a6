import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DvError } from '../../../core/errors.ts';
import { type ConfigEntry, parseGitConfig } from '../../../core/model/git-config.ts';
import { temporaryFolder } from '../../support/git-folder.ts';

const parse = (text: string) => parseGitConfig(text, '.dvconfig');
/** `key=value@line` of each entry. */
const short = (entries: readonly ConfigEntry[]) =>
  entries.map(({ key, value, line, valueless }) => `${key}${valueless ? '' : `=${value}`}@${line}`);

test('sections, subsections, comments, quotes, escapes and continued lines are read', () => {
  const text = String.raw`; a comment
[dv]
	defaultRemote = origin # another
	Jobs=4
	flag
[dv "remote.Origin"] url = s3://bucket/prefix
[DV "Cache \"quoted\" \\ \x"]
	dir = "  kept  " dropped-space-before   ${''}
	long = first \
	  second
	escapes = a\tb\nc\\d\"e"# ;"
	empty =
[section.Dotted.Old]
	x = 1
`;
  expect(short(parse(text))).toEqual([
    'dv.defaultremote=origin@3',
    'dv.jobs=4@4',
    'dv.flag@5',
    'dv.remote.Origin.url=s3://bucket/prefix@6',
    'dv.Cache "quoted" \\ x.dir=  kept   dropped-space-before@8',
    'dv.Cache "quoted" \\ x.long=first \t  second@9',
    'dv.Cache "quoted" \\ x.escapes=a\tb\nc\\d"e# ;@11',
    'dv.Cache "quoted" \\ x.empty=@12',
    'section.dotted.old.x=1@14',
  ]);
});

test('files with a byte order mark, CR LF, no final newline or nothing are read', () => {
  expect(short(parse('\ufeff[a]\r\nb = c\r\nd = e \\\r\n f\r\n'))).toEqual(['a.b=c@2', 'a.d=e  f@3']);
  expect(short(parse('[a]\nb = c'))).toEqual(['a.b=c@2']);
  expect(short(parse('[a]b'))).toEqual(['a.b@1']);
  expect(parse('')).toEqual([]);
  expect(parse('\n\n# only this')).toEqual([]);
});

test('what git refuses is refused with line and what was expected', () => {
  const broken = [
    '[a]\n[b',
    '[a]\n[b c]\n',
    '[a]\n[b "c]\nd = e\n',
    '[a]\n[b "c"\nd = e\n',
    '[a "b" ]\n',
    '[a_b]\n',
    '[a]\n1b = c\n',
    '[a]\n= c\n',
    '[a]\nb_c = d\n',
    '[a]\nb c\n',
    '[a]\nb # comment\n',
    '[a]\nb = "c\nd = e\n',
    '[a]\nb = \\x\n',
    '[a]\nb = "c \\q"\n',
    '<<<<<<< HEAD\n[a]\n',
    '{ "a": 1 }\n',
    'a: b\n',
  ];
  const refusals = broken.map((text) => {
    try {
      return `accepted: ${JSON.stringify(text)}`.concat(String(parse(text).length));
    } catch (error) {
      if (error instanceof DvError) return error.message;
      throw error;
    }
  });
  expect(refusals.join('\n')).toMatchInlineSnapshot(`
    ".dvconfig:2: expected \`[section]\` or \`[section "subsection"]\`
    .dvconfig:2: expected \`[section "subsection"]\`
    .dvconfig:2: expected a closing quote after the subsection
    .dvconfig:2: expected \`]\` after the subsection
    .dvconfig:1: expected \`]\` after the subsection
    .dvconfig:1: expected \`[section]\` or \`[section "subsection"]\`
    .dvconfig:2: expected \`[section]\` or \`key = value\`, found "1"
    .dvconfig:2: expected \`[section]\` or \`key = value\`, found "="
    .dvconfig:2: expected \`=\` or the end of the line after "b"
    .dvconfig:2: expected \`=\` or the end of the line after "b"
    .dvconfig:2: expected \`=\` or the end of the line after "b"
    .dvconfig:2: expected a closing quote
    .dvconfig:2: "\\\\x" is no escape git knows
    .dvconfig:2: "\\\\q" is no escape git knows
    .dvconfig:1: expected \`[section]\` or \`key = value\`, found "<"
    .dvconfig:1: expected \`[section]\` or \`key = value\`, found "{"
    .dvconfig:1: expected \`=\` or the end of the line after "a""
  `);
});

// From 2.45 on git keeps white space inside a value as it is; before, each tab became a space.
const [, major, minor] = /(\d+)\.(\d+)/.exec(spawnSync('git', ['--version']).stdout.toString())!.map(Number);
const keepsTabs = major! > 2 || (major === 2 && minor! >= 45);

test('generated files are read as git reads them', () => {
  using folder = temporaryFolder();
  const file = folder.at('config');
  const blank = fc.constantFrom('', ' ', '  ', ...(keepsTabs ? ['\t', ' \t '] : []));
  const word = fc.string({
    unit: fc.constantFrom(...'abzAZ09.-_/:é\u{1f600}=[]'),
    minLength: 1,
    maxLength: 6,
  });
  const piece = fc.oneof(
    { weight: 40, arbitrary: word },
    {
      weight: 20,
      arbitrary: fc.constantFrom(
        ' ',
        '  ',
        '\\\\',
        '\\"',
        '\\n',
        '\\t',
        '\\b',
        '\\\n',
        '\\\n  ',
        '#',
        ';',
        '\\q',
        ...(keepsTabs ? ['\t', '\r'] : []),
      ),
    },
    {
      weight: 10,
      arbitrary: fc
        .array(fc.oneof(word, fc.constantFrom(' ', '\t', '#', ';', '\\"', '\\n', '\\\n')), { maxLength: 4 })
        .map((parts) => `"${parts.join('')}"`),
    },
    { weight: 1, arbitrary: fc.constant('"') },
  );
  const value = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
  const name = fc
    .string({ unit: fc.constantFrom(...'abzAZ09-'), minLength: 1, maxLength: 5 })
    .map((text) => `k${text}`);
  const end = fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n', ' # comment\n', ' ; comment\n');
  const assignment = fc.tuple(blank, name, blank, fc.option(value), end).map(
    // A comment behind a key without a value is an error: keep most files good.
    ([indent, key, gap, text, newline]) =>
      text === null
        ? `${indent}${key}${gap}${newline.replace(/^ [#;] comment/, '')}`
        : `${indent}${key}${gap}=${gap}${text}${newline}`,
  );
  const subsection = fc
    .array(fc.oneof(word, fc.constantFrom('\\"', '\\\\', '\\x', ' ', '.', '#', '\t')), { maxLength: 4 })
    .map((parts) => parts.join(''));
  const section = fc.oneof(
    fc.constantFrom('[dv]', '[Dv]', '[dv.Sub]', '[a-b]', '[x.y.Z]', '[dv ""]'),
    fc.tuple(fc.constantFrom(' ', '  ', '\t'), subsection).map(([gap, text]) => `[dv${gap}"${text}"]`),
  );
  const heading = fc
    .tuple(section, fc.constantFrom('\n', '\n', ' ', ' ; comment\n'))
    .map((parts) => parts.join(''));
  const noise = fc.constantFrom('\n', '# comment "\n', '  ; comment [x]\n', '\t\n', '\r\n');
  const text = fc
    .tuple(
      fc.constantFrom('', '', '\ufeff'),
      heading,
      fc.array(fc.oneof({ weight: 6, arbitrary: assignment }, heading, noise), { maxLength: 10 }),
      fc.boolean(),
    )
    .map(([mark, first, rest, cut]) => {
      const whole = `${mark}${first}${rest.join('')}`;
      return cut ? whole.replace(/\n$/, '') : whole;
    });
  let good = 0;
  let bad = 0;
  fc.assert(
    fc.property(text, (config) => {
      folder.write('config', config);
      const git = spawnSync('git', ['config', '--file', file, '--list', '-z'], {
        env: { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', HOME: folder.path },
      });
      let ours: ConfigEntry[];
      try {
        ours = parse(config);
      } catch (error) {
        expect(error).toBeInstanceOf(DvError);
        bad++;
        expect(git.status).not.toBe(0);
        return;
      }
      good++;
      expect(git.stderr.toString()).toBe('');
      expect(ours.map((entry) => `${entry.key}${entry.valueless ? '' : `\n${entry.value}`}\0`).join('')).toBe(
        git.stdout.toString(),
      );
    }),
    { numRuns: 400 },
  );
  // Neither side of the comparison is empty.
  expect(good).toBeGreaterThan(100);
  expect(bad).toBeGreaterThan(10);
});
