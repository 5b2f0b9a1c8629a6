import { describe, expect, it } from 'vitest';
import {
  bestColumns,
  deltaOf,
  differs,
  naturalOrder,
  orderColumns,
  sameColumns,
} from '../../../core/metrics/compare.ts';
import { betterOf } from '../../../core/metrics/direction.ts';
import type { Row } from '../../../core/metrics/table.ts';
import { buildTable, dataPaths, mergeOrders, pickColumns } from '../../../core/metrics/table.ts';
import { flatten, parseJson } from '../../../core/metrics/values.ts';

const row = (values: Row['values'], better?: 'higher' | 'lower'): Row => ({
  file: 'metrics/evaluate.json',
  key: 'x',
  values,
  ...(better === undefined ? {} : { better }),
});

describe('the direction of a metric', () => {
  it.each([
    ['accuracy', 'higher'],
    ['macroF1', 'higher'],
    ['classes.error.recall', 'higher'],
    ['test.loss', 'lower'],
    ['val_loss', 'lower'],
    ['errorRate', 'lower'],
    ['images_per_second', 'higher'],
    ['train.seconds', 'lower'],
    ['loss.best', 'lower'],
    ['epochs', undefined],
    ['классы.кошка.f1', 'higher'],
    ['glossary', undefined],
    ['', undefined],
  ])('%s: %s', (key, expected) => {
    expect(betterOf(key)).toBe(expected);
  });
});

describe('values of a file', () => {
  it('are numbers under dotted keys, without lists and text', () => {
    const parsed = JSON.parse(
      '{"accuracy":0.9,"f1":{"macro":0.8,"by":{"cat":1}},"matrix":[[1,2]],"name":"x","ok":true,"none":null,"__proto__":{"a":1}}',
    );
    expect([...flatten(parsed, 'numbers')]).toEqual([
      ['accuracy', 0.9],
      ['f1.macro', 0.8],
      ['f1.by.cat', 1],
      ['__proto__.a', 1],
    ]);
  });
  it('of params keep text, lists and switches', () => {
    expect([
      ...flatten({ seed: 42, split: [0.8, 0.2], flip: true, model: 'resnet50', none: null }, 'everything'),
    ]).toEqual([
      ['seed', 42],
      ['split', '[0.8,0.2]'],
      ['flip', 'true'],
      ['model', 'resnet50'],
      ['none', 'null'],
    ]);
  });
  it('survive hostile nesting and a key that occurs twice', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i++) deep = { a: deep };
    expect(flatten(deep, 'numbers').size).toBe(0);
    expect([...flatten({ 'a.b': 1, a: { b: 2 } }, 'numbers')]).toEqual([['a.b', 1]]);
    expect(flatten([1, 2], 'numbers').size).toBe(0);
  });
  it('are read as Python writes them, with NaN and Infinity', () => {
    expect(parseJson('{"loss": NaN, "a": [-Infinity, Infinity], "say \\"NaN\\"": "NaN Infinity"}')).toEqual({
      loss: Number.NaN,
      a: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      'say "NaN"': 'NaN Infinity',
    });
    expect(() => parseJson('{"loss": nan}')).toThrow(SyntaxError);
    expect(() => parseJson('{"loss": NaN')).toThrow(SyntaxError);
  });
});

describe('the best of a row', () => {
  it('is the highest or the lowest, by its direction', () => {
    expect([...bestColumns(row([1, 3, 2], 'higher'))]).toEqual([1]);
    expect([...bestColumns(row([1, 3, 2], 'lower'))]).toEqual([0]);
  });
  it('may be several, and none when nothing is better', () => {
    expect([...bestColumns(row([3, 1, 3], 'higher'))]).toEqual([0, 2]);
    expect([...bestColumns(row([3, 3, 3], 'higher'))]).toEqual([]);
    expect([...bestColumns(row([1, 2]))]).toEqual([]);
    expect([...bestColumns(row([1, null], 'higher'))]).toEqual([]);
  });
  it('is never one that is missing or not a number', () => {
    expect([...bestColumns(row([null, Number.NaN, 2, 1], 'lower'))]).toEqual([3]);
  });
});

describe('the distance to the baseline', () => {
  it('has a sign, a ratio, and is an improvement or not', () => {
    expect(deltaOf(row([2, 3], 'higher'), 1, 0)).toEqual({ difference: 1, ratio: 0.5, improved: true });
    expect(deltaOf(row([2, 3], 'lower'), 1, 0)).toEqual({ difference: 1, ratio: 0.5, improved: false });
    expect(deltaOf(row([-2, -3]), 1, 0)).toEqual({ difference: -1, ratio: -0.5, improved: undefined });
    expect(deltaOf(row([0, 3]), 1, 0)?.ratio).toBeUndefined();
  });
  it('is nothing where values are equal, missing, or text', () => {
    for (const values of [
      [1, 1],
      [null, 1],
      [1, null],
      ['a', 'b'],
      [Number.NaN, 1],
    ] as const) {
      expect(deltaOf(row(values), 1, 0)).toBeUndefined();
    }
  });
});

describe('the order of columns', () => {
  const columns = [0, 1, 2, 3, 4];
  it('is best first, with missing ones last both ways', () => {
    const values = [0.2, null, 0.9, Number.NaN, 0.5];
    expect(orderColumns(row(values, 'higher'), columns)).toEqual([2, 4, 0, 1, 3]);
    expect(orderColumns(row(values, 'higher'), columns, true)).toEqual([0, 4, 2, 1, 3]);
    expect(orderColumns(row(values, 'lower'), columns)).toEqual([0, 4, 2, 1, 3]);
  });
  it('keeps equal ones as they were, and orders text as people do', () => {
    expect(orderColumns(row([1, 2, 1, 2, 1], 'higher'), columns)).toEqual([1, 3, 0, 2, 4]);
    expect(orderColumns(row(['v10', 'v9', 'v1']), [0, 1, 2])).toEqual([2, 1, 0]);
    expect(['v10', 'v2', 'v2a', 'v'].sort(naturalOrder)).toEqual(['v', 'v2', 'v2a', 'v10']);
  });
});

describe('a table', () => {
  const column = (name: string, files: Record<string, Record<string, number>>, digest = 'sha256:a') => ({
    revision: {
      name,
      commit: name,
      date: null,
      subject: null,
      dataDigests: { 'data/train': digest },
      dataFiles: { 'data/train': 3 },
    },
    files: new Map(Object.entries(files).map(([file, values]) => [file, new Map(Object.entries(values))])),
  });
  const table = buildTable(
    [
      column('main', { 'm/b.json': { accuracy: 0.5, 'class.cat': 1, 'class.dog': 2 } }),
      column('v2', {
        'm/b.json': { accuracy: 0.6, 'class.cat': 1, 'class.cow': 5, 'class.dog': 2 },
        'm/a.json': { n: 1 },
      }),
      column('v3', {}, 'sha256:b'),
    ],
    [{ revision: 'v3', file: 'm/b.json', message: 'is broken' }],
  );
  it('has a row per key in the files order, and null where a revision has none', () => {
    expect(table.rows).toEqual([
      { file: 'm/a.json', key: 'n', values: [null, 1, null] },
      { file: 'm/b.json', key: 'accuracy', better: 'higher', values: [0.5, 0.6, null] },
      { file: 'm/b.json', key: 'class.cat', values: [1, 1, null] },
      { file: 'm/b.json', key: 'class.cow', values: [null, 5, null] },
      { file: 'm/b.json', key: 'class.dog', values: [2, 2, null] },
    ]);
    expect(dataPaths(table)).toEqual(['data/train']);
  });
  it('picks columns and drops what they do not have', () => {
    const picked = pickColumns(table, [2, 0]);
    expect(picked.revs.map((revision) => revision.name)).toEqual(['v3', 'main']);
    expect(picked.rows.map((r) => r.key)).toEqual(['accuracy', 'class.cat', 'class.dog']);
    expect(picked.problems).toHaveLength(1);
    expect(pickColumns(table, [0]).problems).toEqual([]);
  });
  it('knows which rows and columns differ', () => {
    expect(table.rows.map((r) => differs(r.values))).toEqual([true, true, true, true, true]);
    expect(differs([1, 1])).toBe(false);
    expect(differs([Number.NaN, Number.NaN])).toBe(false);
    expect(sameColumns(table, 0, 0, { data: true })).toBe(true);
    expect(sameColumns(table, 0, 1, { data: true })).toBe(false);
    const dataOnly = buildTable([column('a', {}), column('b', {}, 'sha256:b')]);
    expect(sameColumns(dataOnly, 0, 1, { data: true })).toBe(false);
    expect(sameColumns(dataOnly, 0, 1, { data: false })).toBe(true);
  });
  it('keeps the order lists agree on', () => {
    expect(
      mergeOrders([
        ['a', 'b', 'c'],
        ['x', 'a', 'y', 'c', 'z'],
        ['y', 'q'],
      ]),
    ).toEqual(['x', 'a', 'y', 'q', 'b', 'c', 'z']);
  });
});
