import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { csvTable, markdownTable, plainTable, sentenceFor } from '../../../cli/report/metrics-table.ts';
import { remembering } from '../../../cli/report/width.ts';
import type { Table } from '../../../core/metrics/table.ts';

const revision = (
  name: string,
  digit: string,
  files: number,
  date: string | null = '2026-11-19T10:00:00Z',
) => ({
  name,
  commit: date === null ? null : digit.repeat(40),
  date,
  subject: date === null ? null : 'work',
  dataDigests: { 'data/train': `sha256:${digit.repeat(64)}` },
  dataFiles: { 'data/train': files },
});

const table: Table = {
  revs: [
    revision('main', 'a', 2880),
    revision('data/clean-v2', 'b', 3168, '2026-11-21T07:00:00Z'),
    revision('workspace', 'a', 2880, null),
  ],
  rows: [
    { file: 'metrics/evaluate.json', key: 'accuracy', better: 'higher', values: [0.912, 0.9341, 0.899] },
    { file: 'metrics/evaluate.json', key: 'loss', better: 'lower', values: [0.312, 0.2705, 0.355] },
    { file: 'metrics/evaluate.json', key: 'classes.日本.f1', better: 'higher', values: [0.5, null, 0.5] },
    { file: 'metrics/evaluate.json', key: 'images', values: [1000, 1000, 1000] },
    { file: 'metrics/train.json', key: 'epochs', values: [20, 25, 20] },
  ],
  problems: [],
};

const options = {
  all: false,
  compare: true,
  now: new Date('2026-11-21T12:00:00Z'),
  measure: remembering(stringWidth),
};

describe('a comparison as aligned text', () => {
  it('shows data beside scores, marks the best, and says what is hidden', () => {
    expect(plainTable(table, options)).toMatchInlineSnapshot(`
      "                        main             data/clean-v2       workspace
                              aaaaaaa 2 days   bbbbbbb 5 hours
      data
        data/train            aaaaaa 2,880     bbbbbb 3,168 +288   aaaaaa 2,880
      metrics/evaluate.json
        accuracy              0.9120          *0.9341 ▲0.0221      0.8990 ▼0.0130
        loss                  0.3120          *0.2705 ▼0.0415      0.3550 ▲0.0430
        classes.日本.f1       0.5000                —              0.5000
      metrics/train.json
        epochs                    20               25 ▲5               20

      * best · ▲▼ against main · 1 equal row hidden (--all shows)"
    `);
  });
  it('shows every row when asked', () => {
    const text = plainTable(table, { ...options, all: true, compare: false });
    expect(text).toMatchInlineSnapshot(`
      "                        main             data/clean-v2     workspace
                              aaaaaaa 2 days   bbbbbbb 5 hours
      data
        data/train            aaaaaa 2,880     bbbbbb 3,168      aaaaaa 2,880
      metrics/evaluate.json
        accuracy              0.9120          *0.9341            0.8990
        loss                  0.3120          *0.2705            0.3550
        classes.日本.f1       0.5000                —            0.5000
        images                  1000             1000              1000
      metrics/train.json
        epochs                    20               25                20

      * best"
    `);
  });
  it('goes on below when the terminal is narrow, with the baseline first in each part', () => {
    const text = plainTable(table, { ...options, width: 64 });
    for (const line of text.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(64);
    const headers = text.split('\n').filter((line) => /^ +main/.test(line));
    expect(headers.map((line) => line.trim().split(/ +/))).toEqual([
      ['main', 'data/clean-v2'],
      ['main', 'workspace'],
    ]);
  });
  it('never lets a name break the screen', () => {
    const hostile: Table = {
      ...table,
      revs: [revision('a\u001b[2J\nb\u202e', 'a', 1), revision('x'.repeat(300), 'b', 2)],
      rows: [{ file: 'metrics/\u001b]0;pwn\u0007x.json', key: 'k\n2', values: [1, 2] }],
    };
    const text = plainTable(hostile, options);
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(120);
    expect(text).toContain('a\\x0ab\\u202e');
  });
});

it('says in one sentence when there is nothing to show', () => {
  const same = {
    ...table,
    revs: [table.revs[0]!, table.revs[2]!],
    rows: [{ file: 'm', key: 'k', values: [1, 1] }],
  };
  expect(sentenceFor(same, 'metrics')).toBe('No difference between main and workspace (1 metric compared).');
  expect(sentenceFor({ ...same, revs: [table.revs[0]!] }, 'metrics')).toBe(
    'No difference between main and the workspace (1 metric compared). --all-branches compares branches.',
  );
  expect(sentenceFor({ ...table, rows: [] }, 'metrics')).toMatch(/^No metrics in 3 revisions\./);
  expect(sentenceFor({ ...table, rows: [] }, 'params')).toBe('No params.yaml in 3 revisions.');
  expect(sentenceFor(table, 'metrics')).toBeUndefined();
  const onlyData = { ...table, rows: [{ file: 'm', key: 'k', values: [1, 1, 1] }] };
  expect(sentenceFor(onlyData, 'metrics')).toBeUndefined();
});

it('is a Markdown table without markup from the repository', () => {
  expect(markdownTable(table, options)).toMatchInlineSnapshot(`
    "|  | main | data/clean-v2 | workspace |
    |:--|--:|--:|--:|
    | commit | aaaaaaa | bbbbbbb |  |
    | **data** |  |  |  |
    | data/train | aaaaaa 2,880 | bbbbbb 3,168 +288 | aaaaaa 2,880 |
    | **metrics/evaluate.json** |  |  |  |
    | accuracy | 0.9120 | **0.9341** ▲0.0221 | 0.8990 ▼0.0130 |
    | loss | 0.3120 | **0.2705** ▼0.0415 | 0.3550 ▲0.0430 |
    | classes.日本.f1 | 0.5000 | — | 0.5000 |
    | **metrics/train.json** |  |  |  |
    | epochs | 20 | 25 ▲5 | 20 |"
  `);
  const hostile = {
    ...table,
    rows: [{ file: 'm', key: '<img src=x>|[a](b) @team', values: ['*x*', 'y', 'z'] }],
  };
  expect(markdownTable(hostile, options).split('\n').at(-1)).toBe(
    '| \\<img src=x\\>\\|\\[a\\](b) @team | \\*x\\* | y | z |',
  );
});

it('is CSV with full precision that no spreadsheet runs', () => {
  const rows = [
    { file: 'm.json', key: 'a,"b"', values: [0.1 + 0.2, null, 1] },
    { file: 'm.json', key: '=HYPERLINK("x")', values: ['@x', '-1', 'y'] },
    { file: 'm.json', key: 'same', values: [1, 1, 1] },
  ];
  expect(csvTable({ ...table, rows }, { all: false })).toMatchInlineSnapshot(`
    "file,key,main,data/clean-v2,workspace
    data/train,digest,sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    data/train,files,2880,3168,2880
    m.json,"a,""b""",0.30000000000000004,,1
    m.json,"'=HYPERLINK(""x"")",'@x,'-1,y"
  `);
});
