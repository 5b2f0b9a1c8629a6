import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { digestOf } from '../../../core/model/digest.ts';
import type { Pointer } from '../../../core/model/pointer.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import type { JsonValue } from '../../../core/pipeline/json.ts';
import {
  formatLock,
  formatPointerLine,
  type LockEntry,
  outputsOf,
  parseLock,
  type StagesLock,
} from '../../../core/pipeline/lock-file.ts';
import { anyDigest, anyPath, anySize } from '../../support/arbitraries.ts';

const file = (content: string): Pointer => ({
  kind: 'file',
  digest: digestOf(content),
  bytes: content.length,
});
const tree = (content: string, files = 3): Pointer => ({
  kind: 'tree',
  digest: digestOf(content),
  files,
  bytes: 99,
});
const pathMap = (entries: Record<string, Pointer>) =>
  new Map(Object.entries(entries)) as Map<RepoPath, Pointer>;
const jsonMap = (entries: Record<string, JsonValue>) => new Map(Object.entries(entries));

const sample: StagesLock = new Map<string, LockEntry>([
  [
    'train',
    {
      program: {
        kind: 'step',
        name: 'train',
        version: 1,
        args: { out: 'build/model', data: 'build/records', size: [32, 32] },
      },
      wdir: '',
      params: new Map(),
      env: new Map([['OMP_NUM_THREADS', null]]),
      deps: pathMap({ 'build/records': tree('records') }),
      outs: pathMap({ 'build/model': tree('model', 4) }),
      metrics: pathMap({}),
    },
  ],
  [
    'clean',
    {
      program: { kind: 'command', command: `python clean.py --seed \${seed}\necho "done"` },
      wdir: 'code' as RepoPath,
      params: jsonMap({ seed: 1, 'train.lr': 0.001, yes: { b: [1, 'x'], a: null } }),
      env: new Map([['LANG', 'C']]),
      deps: pathMap({
        'data/raw': tree('raw', 2880),
        'code/clean.py': file('print()'),
        'a b:c': file('odd'),
        '1': file('1'),
      }),
      outs: pathMap({ 'code/build': tree('build') }),
      metrics: pathMap({ 'metrics/é.json': file('{}') }),
    },
  ],
]);

const golden = new URL('../../fixtures/pipeline/stages.lock', import.meta.url);

test('the bytes of a lock are pinned', () => {
  expect(formatLock(sample)).toBe(readFileSync(golden, 'utf8'));
});

test('a lock reads back as what was written', () => {
  expect(parseLock(formatLock(sample), 'stages.lock')).toEqual(sample);
  expect(parseLock(formatLock(new Map()), 'stages.lock')).toEqual(new Map());
});

test('YAML readers agree about what a lock says', () => {
  expect(parseYaml(formatLock(sample))).toMatchObject({
    version: 1,
    stages: {
      clean: {
        cmd: `python clean.py --seed \${seed}\necho "done"`,
        wdir: 'code',
        params: { seed: 1, yes: { b: [1, 'x'], a: null } },
        env: { LANG: 'C' },
      },
      train: {
        step: 'train 1',
        with: { size: [32, 32] },
        outs: { 'build/model': formatPointerLine(tree('model', 4)) },
      },
    },
  });
});

const anyPointer: fc.Arbitrary<Pointer> = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), digest: anyDigest, bytes: anySize }),
  fc.record({ kind: fc.constant('tree' as const), digest: anyDigest, files: anySize, bytes: anySize }),
);
const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
// JSON has no -0.
const anyJson = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
const mapOf = <Key extends string, Value>(key: fc.Arbitrary<Key>, value: fc.Arbitrary<Value>) =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => new Map(entries));
const anyInputs = fc.record({
  program: fc.oneof(
    fc.record({ kind: fc.constant('command' as const), command: fc.string({ unit: 'binary' }) }),
    fc.record({
      kind: fc.constant('step' as const),
      name: fc.constantFrom('train', 'x-1'),
      version: fc.integer({ min: 1, max: 999 }),
      args: mapOf(anyName, anyJson).map((map) => Object.fromEntries(map)),
    }),
  ),
  wdir: fc.oneof(fc.constant('' as const), anyPath),
  params: mapOf(anyName, anyJson),
  env: mapOf(anyName, fc.option(fc.string({ unit: 'binary' }))),
  deps: mapOf(anyPath, anyPointer),
});

/** Locks whose stages do not write the same path: each has a folder of its own, and one path in it. */
const anyLock: fc.Arbitrary<StagesLock> = fc
  .array(fc.tuple(anyName, anyInputs, anyPath, anyPointer), { maxLength: 4 })
  .map(
    (items) =>
      new Map(
        items.map(([name, inputs, path, pointer], i) => [
          name,
          { ...inputs, outs: pathMap({ [`out${i}/${path}`]: pointer }), metrics: new Map() },
        ]),
      ),
  );

test('round trip over generated locks, and every one of them is YAML', () => {
  fc.assert(
    fc.property(anyLock, (lock) => {
      const text = formatLock(lock);
      const read = parseLock(text, 'stages.lock');
      expect(formatLock(read)).toBe(text);
      expect(read).toEqual(lock);
      const yaml = parseYaml(text, { uniqueKeys: false }) as { stages: object };
      expect(Object.keys(yaml.stages)).toHaveLength(lock.size);
    }),
    { numRuns: 100 },
  );
});

/** The message about a text that is no lock. */
const problemOf = (text: string) => {
  try {
    parseLock(text, 'stages.lock');
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected a problem');
};

test('malformed locks are refused with line and what was expected', () => {
  const good = formatLock(sample);
  const variants: Record<string, string> = {
    'no version': good.replace('version: 1\n', ''),
    'no newline': good.slice(0, -1),
    'unknown section': good.replace('    wdir:', '    folder:'),
    'step without version': good.replace('train 1', 'train'),
    'bad digest': good.replace(/sha256:[0-9a-f]{64} 3 99/, 'sha256:abc 3 99'),
    'wrong order of sections': good.replace(/( {4}wdir: "code"\n)( {4}params:\n(?: {6}.*\n)+)/, '$2$1'),
    'wrong order of keys': good.replace(/( {6}"1": .*\n)( {6}"a b:c": .*\n)/, '$2$1'),
    'wrong indentation': good.replace('    deps:', '   deps:'),
    duplicate: good.replace(/( {6}build\/records: .*\n)/, '$1$1'),
    'path outside': good.replace('      build/model: ', '      ../model: '),
    'path in .git': good.replace('      build/model: ', '      .GIT/hooks/post-checkout: '),
    'quotes that are not needed': good.replace('      seed: 1', '      "seed": 1'),
    'another spelling of a number': good.replace('0.001', '1e-3'),
    'both step and cmd': good.replace('    step: train 1\n', '    cmd: "x"\n    step: train 1\n'),
    'one path written twice': good.replace('      code/build: ', '      build/model: '),
    'written inside another': good.replace('      code/build: ', '      build/model/x: '),
    'merge conflict': good.replace(
      '    wdir: "code"\n',
      '<<<<<<< HEAD\n    wdir: "code"\n=======\n>>>>>>> x\n',
    ),
    'text behind the end': `${good}\n`,
    'line ends of Windows': good.replaceAll('\n', '\r\n'),
  };
  for (const text of Object.values(variants)) expect(text).not.toBe(good);
  expect(
    Object.fromEntries(Object.entries(variants).map(([what, text]) => [what, problemOf(text)])),
  ).toMatchInlineSnapshot(`
    {
      "another spelling of a number": "stages.lock:8: expected \`train.lr: 0.001\` here (sections and keys have one order)",
      "bad digest": "stages.lock:18: expected \`tree sha256:… <files> <bytes>\` or \`file sha256:… <bytes>\`",
      "both step and cmd": "stages.lock:21: expected cmd or step below train",
      "duplicate": "stages.lock:31: build/records stands here twice",
      "line ends of Windows": "stages.lock:1: expected \`version: 1\`",
      "merge conflict": "stages.lock:5: git left a merge conflict here",
      "no newline": "stages.lock:32: expected a newline at the end",
      "no version": "stages.lock:1: expected \`version: 1\`",
      "one path written twice": "stages.lock:21: train and clean both say they wrote build/model",
      "path in .git": "stages.lock:32: the path ".GIT/hooks/post-checkout" is not allowed: it has a part that names .git",
      "path outside": "stages.lock:32: the path "../model" is not allowed: it has a part \`.\` or \`..\`",
      "quotes that are not needed": "stages.lock:7: expected \`seed: 1\` here (sections and keys have one order)",
      "step without version": "stages.lock:22: expected \`step: <name> <version>\`",
      "text behind the end": "stages.lock:33: expected \`key: value\`, found """,
      "unknown section": "stages.lock:5: folder is none of cmd, step, with, wdir, params, env, deps, outs, metrics",
      "written inside another": "stages.lock:3: build/model/x of clean is inside build/model of train",
      "wrong indentation": "stages.lock:12: expected 2 spaces before deps, found 3",
      "wrong order of keys": "stages.lock:13: expected \`"1": file sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b 1\` here (sections and keys have one order)",
      "wrong order of sections": "stages.lock:5: expected \`wdir: "code"\` here (sections and keys have one order)",
    }
  `);
});

test('a newer lock asks for a newer dv', () => {
  expect(problemOf('version: 2\nstages: {}\n')).toMatch(/format version 2/);
});

test('outputs are what is in the cache, sorted, without metrics', () => {
  expect(outputsOf(sample).map(({ path }) => path)).toEqual(['build/model', 'code/build']);
});

test('git merges changes of neighbouring stages without a conflict', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dv-merge-'));
  try {
    const entry = (salt: string): LockEntry => ({
      program: { kind: 'command', command: `x ${salt}` },
      wdir: '',
      params: new Map(),
      env: new Map(),
      deps: pathMap({ code: file(`code ${salt}`) }),
      outs: pathMap({ [`out/${salt.slice(0, 1)}`]: file(salt) }),
      metrics: pathMap({}),
    });
    const write = (name: string, a: string, b: string) => {
      const lock = new Map([
        ['a', entry(a)],
        ['b', entry(b)],
      ]);
      writeFileSync(join(folder, name), formatLock(lock));
    };
    write('base', 'a0', 'b0');
    write('ours', 'a1', 'b0');
    write('theirs', 'a0', 'b1');
    write('both', 'a1', 'b1');
    execFileSync('git', ['merge-file', 'ours', 'base', 'theirs'], { cwd: folder });
    expect(readFileSync(join(folder, 'ours'), 'utf8')).toBe(readFileSync(join(folder, 'both'), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
