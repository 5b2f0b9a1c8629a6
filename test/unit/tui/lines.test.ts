import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { divider, gap, type Layout, layoutOf } from '../../../cli/tui/layout.ts';
import { linesOf, settled } from '../../../cli/tui/lines.ts';
import { toAnsi, toText } from '../../../cli/tui/spans.ts';
import { createView, initialState, press, type Size, type View } from '../../../cli/tui/state.ts';
import type { Table } from '../../../core/metrics/table.ts';
import { hostileTable, now, threeBranches } from './world.ts';

/** The screen after some keys. */
function frame(view: View, size: Size, keys: readonly string[] = [], changedOnly = true) {
  let state = settled(view, initialState(view, size, changedOnly), size);
  for (const key of keys) state = settled(view, press(view, state, key, size), size);
  return linesOf(view, state, size);
}
const text = (...args: Parameters<typeof frame>) =>
  frame(...args)
    .map((line) => toText(line).trimEnd())
    .join('\n');

const view = createView(threeBranches(), 'dv metrics diff', now);
const small = { width: 80, height: 24 };

describe('the screen', () => {
  it('shows branches as columns, data beside scores, and what differs', () => {
    expect(text(view, small)).toMatchInlineSnapshot(`
      "dv metrics diff   3 revisions   baseline data/v1-raw   2 equal hidden
                          ●data/v1-raw    │ data/v2-clean         data/v3-augmented
                           aaaaaaa 2d     │ bbbbbbb 5h            ccccccc now
                           raw scans as … │ labels repaired, u…   balanced and augme…
      ▾ data
        data/train         aaaa 600       │ bbbb 720 +120         cccc 3,000 +2,400
      ▾ metrics/evaluate.json
        accuracy           0.6650         │ 0.8490 ▲0.1840       *0.9312 ▲0.2662
        loss               1.0932         │ 0.4822 ▼0.6110       *0.2291 ▼0.8641
        ▸ classes f1 (10)                 │ 10▲                   9▲ 1▼
      ▾ metrics/train.json
        best_epoch              6         │      —                     5 ▼1
      ▾ params.yaml
        model              resnet50       │ resnet50              resnet18







      accuracy of data/v2-clean: 0.8490, 2nd of 3, ▲0.1840 (+27.7%) against data/v1-r…
      hjkl move  m baseline  s sort  / filter  u all rows  d percent  ? keys  q quit"
    `);
  });
  it('shows all rows with u, unfolds a group with Tab, and measures by another branch with m', () => {
    expect(
      text(view, { width: 100, height: 30 }, ['u', 'j', 'j', 'j', 'Tab', 'l', 'm']),
    ).toMatchInlineSnapshot(`
      "dv metrics diff   3 revisions   baseline data/v3-augmented
                          ●data/v3-augmented        │ data/v1-raw                data/v2-clean
                           ccccccc now              │ aaaaaaa 2d                 bbbbbbb 5h
                           balanced and augmented … │ raw scans as collected     labels repaired, unread…
      ▾ data
        data/test          eeee 1,000               │ eeee 1,000                 eeee 1,000
        data/train         cccc 3,000               │ aaaa 600 −2,400            bbbb 720 −2,280
      ▾ metrics/evaluate.json
        accuracy          *0.9312                   │ 0.6650 ▼0.2662             0.8490 ▼0.0822
        loss              *0.2291                   │ 1.0932 ▲0.8641             0.4822 ▲0.2531
        images               1000                   │   1000                       1000
        ▾ classes f1 (10)                           │
          0               *0.8000                   │ 0.6000 ▼0.2000             0.7000 ▼0.1000
          1               *0.8100                   │ 0.6100 ▼0.2000             0.7100 ▼0.1000
          2               *0.8200                   │ 0.6200 ▼0.2000             0.7200 ▼0.1000
          3                0.5800                   │ 0.6300 ▲0.0500            *0.7300 ▲0.1500
          4               *0.8400                   │ 0.6400 ▼0.2000             0.7400 ▼0.1000
          5               *0.8500                   │ 0.6500 ▼0.2000             0.7500 ▼0.1000
          6               *0.8600                   │ 0.6600 ▼0.2000             0.7600 ▼0.1000
          7               *0.8700                   │ 0.6700 ▼0.2000             0.7700 ▼0.1000
          8               *0.8800                   │ 0.6800 ▼0.2000             0.7800 ▼0.1000
          9               *0.8900                   │ 0.6900 ▼0.2000             0.7900 ▼0.1000
      ▾ metrics/train.json
        best_epoch              5                   │      6 ▲1                       —
      ▾ params.yaml
        model              resnet18                 │ resnet50                   resnet50

      classes f1: 10 rows
      hjkl move  m baseline  s sort  / filter  u only changed  d percent  Tab fold  n next  ? keys  q quit"
    `);
  });
  it('widens columns for subjects where there is room, but shows no branch less for them', () => {
    const untitled = (table: Table): Table => ({
      ...table,
      revs: table.revs.map((revision) => ({ ...revision, subject: null })),
    });
    const used = ({ label, baseline, column, fitting }: Layout) =>
      label + baseline + 1 + divider.length + fitting * (column + gap) - gap;
    for (const table of [threeBranches(), hostileTable(40)]) {
      const views = [table, untitled(table)].map((each) => createView(each, 'dv metrics diff', now));
      for (let width = 34; width <= 240; width++) {
        const [titled, bare] = views.map((each) => layoutOf(each, { baseline: 0 }, { width, height: 24 }));
        expect(titled!.fitting).toBe(bare!.fitting);
        expect(used(titled!)).toBeLessThanOrEqual(Math.max(width, used(bare!)));
      }
    }
    expect(text(view, { width: 120, height: 24 })).toMatch(
      /raw scans as collected +│ labels repaired, unreadable …/,
    );
  });
  it('shows percent, or values alone', () => {
    expect(text(view, small, ['d'])).toMatch(/accuracy +0\.6650 +│ +0\.8490 \+27\.7% +\*0\.9312 \+40\.0%/);
    expect(text(view, small, ['d', 'd'])).toMatch(/accuracy +0\.6650 +│ +0\.8490 +\*0\.9312$/m);
  });
  it('sorts the branches by a row, best first, then worst first', () => {
    const names = (keys: string[]) =>
      /●.*/.exec(text(view, { width: 120, height: 24 }, keys))![0].split(/[ │]+/);
    expect(names([])).toEqual(['●data/v1-raw', 'data/v2-clean', 'data/v3-augmented']);
    expect(names(['s'])).toEqual(['●data/v1-raw', 'data/v3-augmented', 'data/v2-clean']);
    expect(names(['s', 's'])).toEqual(['●data/v1-raw', 'data/v2-clean', 'data/v3-augmented']);
    expect(names(['j', 's', 'S'])).toEqual(['●data/v1-raw', 'data/v2-clean', 'data/v3-augmented']);
    expect(text(view, { width: 120, height: 24 }, ['s'])).toContain('sorted by accuracy, best first');
  });
  it('filters while typing, and looks into folded groups', () => {
    const typed = text(view, small, ['/', '7', '|', 'L', 'o', 's']);
    expect(typed).toMatchInlineSnapshot(`
      "dv metrics diff   3 revisions   baseline data/v1-raw   2 equal hidden
                          ●data/v1-raw    │ data/v2-clean         data/v3-augmented
                           aaaaaaa 2d     │ bbbbbbb 5h            ccccccc now
                           raw scans as … │ labels repaired, u…   balanced and augme…
      ▾ metrics/evaluate.json
        loss               1.0932         │ 0.4822 ▼0.6110       *0.2291 ▼0.8641
        ▾ classes f1 (1)                  │
          7                0.6700         │ 0.7700 ▲0.1000       *0.8700 ▲0.2000













      /7|Los   2 rows
      Enter keeps  Esc clears  a|b either"
    `);
    expect(text(view, small, ['/', '7', 'return'])).toContain('filter 7 (1 row)');
    expect(text(view, small, ['/', 'z', 'z', 'return'])).toContain('no row has "zz" in its name');
    expect(text(view, small, ['/', '7', 'return', 'escape'])).not.toContain('filter 7');
  });
  it('tells all about the cell under the cursor', () => {
    const about = (keys: string[]) => text(view, { width: 100, height: 40 }, keys).split('\n').at(-2);
    expect(about([])).toBe(
      'accuracy of data/v2-clean: 0.8490, 2nd of 3, ▲0.1840 (+27.7%) against data/v1-raw',
    );
    expect(about(['l'])).toBe(
      'accuracy of data/v3-augmented: 0.9312, best of 3, ▲0.2662 (+40.0%) against data/v1-raw',
    );
    expect(about(['h'])).toBe('accuracy of data/v1-raw: 0.6650, 3rd of 3');
    expect(about(['k'])).toBe('data/v2-clean: labels repaired, unreadable dropped (bbbbbbb, 5 hours ago)');
    expect(about(['k', 'k'])).toBe('data/train of data/v2-clean: 720 files, sha256:bbbbbbbbbbbbbbbb');
    expect(about(['u', 'g', 'j'])).toMatch(
      /^data\/test of data\/v2-clean: 1,000 files, .*, as data\/v1-raw$/,
    );
    expect(about(['/', 'b', 'e', 's', 't', 'return', 'j'])).toBe(
      'metrics/train.json of data/v2-clean: git left a merge conflict here',
    );
    expect(about(['/', 'm', 'o', 'd', 'e', 'l', 'return', 'j'])).toBe(
      'model of data/v2-clean: resnet50, as data/v1-raw',
    );
  });
  it('lists the keys', () => {
    expect(text(view, { width: 60, height: 15 }, ['?'])).toMatchInlineSnapshot(`
      "Keys   any key goes back
      h j k l, arrows   move
      g G 0 $           first, last row; first, last revision
      Space, Ctrl-d     a page, half a page down
      PgUp, Ctrl-u      a page, half a page up
      n N               next, previous difference here
      m                 measure by this revision
      s S               sort by this row, reversed; not at all
      /                 filter rows; Esc clears
      u                 only what differs, or all
      d                 difference, percent, or values alone
      Tab Z             fold, unfold this group; all groups
      q, Ctrl-C         quit"
    `);
    expect(text(view, small, ['?', 'x'])).toBe(text(view, small));
  });
  it('says so when nothing differs', () => {
    const table = threeBranches();
    const same = { ...table, revs: table.revs.map((r) => ({ ...r, dataDigests: {}, dataFiles: {} })) };
    const equal = createView({ ...same, rows: [{ file: 'm', key: 'k', values: [1, 1, 1] }] }, 'x', now);
    expect(text(equal, small)).toContain('no difference: 1 row equal in all revisions, u shows them');
    expect(text(equal, small, ['u', 'j', 'Tab', 's', 'n', 'd', '$', 'G'])).toMatch(/k ▾ +1 +│ +1/);
  });
  it('uses colour only beside signs, and none when told', () => {
    const lines = frame(view, small);
    const wire = lines.map((line) => toAnsi(line, false)).join('\n');
    expect(wire).not.toMatch(/\x1b\[(?:\d+;)*3\d/);
    expect(wire).toMatch(/\x1b\[7m/);
    expect(lines.map((line) => toAnsi(line, true)).join('\n')).toMatch(/\x1b\[32m ▲0\.1840/);
  });
});

describe('any screen', () => {
  const sizes = [1, 33, 34, 60, 80, 220].flatMap((width) =>
    [1, 7, 12, 24].map((height) => ({ width, height })),
  );
  const keys = [
    ...'ljjsuGdkmhZ$',
    'tab',
    '/',
    'a',
    'return',
    'escape',
    ...'?q0gnN',
    'pagedown',
    'ctrl-u',
    ...'sSdd$m',
  ];
  it.each([1, 2, 3, 40])(
    'of %i hostile revisions stays in its cells and sends nothing a terminal obeys',
    (columns) => {
      const hostile = createView(hostileTable(columns), 'dv metrics diff', now);
      for (const size of sizes) {
        let state = settled(hostile, initialState(hostile, size, false), size);
        for (const key of keys) {
          state = settled(hostile, press(hostile, state, key, size), size);
          const lines = linesOf(hostile, state, size).map(toText);
          expect(lines.length).toBeLessThanOrEqual(Math.max(1, size.height - 1));
          for (const line of lines) {
            expect(stringWidth(line)).toBeLessThanOrEqual(size.width);
            expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
          }
        }
      }
    },
  );
  it('keeps the cursor in sight', () => {
    const many = createView(hostileTable(40), 'x', now);
    for (const size of [small, { width: 60, height: 12 }]) {
      let state = settled(many, initialState(many, size, false), size);
      for (const key of keys) {
        state = settled(many, press(many, state, key, size), size);
        if (state.help) continue;
        const inverse = linesOf(many, state, size).filter((line) => line.some((span) => span.inverse));
        // The column's name, and the cell or heading.
        expect(inverse.length, key).toBeGreaterThanOrEqual(state.typing ? 1 : 2);
      }
    }
  });
});
