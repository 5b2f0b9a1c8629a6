import { describe, expect, it } from 'vitest';
import { type InkKey, keysOf } from '../../../cli/tui/keys.ts';
import { settled } from '../../../cli/tui/lines.ts';
import { groupKeys } from '../../../cli/tui/outline.ts';
import { Screen } from '../../../cli/tui/screen.ts';
import { columnOrder, createView, initialState, press, rowsOf, type State } from '../../../cli/tui/state.ts';
import { hostileTable, now, threeBranches } from './world.ts';

const size = { width: 80, height: 24 };
const view = createView(threeBranches(), 'dv metrics diff', now);
const pressing = (keys: string, from = view, start?: State) => {
  let state = start ?? settled(from, initialState(from, size, true), size);
  for (const key of keys.split(' ')) state = settled(from, press(from, state, key, size), size);
  return state;
};
const label = (state: State, of = view) => rowsOf(of, state)[state.row]?.label;

describe('keys', () => {
  it('move the cursor and stop at the edges', () => {
    expect(label(pressing('g'))).toBe('data');
    expect(label(pressing('g k k'))).toBe('data');
    expect(label(pressing('G'))).toBe('model');
    expect(label(pressing('G j'))).toBe('model');
    expect(pressing('$ l').column).toBe(2);
    expect(pressing('0 h').column).toBe(0);
    expect(label(pressing('j down up'))).toBe('loss');
    expect(pressing('l left right').column).toBe(2);
  });
  it('page through many rows and columns without losing the cursor', () => {
    const many = createView(hostileTable(60), 'x', now);
    const start = settled(many, initialState(many, { width: 80, height: 12 }, false), {
      width: 80,
      height: 12,
    });
    const low = { width: 80, height: 12 };
    let state = start;
    for (let i = 0; i < 80; i++) {
      state = settled(many, press(many, state, i % 2 === 0 ? 'l' : 'pagedown', low), low);
      expect(state.left).toBeLessThanOrEqual(Math.max(1, state.column));
      expect(state.top).toBeLessThanOrEqual(state.row);
    }
    expect(state.column).toBe(41);
  });
  it('make the column under the cursor the baseline', () => {
    const state = pressing('l m');
    expect(columnOrder(view, state)).toEqual([2, 0, 1]);
    expect([state.baseline, state.column]).toEqual([2, 0]);
  });
  it('fold the group the cursor is in, and go to its heading', () => {
    const all = { ...size, height: 40 };
    const open = settled(view, initialState(view, all, true), all);
    expect(rowsOf(view, open).filter((row) => row.kind === 'group')).toHaveLength(1);
    const inside = pressing('j j j j', view, open);
    expect(label(inside)).toBe('1');
    const folded = pressing('tab', view, inside);
    expect(label(folded)).toBe('classes f1');
    expect(rowsOf(view, folded).length).toBe(rowsOf(view, open).length - 10);
    expect(rowsOf(view, pressing('tab', view, folded)).length).toBe(rowsOf(view, open).length);
    expect(rowsOf(view, pressing('g tab')).map((row) => row.label)).not.toContain('data/train');
    expect(rowsOf(view, pressing('Z Z', view, open)).length).toBe(rowsOf(view, open).length);
  });
  it('keep the cursor on its row when others come or go', () => {
    expect(label(pressing('j u'))).toBe('loss');
    expect(label(pressing('j u u'))).toBe('loss');
    expect(label(pressing('G / l o s escape'))).toBe('data');
  });
  it('go to the next difference from the baseline', () => {
    expect(label(pressing('g n'))).toBe('accuracy');
    expect(label(pressing('n n'))).toBe('best_epoch');
    expect(label(pressing('n n n'))).toBe('best_epoch');
    expect(label(pressing('l G N'))).toBe('best_epoch');
    expect(label(pressing('0 n'))).toBe('accuracy');
  });
  it('edit the filter by graphemes', () => {
    expect(pressing('/ a 日 👩‍👩‍👧 backspace').filter).toBe('a日');
    expect(pressing('/ a b ctrl-u c').filter).toBe('c');
    expect(pressing('/ q up tab').filter).toBe('q');
    expect(pressing('/ a return / b').filter).toBe('ab');
    expect(pressing('/ a escape')).toMatchObject({ filter: '', typing: false });
  });
  it('that mean nothing change nothing', () => {
    const start = settled(view, initialState(view, size, true), size);
    for (const key of ['x', 'é', 'ctrl-z', 'return', '日本'])
      expect(press(view, start, key, size)).toEqual(start);
  });
});

describe('keys that belong together', () => {
  it('group by what they share, where they first stand', () => {
    const keys = ['accuracy', 'c.a.f1', 'c.a.p', 'c.b.f1', 'c.b.p', 'c.d.f1', 'c.e.x.f1', 'f1.macro', 'loss'];
    expect(groupKeys(keys)).toEqual([0, { label: 'c f1', members: [1, 3, 5, 6] }, 2, 4, 7, 8]);
    expect(groupKeys(['f.a', 'f.b', 'f.c', 'f.d'])).toEqual([{ label: 'f', members: [0, 1, 2, 3] }]);
    expect(groupKeys(['a', 'b', 'c', 'd'])).toEqual([0, 1, 2, 3]);
  });
});

describe('what a terminal sends', () => {
  const none = Object.fromEntries(
    (
      'upArrow downArrow leftArrow rightArrow pageUp pageDown home end return escape tab shift backspace delete ' +
      'ctrl meta'
    )
      .split(' ')
      .map((name) => [name, false]),
  ) as unknown as InkKey;
  it('is split into keys', () => {
    expect(keysOf('jjq', none)).toEqual(['j', 'j', 'q']);
    expect(keysOf('/f1\r', none)).toEqual(['/', 'f', '1', 'return']);
    expect(keysOf('日👩‍👩‍👧\x7f\x03\r\n', none)).toEqual(['日', '👩‍👩‍👧', 'backspace', 'ctrl-c', 'return']);
    expect(keysOf('', { ...none, upArrow: true })).toEqual(['up']);
    expect(keysOf('d', { ...none, ctrl: true })).toEqual(['ctrl-d']);
    expect(keysOf('j', { ...none, meta: true })).toEqual([]);
  });
});

describe('the terminal', () => {
  const open = () => {
    let wire = '';
    const write = (text: string) => {
      wire += text;
    };
    const screen = new Screen({ write, writeNow: write });
    return {
      screen,
      taken: () => {
        const text = wire;
        wire = '';
        return text;
      },
    };
  };
  it('gets only the lines that changed', () => {
    const { screen, taken } = open();
    screen.enter();
    screen.paint(['a', 'b', 'c'], 10);
    taken();
    screen.paint(['a', 'x', 'c'], 10);
    expect(taken()).toBe('\x1b[?2026h\x1b[2;1H\x1b[2Kx\x1b[?2026l');
    screen.paint(['a', 'x', 'c'], 10);
    expect(taken()).toBe('');
    screen.paint(['a'], 10);
    expect(taken()).toBe('\x1b[?2026h\x1b[2;1H\x1b[2K\x1b[3;1H\x1b[2K\x1b[?2026l');
    screen.paint(['a'], 11);
    expect(taken()).toBe('\x1b[?2026h\x1b[2J\x1b[1;1H\x1b[2Ka\x1b[?2026l');
  });
  it('is given back once, and nothing is painted afterwards', () => {
    const { screen, taken } = open();
    screen.leave();
    expect(taken()).toBe('');
    screen.enter();
    expect(taken()).toMatch(/^\x1b\[\?1049h/);
    screen.leave();
    expect(taken()).toBe('\x1b[H\x1b[2J\x1b[?7h\x1b[?1049l\x1b[?25h');
    screen.leave();
    screen.paint(['late'], 10);
    expect(taken()).toBe('');
  });
});
