import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { Pointer } from '../../../core/model/pointer.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { fingerprintOf, type StageInputs } from '../../../core/pipeline/fingerprint.ts';
import {
  formatRun,
  parseRun,
  type RunRecord,
  readRun,
  runPath,
  writeRun,
} from '../../../core/pipeline/run-cache.ts';
import { testRepo } from '../../support/repo.ts';

const file = (content: string): Pointer => ({
  kind: 'file',
  digest: digestOf(content),
  bytes: content.length,
});
const pathMap = (entries: Record<string, Pointer>) =>
  new Map(Object.entries(entries)) as Map<RepoPath, Pointer>;

const record: RunRecord = {
  stage: 'train',
  outs: pathMap({
    'build/model': { kind: 'tree', digest: digestOf('tree'), files: 3, bytes: 99 },
    'a out': file('a'),
  }),
  metrics: pathMap({ 'm.json': file('{}') }),
  seconds: 12.3456,
  finished: '2024-01-01T00:00:00.000Z',
  host: 'here',
};

const inputs: StageInputs = {
  program: { kind: 'command', command: 'make' },
  wdir: '',
  params: new Map<string, number>([
    ['seed', 1],
    ['lr', 0.1],
  ]),
  env: new Map([['LANG', 'C']]),
  deps: pathMap({ data: file('data'), code: file('code') }),
};

test('the bytes of a record are pinned', () => {
  expect(formatRun(record)).toBe(
    readFileSync(new URL('../../fixtures/pipeline/run.json', import.meta.url), 'utf8'),
  );
});

test('a record reads back, and goes to the file of its fingerprint', async () => {
  await using world = await testRepo();
  const repo = world.open();
  const fingerprint = digestOf('fingerprint');
  expect(readRun(repo, fingerprint)).toBeUndefined();
  writeRun(repo, fingerprint, record);
  expect(readRun(repo, fingerprint)).toEqual({ ...record, seconds: 12.346 });
  expect(runPath(repo, fingerprint)).toBe(`${repo.dvDir}/runs/${fingerprint.slice(7)}`);
});

test('what is no record is no record', () => {
  const good = JSON.parse(formatRun(record)) as Record<string, unknown>;
  const variants: unknown[] = [
    [],
    null,
    { ...good, version: 2 },
    { ...good, outs: { '../x': 'file sha256:0 1' } },
    { ...good, outs: { x: 'file sha256:0 1' } },
    { ...good, outs: { '.git/x': formatRun(record) } },
    { ...good, metrics: good.outs },
    { ...good, seconds: 'many' },
    { ...good, host: undefined },
  ];
  for (const variant of variants) expect(parseRun(JSON.stringify(variant))).toBeUndefined();
  expect(parseRun(formatRun(record).slice(0, -20))).toBeUndefined();
  expect(parseRun(JSON.stringify(good))).toBeDefined();
});

test('the fingerprint is pinned, and does not depend on the order of anything', () => {
  const fingerprint = fingerprintOf(inputs, ['a', 'b'], ['m']);
  expect(fingerprint).toMatchInlineSnapshot(
    `"sha256:0818d306ab11dce408c033fac2761c6fb5c27f5d277987c0d54b668f4015189b"`,
  );
  const turned: StageInputs = {
    ...inputs,
    params: new Map([...inputs.params].reverse()),
    deps: new Map([...inputs.deps].reverse()),
  };
  expect(fingerprintOf(turned, ['b', 'a'], ['m'])).toBe(fingerprint);
});

test('everything that makes the output what it is changes the fingerprint', () => {
  const { kind: _, ...tree } = { ...file('data'), files: 1 };
  const variants: StageInputs[] = [
    inputs,
    { ...inputs, program: { kind: 'command', command: 'make all' } },
    { ...inputs, program: { kind: 'step', name: 'make', version: 1, args: {} } },
    { ...inputs, program: { kind: 'step', name: 'make', version: 2, args: {} } },
    { ...inputs, program: { kind: 'step', name: 'make', version: 1, args: { a: 1 } } },
    { ...inputs, wdir: 'code' as RepoPath },
    { ...inputs, params: new Map([['seed', 1]]) },
    {
      ...inputs,
      params: new Map<string, number | string>([
        ['seed', '1'],
        ['lr', 0.1],
      ]),
    },
    { ...inputs, env: new Map([['LANG', null]]) },
    { ...inputs, env: new Map() },
    { ...inputs, deps: pathMap({ data: file('data') }) },
    { ...inputs, deps: pathMap({ data: file('other'), code: file('code') }) },
    { ...inputs, deps: pathMap({ data: { kind: 'tree', ...tree }, code: file('code') }) },
  ];
  const fingerprints = variants.map((variant) => fingerprintOf(variant, ['a'], ['m']));
  fingerprints.push(fingerprintOf(inputs, ['a', 'b'], ['m']), fingerprintOf(inputs, ['a'], []));
  expect(new Set(fingerprints).size).toBe(variants.length + 2);
});
