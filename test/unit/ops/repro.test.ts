import { spawn } from 'node:child_process';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { DvEvent } from '../../../core/events.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { planDry, type ReproOptions, type ReproResult, repro, stageStates } from '../../../core/ops/repro.ts';
import { why } from '../../../core/ops/repro-why.ts';
import { restoreObject } from '../../../core/ops/restore.ts';
import { lockFileName, readLock, stageOutputs } from '../../../core/pipeline/lock-file.ts';
import { addPaths, checkoutAll } from '../../support/data.ts';
import { mainScript, type TestRepo, testRepo } from '../../support/repo.ts';
import { type StageCommands, stageCommands, type Work } from '../../support/stage-command.ts';

/** Stages as they are written: name → keys. */
type Written = Record<string, Record<string, unknown>>;

/** A repository with stages whose commands announce themselves; they do not wait unless asked to. */
async function pipeline(
  files: Record<string, string>,
  stages: (command: (name: string, work: Work) => string) => Written,
  { wait = false } = {},
): Promise<{ repo: TestRepo; commands: StageCommands } & AsyncDisposable> {
  const commands = await stageCommands();
  if (!wait) commands.releaseAll();
  const repo = await testRepo(files);
  writeStages(repo, stages(commands.command));
  return {
    repo,
    commands,
    async [Symbol.asyncDispose]() {
      await commands[Symbol.asyncDispose]();
      await repo[Symbol.asyncDispose]();
    },
  };
}

const writeStages = (repo: TestRepo, stages: Written) =>
  repo.write('stages.yaml', stringify({ version: 1, stages }, { lineWidth: 0 }));

/** `repro` with a record of what was reported. */
async function reproduce(repo: TestRepo, options: Partial<ReproOptions> = {}) {
  const events: DvEvent[] = [];
  const result = await repro(repo.open(), {
    jobs: 1,
    env: repo.env,
    dvCommand: [process.execPath, mainScript],
    report: (event) => events.push(event),
    ...options,
  });
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { result, events, warnings };
}

/** `name: outcome (reasons)` per stage. */
const show = ({ stages }: ReproResult) =>
  stages.map(
    ({ name, outcome, reasons }) =>
      `${name}: ${outcome}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`,
  );

const outcomes = ({ stages }: ReproResult) =>
  Object.fromEntries(stages.map(({ name, outcome }) => [name, outcome]));

/** Two stages in a row: `a` copies in.txt, `b` copies what `a` wrote and writes metrics. */
const chain = (command: (name: string, work: Work) => string): Written => ({
  b: {
    cmd: command('b', {
      copy: { 'build/a/out.txt': 'build/b.txt' },
      write: { 'metrics/b.json': '{"n":1}\n' },
    }),
    deps: ['build/a'],
    outs: ['build/b.txt'],
    metrics: ['metrics/b.json'],
  },
  a: {
    cmd: command('a', { copy: { 'in.txt': 'build/a/out.txt' } }),
    deps: ['in.txt'],
    outs: ['build/a'],
  },
});

test('stages run in the order of the graph, once, and what to commit is named', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo, commands } = world;
  const first = await reproduce(repo);
  expect(show(first.result)).toEqual(['a: ran (never run)', 'b: ran (never run)']);
  expect(first.result.commit).toEqual(['build/.gitignore', 'metrics/b.json', 'stages.lock']);
  expect(repo.read('build/b.txt')).toBe('one');
  expect(repo.read('build/.gitignore')).toBe('/a\n/b.txt\n');
  await repo.commit('reproduced');
  expect((await repo.git('ls-files')).trim().split('\n')).toEqual([
    'build/.gitignore',
    'in.txt',
    'metrics/b.json',
    'stages.lock',
    'stages.yaml',
  ]);
  const second = await reproduce(repo);
  expect(show(second.result)).toEqual(['a: fresh', 'b: fresh']);
  expect(second.result.commit).toEqual([]);
  expect(commands.started()).toEqual(['a', 'b']);
});

test('an identical run writes an identical lock', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  await reproduce(world.repo);
  const lock = world.repo.read(lockFileName);
  await reproduce(world.repo, { force: true });
  expect(world.commands.started()).toEqual(['a', 'b', 'a', 'b']);
  expect(world.repo.read(lockFileName)).toBe(lock);
});

test('what changed is told in words', async () => {
  await using world = await pipeline(
    {
      'in.txt': 'one',
      'data/1': '1',
      'data/2': '2',
      'params.yaml': 'seed: 1\ntrain: { lr: 0.1, epochs: 3 }\n',
    },
    (command) => ({
      a: {
        cmd: `${command('a', { write: { out: 'x', 'm.json': '{}' } })} \${seed}`,
        deps: ['in.txt', 'data'],
        outs: ['out'],
        metrics: ['m.json'],
        params: ['train'],
        env: ['DV_TEST_LEVEL'],
      },
    }),
  );
  const { repo, commands } = world;
  const options = { env: { ...repo.env, DV_TEST_LEVEL: 'low' } };
  await reproduce(repo, options);
  const reasons = async (more: Partial<ReproOptions> = options) =>
    (await stageStates(repo.open(), { env: repo.env, ...more }))[0]?.reasons;
  const seen: Record<string, unknown> = { nothing: await reasons() };
  repo.write('params.yaml', 'seed: 2\ntrain: { lr: 0.2, epochs: 3 }\n');
  seen.params = await reasons();
  repo.write('params.yaml', 'seed: 1\ntrain: { lr: 0.1, epochs: 3 }\n');
  repo.write('in.txt', 'two');
  repo.write('data/3', '3');
  seen.deps = await reasons();
  repo.write('in.txt', 'one');
  repo.remove('data/3');
  seen.env = await reasons({ env: repo.env });
  repo.write('out', 'edited');
  repo.remove('m.json');
  seen.outs = await reasons();
  repo.remove('out');
  seen.gone = await reasons();
  writeStages(repo, {
    a: { cmd: 'true', wdir: 'data', deps: ['1'], outs: ['other'], always: true },
  });
  seen.stage = await reasons();
  expect(seen).toMatchInlineSnapshot(`
    {
      "deps": [
        "dep in.txt changed",
        "dep data changed (2 → 3 files)",
      ],
      "env": [
        "env DV_TEST_LEVEL changed: low → not set",
      ],
      "gone": [
        "out out is missing",
        "metrics m.json is missing",
      ],
      "nothing": [],
      "outs": [
        "out out changed",
        "metrics m.json is missing",
      ],
      "params": [
        "param train.lr changed: 0.1 → 0.2",
        "param seed changed: 1 → 2",
      ],
      "stage": [
        "always",
        "command changed",
        "wdir changed: . → data",
        "param seed removed",
        "param train.epochs removed",
        "param train.lr removed",
        "env DV_TEST_LEVEL removed",
        "dep data/1 added",
        "dep data removed",
        "dep in.txt removed",
        "out data/other added",
        "out out removed",
        "metrics m.json removed",
      ],
    }
  `);
  expect(commands.started()).toEqual(['a']);
});

test('what was just looked at is not looked at again', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo } = world;
  await reproduce(repo);
  const known = new Map([['in.txt' as RepoPath, undefined]]);
  expect(await stageStates(repo.open(), { env: repo.env, known })).toMatchObject([
    { name: 'a', reasons: ['dep in.txt is missing'] },
    { name: 'b', reasons: ['after a, which is stale'] },
  ]);
});

test('a stage whose inputs come out the same is not run again', async () => {
  await using world = await pipeline({ 'in.txt': 'one', code: '1' }, (command) => ({
    a: { cmd: command('a', { write: { mid: 'same' } }), deps: ['code'], outs: ['mid'] },
    b: { cmd: command('b', { copy: { mid: 'end' } }), deps: ['mid'], outs: ['end'] },
  }));
  const { repo, commands } = world;
  await reproduce(repo);
  repo.write('code', '2');
  expect(await planDry(repo.open(), { jobs: 1, env: repo.env, dvCommand: ['dv'] })).toEqual([
    { name: 'a', outcome: 'would-run', reasons: ['dep code changed'] },
    { name: 'b', outcome: 'may-run', reasons: ['after a, which is stale'] },
  ]);
  expect(show((await reproduce(repo)).result)).toEqual(['a: ran (dep code changed)', 'b: fresh']);
  expect(commands.started()).toEqual(['a', 'b', 'a']);
});

test('going back to an old state restores it without running anything', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo, commands } = world;
  await reproduce(repo);
  await repo.commit('one');
  const one = repo.tree();
  await repo.git('checkout', '-q', '-b', 'two');
  repo.write('in.txt', 'two');
  await reproduce(repo);
  await repo.commit('two');
  const two = repo.tree();
  expect(commands.started()).toHaveLength(4);

  // With hooks: the workspace follows stages.lock.
  await repo.git('checkout', '-q', 'main');
  await checkoutAll(repo);
  expect(repo.tree()).toEqual(one);
  expect(outcomes((await reproduce(repo)).result)).toEqual({ a: 'fresh', b: 'fresh' });

  // Without hooks: the outs are still those of the other branch.
  await repo.git('checkout', '-q', 'two');
  const back = await reproduce(repo);
  expect(show(back.result)).toEqual([
    'a: restored (out build/a changed)',
    'b: restored (out build/b.txt changed)',
  ]);
  expect(back.warnings).toEqual([]);
  expect(repo.tree()).toEqual(two);

  // Without a lock entry for it: the run cache knows.
  repo.write('in.txt', 'one');
  const old = await reproduce(repo);
  expect(show(old.result)).toEqual(['a: restored (dep in.txt changed)', 'b: restored (dep build/a changed)']);
  expect(repo.tree('build')).toEqual(
    Object.fromEntries(Object.entries(one).filter(([path]) => path.startsWith('build'))),
  );
  expect(commands.started()).toHaveLength(4);

  repo.write('in.txt', 'two');
  expect(outcomes((await reproduce(repo, { noRunCache: true })).result)).toEqual({ a: 'ran', b: 'ran' });
});

test('outs and metrics that are gone come back without a run', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo, commands } = world;
  await reproduce(repo);
  const full = repo.tree();
  repo.remove('build/a');
  repo.remove('build/b.txt');
  repo.remove('metrics/b.json');
  expect(show((await reproduce(repo)).result)).toEqual([
    'a: restored (out build/a is missing)',
    'b: restored (out build/b.txt is missing; metrics metrics/b.json is missing)',
  ]);
  expect(repo.tree()).toEqual(full);
  expect(commands.started()).toHaveLength(2);
});

test('a stage runs when the cache lost what it wrote', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo, commands } = world;
  await reproduce(repo);
  repo.remove('build/a');
  repo.remove('.git/dv/objects');
  expect(outcomes((await reproduce(repo)).result)).toEqual({ a: 'ran', b: 'fresh' });
  expect(commands.started()).toEqual(['a', 'b', 'a']);
});

test('an edit in an out is saved and named before the out is replaced', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain);
  const { repo } = world;
  await reproduce(repo);
  repo.write('build/b.txt', 'edited by hand');
  repo.write('build/a/notes.txt', 'mine');
  const restored = await reproduce(repo);
  expect(outcomes(restored.result)).toEqual({ a: 'restored', b: 'restored' });
  expect(repo.read('build/b.txt')).toBe('one');
  expect(repo.exists('build/a/notes.txt')).toBe(false);
  expect(restored.warnings).toEqual([
    'build/a is not what a wrote; what it held is saved',
    'build/b.txt is not what b wrote; what it held is saved',
  ]);
  const hints = restored.events.flatMap((event) => (event.type === 'warning' ? [event.hint!] : []));
  expect(hints.map((hint) => hint.replace(/[0-9a-f]{16}/, '…'))).toEqual([
    'to get it back: dv restore --object … :/build/a',
    'to get it back: dv restore --object … :/build/b.txt',
  ]);
  for (const hint of hints) {
    const [, object, path] = /--object ([0-9a-f]+) :\/(\S+)$/.exec(hint)!;
    await restoreObject(repo.open(), path as RepoPath, { object: object! });
  }
  expect(repo.read('build/b.txt')).toBe('edited by hand');
  expect(repo.read('build/a/notes.txt')).toBe('mine');
  await reproduce(repo);

  repo.write('build/b.txt', 'edited again');
  const ran = await reproduce(repo, { force: true });
  expect(ran.warnings).toHaveLength(1);
  expect(repo.read('build/b.txt')).toBe('one');
});

test('nothing of an old run can pass for a new one, unless the stage goes on from it', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, () => ({
    fresh: {
      cmd: 'ls out > seen.txt 2>/dev/null; mkdir -p out; cp in.txt out/$(cat in.txt)',
      deps: ['in.txt'],
      outs: ['out'],
    },
    kept: {
      cmd: 'mkdir -p log; cp in.txt log/$(cat in.txt)',
      deps: ['in.txt'],
      outs: ['log'],
      persist: true,
    },
  }));
  const { repo } = world;
  await reproduce(repo);
  repo.write('in.txt', 'two');
  await reproduce(repo);
  expect(Object.keys(repo.tree('out'))).toEqual(['out/two']);
  expect(Object.keys(repo.tree('log'))).toEqual(['log/one', 'log/two']);
  expect(repo.read('seen.txt')).toBe('');
});

test('a failing stage leaves the lock as it was, and what follows is skipped', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, (command) => ({
    ...chain(command),
    z: { cmd: command('z', {}) },
  }));
  const { repo, commands } = world;
  await reproduce(repo);
  const lock = repo.read(lockFileName);
  const metrics = repo.read('metrics/b.json');
  writeStages(repo, {
    ...chain(commands.command),
    b: {
      ...chain(commands.command).b,
      cmd: commands.command('b', { write: { 'build/b.txt': 'half' }, say: ['oh no'], exit: 7 }),
    },
    c: { cmd: commands.command('c', {}), deps: ['build/b.txt'] },
  });
  const { result, events } = await reproduce(repo);
  expect(show(result)).toEqual([
    'a: fresh',
    'b: failed (command changed)',
    'c: skipped (after b, which did not succeed)',
  ]);
  expect(result.stages[1]?.failure).toMatchObject({ code: 'stage-failed', output: 'oh no\n' });
  expect(result.stages[1]?.failure?.message).toMatch(/^b: .* ended with status 7$/s);
  expect(events.filter((event) => event.type === 'stage-output')).toMatchObject([{ text: 'oh no\n' }]);
  expect(repo.read('metrics/b.json')).toBe(metrics);
  const entries = readLock(repo.open());
  expect([...entries.keys()]).toEqual(['a', 'b', 'z']);
  expect(repo.read(lockFileName)).toBe(lock);

  // What the failed run left is no edit of the user's.
  writeStages(repo, chain(commands.command));
  const mended = await reproduce(repo);
  expect(outcomes(mended.result)).toEqual({ a: 'fresh', b: 'restored' });
  expect(mended.warnings).toEqual([]);
  expect([...readLock(repo.open()).keys()]).toEqual(['a', 'b']);
});

test('after a failure nothing new starts, or all that does not depend on it', async () => {
  const stages = (command: (name: string, work: Work) => string): Written => ({
    bad: { cmd: command('bad', { exit: 1 }), outs: ['x'] },
    after: { cmd: command('after', {}), deps: ['x'] },
    other: { cmd: command('other', {}) },
  });
  await using world = await pipeline({}, stages);
  expect(show((await reproduce(world.repo)).result)).toEqual([
    'bad: failed (never run)',
    'after: skipped (after bad, which did not succeed)',
    'other: skipped (another stage failed)',
  ]);
  expect(outcomes((await reproduce(world.repo, { keepGoing: true })).result)).toEqual({
    bad: 'failed',
    after: 'skipped',
    other: 'ran',
  });
});

test('a stage fails when it does not write what it declares, or too much metrics', async () => {
  await using world = await pipeline({}, () => ({
    nothing: { cmd: 'true', outs: ['build/x'] },
    large: { cmd: 'head -c 2000000 /dev/zero > m.json', metrics: ['m.json'] },
    elsewhere: { cmd: 'mkdir -p y && true', outs: ['y/z'], metrics: ['y.json'] },
  }));
  const { result } = await reproduce(world.repo, { keepGoing: true });
  expect(result.stages.map(({ failure }) => failure?.message)).toMatchInlineSnapshot(`
    [
      "nothing: it ended well but did not write build/x",
      "large: m.json is no metrics file: it must be a file of at most 1 MB; larger results belong into outs",
      "elsewhere: it ended well but did not write y.json",
    ]
  `);
  expect(world.repo.exists(lockFileName)).toBe(false);
});

test('no more stages run at once than asked for, and those that can do', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  await using world = await pipeline(
    {},
    (command) => Object.fromEntries(names.map((name) => [name, { cmd: command(name, {}) }])),
    { wait: true },
  );
  const { repo, commands } = world;
  const running = reproduce(repo, { jobs: 2 });
  for (let i = 0; i < names.length; i++) {
    const waiting = await commands.next();
    expect(commands.counts().running).toBeLessThanOrEqual(2);
    if (i === 0) await commands.next().then((second) => second.release());
    waiting.release();
    if (i === 0) i++;
  }
  expect(outcomes((await running).result)).toEqual(Object.fromEntries(names.map((name) => [name, 'ran'])));
  expect(commands.counts().most).toBe(2);
});

test('other commands can work while a stage runs', async () => {
  await using world = await pipeline(
    { 'd/x': 'x' },
    (command) => ({ a: { cmd: command('a', { write: { o: '1' } }), outs: ['o'] } }),
    { wait: true },
  );
  const running = reproduce(world.repo);
  const waiting = await world.commands.next();
  await addPaths(world.repo, 'd');
  waiting.release();
  expect(outcomes((await running).result)).toEqual({ a: 'ran' });
});

test('an interrupted repro stops its stages and can be taken up again', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain, { wait: true });
  const { repo, commands } = world;
  const interruption = new AbortController();
  const running = reproduce(repo, { signal: interruption.signal });
  const a = await commands.next();
  a.release();
  const b = await commands.next();
  interruption.abort();
  await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  await b.gone;
  expect([...readLock(repo.open()).keys()]).toEqual(['a']);
  commands.releaseAll();
  const again = await reproduce(repo);
  expect(outcomes(again.result)).toEqual({ a: 'fresh', b: 'ran' });
  expect(again.warnings).toEqual([]);
});

test('a killed repro takes its stages with it, and running it again ends as if nothing had happened', async () => {
  await using undisturbed = await pipeline({ 'in.txt': 'one' }, chain);
  await reproduce(undisturbed.repo);
  await using world = await pipeline(
    { 'in.txt': 'one' },
    (command) => {
      const stages = chain(command);
      const first = { 'build/b.txt': 'half', 'metrics/b.json': '{"n' };
      return {
        ...stages,
        b: {
          ...stages.b,
          cmd: command('b', {
            first,
            copy: { 'build/a/out.txt': 'build/b.txt' },
            write: { 'metrics/b.json': '{"n":1}\n' },
          }),
        },
      };
    },
    { wait: true },
  );
  const { repo, commands } = world;
  const child = spawn(process.execPath, [mainScript, 'repro'], {
    cwd: repo.root,
    env: repo.env,
    stdio: 'ignore',
  });
  (await commands.next()).release();
  const b = await commands.next();
  child.kill('SIGKILL');
  await b.gone;
  expect(repo.read('build/b.txt')).toBe('half');
  expect([...readLock(repo.open()).keys()]).toEqual(['a']);
  commands.releaseAll();
  const { result } = await reproduce(repo);
  expect(outcomes(result)).toEqual({ a: 'fresh', b: 'ran' });
  expect(repo.tree('build')).toEqual(undisturbed.repo.tree('build'));
  expect(repo.tree('metrics')).toEqual(undisturbed.repo.tree('metrics'));
  expect(stageOutputs(repo.open())).toEqual(stageOutputs(undisturbed.repo.open()));
  expect(readdirSync(join(repo.root, '.git/dv/running'))).toEqual([]);
});

test('named stages bring what they read from, and on request what reads from them', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, (command) => ({
    ...chain(command),
    c: { cmd: command('c', {}), deps: ['build/b.txt'] },
    d: { cmd: command('d', {}) },
  }));
  const { repo } = world;
  expect(outcomes((await reproduce(repo, { stages: ['b'] })).result)).toEqual({ a: 'ran', b: 'ran' });
  expect(outcomes((await reproduce(repo, { stages: ['b'], downstream: true })).result)).toEqual({
    a: 'fresh',
    b: 'fresh',
    c: 'ran',
  });
  expect(outcomes((await reproduce(repo, { stages: ['b'], force: true })).result)).toEqual({
    a: 'fresh',
    b: 'ran',
  });
  await expect(reproduce(repo, { stages: ['e'] })).rejects.toMatchObject({ code: 'unknown-stage' });
});

test('always and frozen', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, (command) => ({
    always: { cmd: command('always', {}), always: true },
    frozen: { cmd: command('frozen', { copy: { 'in.txt': 'f' } }), deps: ['in.txt'], outs: ['f'] },
  }));
  const { repo, commands } = world;
  await reproduce(repo);
  expect(show((await reproduce(repo)).result)).toEqual(['always: ran (always)', 'frozen: fresh']);
  writeStages(repo, { frozen: { cmd: 'false', deps: ['in.txt'], outs: ['f'], frozen: true } });
  repo.write('in.txt', 'two');
  expect(show((await reproduce(repo)).result)).toEqual(['frozen: fresh (frozen)']);
  repo.remove('f');
  expect(outcomes((await reproduce(repo)).result)).toEqual({ frozen: 'restored' });
  expect(repo.read('f')).toBe('one');
  expect(await stageStates(repo.open(), { env: repo.env })).toEqual([
    { name: 'frozen', state: 'frozen', reasons: [] },
  ]);
  expect(commands.started()).toEqual(['always', 'frozen', 'always']);
});

test('a stage that takes too long is stopped; one that may be tried again is', async () => {
  await using world = await pipeline({}, () => ({
    slow: { cmd: 'sleep 600', timeout: 0.2 },
    flaky: { cmd: 'echo x >> ../outside/tries; test $(wc -l < ../outside/tries) -ge 3', retries: 2 },
  }));
  const { result, warnings } = await reproduce(world.repo, { keepGoing: true });
  expect(result.stages.map(({ name, failure }) => failure?.message ?? `${name} ran`)).toEqual([
    'slow: sleep 600 took longer than 0.2 s and was stopped',
    'flaky ran',
  ]);
  expect(warnings).toEqual([
    'flaky ended with status 1; trying again (1 of 2)',
    'flaky ended with status 1; trying again (2 of 2)',
  ]);
});

test('a dep that no stage writes and that is not there stops everything before it starts', async () => {
  await using world = await pipeline({ 'data/x': '1' }, (command) => ({
    a: { cmd: command('a', {}) },
    b: { cmd: command('b', {}), deps: ['nowhere', 'data'] },
  }));
  const { repo, commands } = world;
  await addPaths(repo, 'data');
  repo.remove('data');
  await expect(reproduce(repo)).rejects.toThrowErrorMatchingInlineSnapshot(`
    [DvError: nowhere, which b reads, does not exist, and no stage writes it
    data, which b reads, does not exist, and no stage writes it]
  `);
  expect(commands.started()).toEqual([]);
});

test('tracked data with changes that are not recorded is pointed out', async () => {
  await using world = await pipeline({ 'data/x': '1' }, (command) => ({
    a: { cmd: command('a', { copy: { 'data/x': 'out' } }), deps: ['data'], outs: ['out'] },
  }));
  const { repo } = world;
  await addPaths(repo, 'data');
  expect((await reproduce(repo)).warnings).toEqual([]);
  repo.write('data/x', '2');
  expect((await reproduce(repo)).warnings).toEqual([
    'a read data with changes that are not recorded; nobody else can reproduce this',
  ]);
});

test('a stage that changes what it reads is pointed out, and is stale', async () => {
  await using world = await pipeline({ 'code/x': '1' }, (command) => ({
    a: { cmd: command('a', { write: { 'code/made': '1', out: '1' } }), deps: ['code'], outs: ['out'] },
  }));
  const { repo } = world;
  expect((await reproduce(repo)).warnings).toEqual(['code changed while a was reading it; a will be stale']);
  expect(show((await reproduce(repo)).result)).toEqual(['a: ran (dep code changed (1 → 2 files))']);
  expect(show((await reproduce(repo)).result)).toEqual(['a: fresh']);
});

test('a lock of the branch that was checked out meanwhile is left alone', async () => {
  await using world = await pipeline({ 'in.txt': 'one' }, chain, { wait: true });
  const { repo, commands } = world;
  await repo.commit('start');
  const running = reproduce(repo);
  (await commands.next()).release();
  const b = await commands.next();
  await repo.git('checkout', '-q', '-b', 'other');
  b.release();
  const { warnings } = await running;
  expect(warnings).toEqual(['another branch was checked out while b ran; stages.lock here was left alone']);
  expect([...readLock(repo.open()).keys()]).toEqual(['a']);
  // Nothing was lost: the run is known.
  expect(outcomes((await reproduce(repo)).result)).toEqual({ a: 'fresh', b: 'restored' });
});

test('outs that git tracks, or that lie behind a link, are refused', async () => {
  await using world = await pipeline({ 'out/x': 'git has it' }, (command) => ({
    a: { cmd: command('a', {}), outs: ['out'] },
    b: { cmd: command('b', {}), outs: ['link/x'] },
  }));
  const { repo, commands } = world;
  await repo.commit('start');
  const { result } = await reproduce(repo, { stages: ['a'] });
  expect(result.stages[0]?.failure?.message).toBe(
    'out/x is tracked by git; a file belongs either to git or to dv',
  );
  symlinkSync(repo.outside, join(repo.root, 'link'));
  await expect(reproduce(repo, { stages: ['b'] })).rejects.toMatchObject({ code: 'unsafe-link' });
  expect(commands.started()).toEqual([]);
  expect(existsSync(join(repo.outside, 'x'))).toBe(false);
});

test('a built-in step runs as a stage', async () => {
  await using world = await pipeline({}, () => ({
    convert: { uses: 'convert', with: { from: 'data', to: 'build/records' } },
  }));
  const { repo } = world;
  repo.write('data/README.txt', 'no class folders here');
  const { result } = await reproduce(repo);
  expect(outcomes(result)).toEqual({ convert: 'failed' });
  expect(result.stages[0]?.failure?.message).toBe('convert: step convert ended with status 1');
  expect(result.stages[0]?.failure?.output).toMatch(/^dv: convert: /);
});

test('why names the files that changed and the last run', async () => {
  await using world = await pipeline({ 'data/1': '1', 'data/2': '2' }, (command) => ({
    a: { cmd: command('a', { copy: { 'data/1': 'mid' } }), deps: ['data'], outs: ['mid'] },
    b: { cmd: command('b', {}), deps: ['mid'] },
  }));
  const { repo } = world;
  await addPaths(repo, 'data');
  await reproduce(repo);
  repo.write('data/1', 'new');
  repo.write('data/3', '3');
  repo.remove('data/2');
  const a = await why(repo.open(), 'a', { env: repo.env });
  expect(a).toMatchObject({
    name: 'a',
    state: 'stale',
    reasons: ['dep data changed'],
    changes: [{ path: 'data', added: ['3'], modified: ['1'], deleted: ['2'] }],
    upstream: [],
  });
  expect(a.lastRun?.seconds).toBeGreaterThan(0);
  expect(await why(repo.open(), 'b', { env: repo.env })).toMatchObject({
    state: 'stale',
    reasons: ['after a, which is stale'],
    upstream: [{ name: 'a', state: 'stale' }],
  });
});

test('without stages.yaml there is nothing to reproduce', async () => {
  await using repo = await testRepo({});
  await expect(reproduce(repo)).rejects.toMatchObject({ code: 'no-stages' });
  expect(await stageStates(repo.open(), { env: repo.env })).toEqual([]);
});
