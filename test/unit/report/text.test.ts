import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { cleanLine } from '../../../cli/report/clean-line.ts';
import {
  formatAge,
  formatDelta,
  formatFor,
  formatNumber,
  formatPercent,
} from '../../../cli/report/numbers.ts';
import {
  isSimple,
  loadMeasure,
  remembering,
  simpleWidth,
  toWidth,
  truncate,
  truncateMiddle,
} from '../../../cli/report/width.ts';

describe('cleaning text from a repository', () => {
  it.each([
    ['data/clean-v2', 'data/clean-v2'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['a\u001b]0;title\u0007b', 'ab'],
    ['a\u001b]8;;http://x\u001b\\b', 'ab'],
    ['a\nb\tc', 'a\\x0ab\\x09c'],
    ['gpj.\u202egnp', 'gpj.\\u202egnp'],
    ['a\u0085b\u2028c', 'a\\x85b\\u2028c'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800', '\ufffd'],
    ['e\u0301', 'é'],
    ['日本 👩‍👩‍👧 שלום', '日本 👩‍👩‍👧 שלום'],
  ])('%j becomes %j', (text, expected) => {
    expect(cleanLine(text)).toBe(expected);
  });
  it('leaves nothing a terminal obeys', () => {
    const hostile = Array.from({ length: 0x3000 }, (_, code) => String.fromCodePoint(code)).join('');
    expect(cleanLine(hostile)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
  });
});

describe('text in columns', () => {
  const measure = remembering(stringWidth);
  it('is cut between graphemes and padded by width, not by length', () => {
    expect(toWidth('日本語データ', 6, measure)).toBe('日本… ');
    expect(toWidth('👩‍👩‍👧👩‍👩‍👧', 3, measure)).toBe('👩‍👩‍👧…');
    expect(toWidth('ab', 4, measure)).toBe('ab  ');
    expect(toWidth('ab', 4, measure, 'right')).toBe('  ab');
    expect(truncate('abc', 0, measure)).toBe('');
    for (let width = 1; width < 20; width++) {
      expect(measure(toWidth('a日b👩‍👩‍👧c-שלום-d', width, measure))).toBe(width);
    }
  });
  it('keeps both ends when cut in the middle', () => {
    expect(truncateMiddle('data/very-long-name-v2', 11, simpleWidth)).toBe('data/…me-v2');
    expect(truncateMiddle('日本語日本語', 8, measure)).toBe('日本…語');
    expect(truncateMiddle('short', 11, simpleWidth)).toBe('short');
  });
  it('agrees with string-width on what it calls simple', () => {
    const marks = ' ~▲▼—…●▸▾▴→←±−×·│█∞';
    expect(isSimple(marks)).toBe(true);
    for (const mark of marks) expect(stringWidth(mark)).toBe(1);
    expect(isSimple('é')).toBe(false);
  });
  it('is measured with the library only where that is needed', async () => {
    expect(await loadMeasure(['a', '▲0.1'])).toBe(simpleWidth);
    expect((await loadMeasure(['a', '日本']))('日本')).toBe(4);
  });
});

describe('numbers of one row', () => {
  it.each([
    [
      [0.912, 0.9341, 0.899],
      ['0.9120', '0.9341', '0.8990'],
    ],
    [
      [0.5, 0.25],
      ['0.50', '0.25'],
    ],
    [
      [1, 2, 3],
      ['1', '2', '3'],
    ],
    [
      [42, 64.5],
      ['42.0', '64.5'],
    ],
    [
      [1234.5678, 12],
      ['1235', '12'],
    ],
    [
      [123456, 12],
      ['123,456', '12'],
    ],
    [
      [0.000162, 0.001],
      ['0.000162', '0.001000'],
    ],
    [
      [1.1 + 2.2, 1],
      ['3.3000', '1.0000'],
    ],
    [
      [0.912341, 0.912349],
      ['0.91234', '0.91235'],
    ],
    [
      [0.91234, 0.91236, 0.5],
      ['0.9123', '0.9124', '0.5000'],
    ],
    [
      [1e-7, 2.5e-7],
      ['1.000e-7', '2.500e-7'],
    ],
    [
      [1e15, 0],
      ['1.000e+15', '0'],
    ],
    [
      [0, 0],
      ['0', '0'],
    ],
    [
      [Number.NaN, 0.5, Number.POSITIVE_INFINITY],
      ['NaN', '0.5', '∞'],
    ],
    [
      [-0.25, 0.5],
      ['-0.25', '0.50'],
    ],
  ])('%j are written %j', (values, expected) => {
    const format = formatFor(values);
    expect(values.map((value) => formatNumber(value, format))).toEqual(expected);
  });
  it('show differences with an arrow, also those below the precision', () => {
    const format = formatFor([0.912, 0.9341]);
    expect(formatDelta(0.0221, format)).toBe('▲0.0221');
    expect(formatDelta(-0.0221, format)).toBe('▼0.0221');
    expect(formatDelta(0.00001, format)).toBe('▲<0.0001');
    expect(formatDelta(1e-9, formatFor([1e-7, 2e-7]))).toBe('▲1.000e-9');
    expect(formatDelta(-17280, formatFor([1, 17281]))).toBe('▼17,280');
  });
  it('show percent and ages', () => {
    expect([0.0242, -0.5, 4.2, 123].map(formatPercent)).toEqual(['+2.4%', '-50.0%', '+420%', '+1.2e+4%']);
    const now = new Date('2026-11-21T12:00:00Z');
    const ages = [
      '2026-11-21T11:59:30Z',
      '2026-11-21T11:00:00Z',
      '2026-11-19T10:00:00Z',
      '2025-01-01T00:00:00Z',
    ];
    expect([...ages, '2027-01-01T00:00:00Z'].map((date) => formatAge(date, now))).toEqual([
      'now',
      '1 hour',
      '2 days',
      '1 year',
      'now',
    ]);
  });
});
