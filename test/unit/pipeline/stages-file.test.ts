import { expect, test } from 'vitest';
import { DvError, formatProblem } from '../../../core/errors.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import type { Stage } from '../../../core/pipeline/stage.ts';
import { parseStages, refuseTrackedOutputs, stagesForEvent } from '../../../core/pipeline/stages-file.ts';
import { testRepo } from '../../support/repo.ts';

const parse = (text: string, params?: string) =>
  parseStages(
    { file: 'stages.yaml', text },
    params === undefined ? undefined : { file: 'params.yaml', text: params },
  );

/** The problems of a file as the user reads them. */
async function problemsOf(text: string, params?: string): Promise<string> {
  try {
    await parse(text, params);
  } catch (error) {
    if (error instanceof DvError && error.code === 'invalid-file')
      return (error as DvError<'invalid-file'>).details.problems.map(formatProblem).join('\n');
    throw error;
  }
  throw new Error('expected problems');
}

/** The one stage of a file. */
async function one(body: string, params?: string): Promise<Stage> {
  const indented = body.trim().replace(/^/gm, '    ');
  const stages = await parse(`version: 1\nstages:\n  s:\n${indented}\n`, params);
  return stages[0]!;
}

const paths = (list: readonly { path: string }[]) => list.map(({ path }) => path);

test('the example of the manual is understood', async () => {
  const stages = await parse(
    `version: 1
stages:
  convert:
    uses: convert
    with: { from: data/raw, to: build/records }
    on: [post-checkout, post-merge]
  clean:
    cmd: python clean.py --seed \${seed}
    deps: [clean.py, data/raw]
    outs: [build/clean]
    params: [seed]
  evaluate:
    uses: evaluate
    with: { model: build/model, data: data/val, out: build/evaluation, metrics: metrics/evaluate.json }
    timeout: 10 min
    retries: 2
`,
    'seed: 7\n',
  );
  const [convert, clean, evaluate] = stages as [Stage, Stage, Stage];
  expect(convert.program).toEqual({
    kind: 'step',
    name: 'convert',
    version: 1,
    args: { from: 'data/raw', to: 'build/records', shards: 1, unreadable: 'fail' },
  });
  expect(paths(convert.deps)).toEqual(['data/raw']);
  expect(paths(convert.outs)).toEqual(['build/records']);
  expect(convert.on).toEqual(['post-checkout', 'post-merge']);
  expect(clean.program).toEqual({
    kind: 'command',
    template: `python clean.py --seed \${seed}`,
    command: 'python clean.py --seed 7',
  });
  expect([...clean.params]).toEqual([['seed', 7]]);
  expect(paths(evaluate.metrics)).toEqual(['metrics/evaluate.json']);
  expect(evaluate.timeoutMs).toBe(600_000);
  expect(evaluate.retries).toBe(2);
});

test('every problem of a file is told at once, with its place', async () => {
  expect(
    await problemsOf(
      `version: 1
stages:
  train:
    cmd: python train.py
    outs: build/model
    dep: [data]
  no good:
    cmd: ''
  split:
    uses: spilt
    with: { from: data }
  convert:
    uses: convert
    with: { from: data/raw, to: build/records, shards: many, size: [32], colour: 3 }
    outs: [build/more]
  half:
    uses: convert
    with: { from: data/raw }
  clean:
    cmd: python clean.py \${seeed} \${train}
    deps: [/etc/passwd, ../other, .git/config]
    outs: [stages.lock, build/.., build/x.dv, 'build/\${seed}']
    params: [epochs, train.lr]
    env: [HF_TOKEN, 1A]
  when:
    cmd: date
    on: [pre-commit]
    timeout: soon
    retries: -1
    frozen: yes
    env: { A: [1] }
  grid:
    cmd: python grid.py
    matrix: { size: [16, 32] }
    resources: { gpus: 1 }
    background: true
  nothing:
    deps:
  both:
    cmd: ls
    uses: convert
    with: { a: 1 }
stage: {}
`,
      'seed: 1\ntrain: { epochs: 3 }\n',
    ),
  ).toMatchInlineSnapshot(`
    "stages.yaml:5:5 stages.train.outs: expected a list of paths, found "build/model"
    stages.yaml:6:5 stages.train.dep: dep is no key of a stage (cmd, uses, with, deps, outs, metrics, params, on, env, wdir, frozen, always, persist, timeout, retries, matrix, resources, background)
    stages.yaml:8:5 stages.no good.cmd: expected a command line, found ""
    stages.yaml:10:5 stages.split.uses: expected one of convert, extract, augment, train, evaluate, found "spilt"
    stages.yaml:14:48 stages.convert.with.shards: expected a number, found "many"
    stages.yaml:14:62 stages.convert.with.size[1]: expected a number, found nothing
    stages.yaml:14:74 stages.convert.with.colour: colour is no argument of convert (from, to, classes, size, channels, shards, unreadable)
    stages.yaml:15:5 stages.convert.outs: the step convert says itself what it writes; take outs out
    stages.yaml:18:5 stages.half.with.to: to is missing
    stages.yaml:20:5 stages.clean.cmd: params.yaml has no seeed; for the shell's own variable write $seeed or $\${seeed}
    stages.yaml:20:5 stages.clean.cmd: train is a list or a map, which cannot be put into a text
    stages.yaml:21:12 stages.clean.deps[0]: expected a path inside the repository, found "/etc/passwd"
    stages.yaml:21:25 stages.clean.deps[1]: "../other" is outside the repository
    stages.yaml:21:35 stages.clean.deps[2]: the path ".git/config" is not allowed: it has a part that names .git
    stages.yaml:22:12 stages.clean.outs[0]: stages.lock is a file dv or git reads; a stage cannot write it
    stages.yaml:22:25 stages.clean.outs[1]: expected a path inside the repository, found its top
    stages.yaml:22:35 stages.clean.outs[2]: build/x.dv ends as pointers do; a stage cannot write it
    stages.yaml:22:47 stages.clean.outs[3]: parameters (\${…}) are filled in in cmd and with only
    stages.yaml:23:14 stages.clean.params[0]: params.yaml has no epochs
    stages.yaml:23:22 stages.clean.params[1]: params.yaml has no train.lr
    stages.yaml:24:11 stages.clean.env[0]: HF_TOKEN looks like a secret, and what is listed here is recorded in stages.lock; stages get the whole environment, so leave it out
    stages.yaml:24:21 stages.clean.env[1]: expected the name of an environment variable, found "1A"
    stages.yaml:27:10 stages.when.on[0]: expected post-checkout, post-merge, post-rewrite, found "pre-commit"
    stages.yaml:28:5 stages.when.timeout: expected a number of seconds, or a time such as 90 s, 10 min or 2 h, found "soon"
    stages.yaml:29:5 stages.when.retries: expected a whole number from 0 to 100, found -1
    stages.yaml:30:5 stages.when.frozen: expected true or false, found "yes"
    stages.yaml:31:5 stages.when.env: expected a list of names of environment variables, or a map of names and values, found a map
    stages.yaml:34:5 stages.grid.matrix: matrix is not supported by this version of dv; take it out
    stages.yaml:35:5 stages.grid.resources: resources is not supported by this version of dv; take it out
    stages.yaml:36:5 stages.grid.background: background is not supported by this version of dv; take it out
    stages.yaml:38:5 stages.nothing.deps: expected a list of paths, found nothing
    stages.yaml:41:5 stages.both.uses: expected either cmd or uses, found both
    stages.yaml:42:5 stages.both.with: arguments are for a step (uses); a cmd names them itself
    stages.yaml:43:1 stage: stage is no key of this file (version, stages)"
  `);
});

test('writing twice, metrics inside outs and cycles are told', async () => {
  expect(
    await problemsOf(`version: 1
stages:
  a:
    cmd: a
    deps: [out/c]
    outs: [out/a, m]
  b:
    cmd: b
    outs: [out/a/inner]
    metrics: [m/scores.json]
  c:
    cmd: c
    deps: [out/a]
    outs: [out/c]
  d:
    cmd: d
    deps: [out/d/x]
    outs: [out/d]
  e:
    cmd: e
    outs: [out/c, e, e/metrics]
`),
  ).toMatchInlineSnapshot(`
    "stages.yaml:9:12 stages.b.outs[0]: out/a/inner is inside out/a, written by a (line 6)
    stages.yaml:10:15 stages.b.metrics[0]: m/scores.json is inside m, written by a (line 6)
    stages.yaml:11:3 stages.c: these stages wait for each other: c → a → c
    stages.yaml:15:3 stages.d: d reads what it writes itself
    stages.yaml:21:12 stages.e.outs[0]: out/c is also written by c (line 14)
    stages.yaml:21:22 stages.e.outs[2]: e/metrics is inside e, written by this stage (line 21)"
  `);
});

test('merge conflicts are named before anything else', async () => {
  expect(
    await problemsOf(`version: 1
stages:
<<<<<<< HEAD
  a: { cmd: a }
=======
  a: { cmd: b }
>>>>>>> other
`),
  ).toMatchInlineSnapshot(
    `"stages.yaml:3: git left a merge conflict here: choose one side and remove the markers"`,
  );
});

test('files that are no stages are refused with line and column', async () => {
  const texts = {
    unfinished: 'version: 1\nstages:\n  a:\n    cmd: "unfinished\n  b: [1, 2\n',
    'stage twice': 'version: 1\nstages:\n  a: { cmd: x }\n  a: { cmd: y }\n',
    empty: '',
    'a list': 'version: 1\nstages: [a]\n',
    'no version': 'stages: {}\n',
  };
  const found: Record<string, string> = {};
  for (const [what, text] of Object.entries(texts)) found[what] = await problemsOf(text);
  found.params = await problemsOf('version: 1\nstages: {}\n', 'a: [');
  expect(found).toMatchInlineSnapshot(`
    {
      "a list": "stages.yaml:2:1 stages: expected a map of stages, found a list",
      "empty": "stages.yaml:1:1: expected \`version: 1\` and \`stages:\`, found nothing",
      "no version": "stages.yaml:1:1 version: version is missing",
      "params": "params.yaml:1:5: flow sequence in block collection must be sufficiently indented and end with a ]",
      "stage twice": "stages.yaml:4:3: map keys must be unique",
      "unfinished": "stages.yaml:6:1: missing closing "quote",
    }
  `);
});

test('a newer format asks for a newer dv', async () => {
  await expect(parse('version: 2\nstages: {}\n')).rejects.toMatchObject({ code: 'newer-format' });
});

test('paths are taken from the working directory', async () => {
  const stage = await one(
    'cmd: make\nwdir: code/\ndeps: [src/, ./a//b, ../data]\nouts: [out]\nmetrics: [../m.json]',
  );
  expect(stage.wdir).toBe('code');
  expect(paths(stage.deps)).toEqual(['code/src', 'code/a/b', 'data']);
  expect(paths(stage.outs)).toEqual(['code/out']);
  expect(paths(stage.metrics)).toEqual(['m.json']);
});

test('parameters reach texts, whole values and places deep inside arguments', async () => {
  const params = 'seed: 3\nsize: [16, 16]\nname: v2\ntrain: { lr: 0.1, on: true }\n';
  const step = await one(
    `uses: augment\nwith: { from: 'data/\${name}', to: build/x, seed: '\${seed}', rotate: 5 }`,
    params,
  );
  expect(step.program).toMatchObject({ args: { from: 'data/v2', seed: 3 } });
  expect([...step.params]).toEqual([
    ['name', 'v2'],
    ['seed', 3],
  ]);
  expect([...step.filledArgs]).toEqual(['from', 'seed']);
  const sized = await one(`uses: convert\nwith: { from: a, to: b, size: '\${size}' }`, params);
  expect(sized.program).toMatchObject({ args: { size: [16, 16] } });
  const deep = await one(`uses: convert\nwith: { from: a, to: b, size: ['\${seed}', 4] }`, params);
  expect(deep.program).toMatchObject({ args: { size: [3, 4] } });
  const command = await one(
    `cmd: run \${train.lr} \${train.on} $HOME $\${seed} \${X:-1}\nparams: [train]`,
    params,
  );
  expect(command.program).toMatchObject({ command: `run 0.1 true $HOME \${seed} \${X:-1}` });
  expect([...command.params.keys()]).toEqual(['train', 'train.lr', 'train.on']);
});

test('a parameter cannot be reached through what every object has', async () => {
  expect(
    await problemsOf(`version: 1\nstages:\n  a:\n    cmd: x \${constructor.name}\n`, 'a: 1\n'),
  ).toContain('params.yaml has no constructor.name');
});

test('environment variables are listed, or given a value', async () => {
  expect([...(await one('cmd: x\nenv: [OMP_NUM_THREADS]')).env]).toEqual([['OMP_NUM_THREADS', undefined]]);
  expect([...(await one('cmd: x\nenv: { A: 1, B: , C: x y }')).env]).toEqual([
    ['A', '1'],
    ['B', undefined],
    ['C', 'x y'],
  ]);
});

test('anchors and merge keys work', async () => {
  const stages = await parse(`version: 1
stages:
  a: &base
    cmd: x
    deps: [one]
  b:
    <<: *base
    outs: [two]
`);
  expect(paths(stages[1]!.deps)).toEqual(['one']);
});

test('outs where dv-tracked data lies are refused', async () => {
  const stages = await parse(
    'version: 1\nstages:\n  a:\n    cmd: x\n    outs: [data/raw/new, other]\n    metrics: [d]\n  b: { cmd: y, outs: [data/x] }\n',
  );
  const refuse = () => refuseTrackedOutputs(stages, ['data/raw', 'd/e', 'data/x'] as RepoPath[]);
  expect(refuse).toThrowErrorMatchingInlineSnapshot(`
    [DvError: stages.yaml:5:12 stages.a.outs[0]: data/raw/new is inside data/raw, data that dv add tracks; a path is either data or written by a stage
    stages.yaml:6:15 stages.a.metrics[0]: d is above d/e, data that dv add tracks; a path is either data or written by a stage
    stages.yaml:7:23 stages.b.outs[0]: data/x is data that dv add tracks; a path is either data or written by a stage]
  `);
});

test('stages of a git event are found', async () => {
  await using repo = await testRepo({
    'stages.yaml':
      'version: 1\nstages:\n  a: { cmd: x, on: [post-merge] }\n  b: { cmd: y, on: [post-checkout, post-merge] }\n  c: { cmd: z }\n',
  });
  expect(await stagesForEvent(repo.open(), 'post-merge')).toEqual(['a', 'b']);
  expect(await stagesForEvent(repo.open(), 'post-rewrite')).toEqual([]);
});
