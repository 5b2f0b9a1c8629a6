/** The three-way merge of stages.lock: stages are taken whole. */
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import type { LockEntry, StagesLock } from '../../../core/pipeline/lock-file.ts';
import { mergeLocks } from '../../../core/pipeline/merge-lock.ts';

/** A stage that made `content` at a path named after it. */
const entry = (out: string, content: string): LockEntry => ({
  program: { kind: 'command', command: `make ${out}` },
  wdir: '',
  params: new Map(),
  env: new Map(),
  deps: new Map(),
  outs: new Map([[out as RepoPath, { kind: 'file', digest: digestOf(content), bytes: content.length }]]),
  metrics: new Map(),
});
const lock = (stages: Record<string, string>): StagesLock =>
  new Map(Object.entries(stages).map(([name, content]) => [name, entry(`out-${name}`, content)]));

const merge = (base: Record<string, string>, ours: Record<string, string>, theirs: Record<string, string>) =>
  mergeLocks({ base: lock(base), ours: lock(ours), theirs: lock(theirs) });

describe('a stage', () => {
  test.each<
    [string, Record<string, string>, Record<string, string>, Record<string, string>, Record<string, string>]
  >([
    ['recorded by one side', { a: '1', b: '1' }, { a: '2', b: '1' }, { a: '1', b: '3' }, { a: '2', b: '3' }],
    ['added by each side', {}, { a: '1' }, { b: '1' }, { a: '1', b: '1' }],
    ['dropped by one side', { a: '1', b: '1' }, { b: '1' }, { a: '1', b: '2' }, { b: '2' }],
    ['recorded by both, the same', { a: '1' }, { a: '2' }, { a: '2' }, { a: '2' }],
  ])('%s', (_, base, ours, theirs, expected) => {
    expect(merge(base, ours, theirs)).toEqual({ lock: lock(expected), conflicts: [] });
  });

  test('recorded by both, and not the same, is in conflict and stays as ours', () => {
    const { lock: merged, conflicts } = merge({ a: '1', b: '1' }, { a: '2', b: '1' }, { a: '3', b: '4' });
    expect(merged).toEqual(lock({ a: '2', b: '4' }));
    expect(conflicts.map(({ stage }) => stage)).toEqual(['a']);
  });

  test('recorded by us and dropped by them is in conflict', () => {
    expect(merge({ a: '1' }, { a: '2' }, {}).conflicts.map(({ stage }) => stage)).toEqual(['a']);
  });

  test('in conflict between common ancestors is as in their own base', () => {
    const sides = { base: lock({ a: '1' }), ours: lock({ a: '2' }), theirs: lock({ a: '3' }) };
    expect(mergeLocks(sides, 'base').lock).toEqual(lock({ a: '1' }));
  });
});

test('two stages that came to write the same path cannot be merged', () => {
  const ours: StagesLock = new Map([['a', entry('out', '1')]]);
  const theirs: StagesLock = new Map([['b', entry('out/below', '1')]]);
  expect(() => mergeLocks({ base: new Map(), ours, theirs })).toThrow(/out\/below of b is inside out of a/);
});
