import { afterAll, beforeAll, expect, test } from 'vitest';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

let repo: TestRepo;
beforeAll(async () => {
  repo = await testRepo({
    'data/a': 'a\n',
    'params.yaml': 'seed: 1\n',
    'stages.yaml': `version: 1
stages:
  copy:
    cmd: 'cp data/a build/copy; echo copied \${seed}; printf "odd \\\\033[31m words" >&2'
    deps: [data/a]
    outs: [build/copy]
  score:
    cmd: 'wc -c < build/copy > score.json'
    deps: [build/copy]
    metrics: [score.json]
`,
  });
});
afterAll(() => repo[Symbol.asyncDispose]());

/** Times differ from run to run. */
const steady = (text: string) => text.replace(/ +\d+\.\d s/g, ' N s');

test('repro says what it did, why, and what to commit', async () => {
  const { stdout, stderr } = await repo.dvOk('repro');
  expect(steady(stdout)).toMatchInlineSnapshot(`
    "copy    ran N s   never run
    score   ran N s   never run
    to commit: git add build/.gitignore score.json stages.lock
    "
  `);
  expect(steady(stderr)).toMatchInlineSnapshot(`
    "copy: cp data/a build/copy; echo copied 1; printf "odd \\\\033[31m words" >&2
      because never run
    copy | copied 1
    copy | odd  words
    copy: ran in N s
    score: wc -c < build/copy > score.json
      because never run
    score: ran in N s
    "
  `);
});

test('a second repro finds all fresh', async () => {
  const { stdout, stderr } = await repo.dvOk('repro');
  expect(stdout).toMatchInlineSnapshot(`
    "copy    fresh
    score   fresh
    "
  `);
  expect(stderr).toBe('');
});

test('a dry run changes nothing and says why', async () => {
  repo.write('params.yaml', 'seed: 2\n');
  const before = repo.tree();
  expect((await repo.dvOk('repro', '--dry')).stdout).toMatchInlineSnapshot(`
    "copy    would run   param seed changed: 1 → 2
    score   may run     after copy, which is stale
    "
  `);
  expect(
    (await repo.dvOk('why', 'copy')).stdout.replace(/last run: .*/, 'last run: …'),
  ).toMatchInlineSnapshot(`
    "copy is stale  (cp data/a build/copy; echo copied 2; printf "odd \\\\033[31m words" >&2)
      param seed changed: 1 → 2
    last run: …
    "
  `);
  expect(repo.tree()).toEqual(before);
});

test('as JSON', async () => {
  const { stdout, stderr } = await repo.dvOk('repro', '--json');
  const result = JSON.parse(stdout) as { stages: { seconds: number }[] };
  expect(result).toMatchObject({
    stages: [
      { name: 'copy', outcome: 'ran', reasons: ['param seed changed: 1 → 2'] },
      { name: 'score', outcome: 'fresh', reasons: [] },
    ],
    commit: ['stages.lock'],
  });
  expect(result.stages[0]?.seconds).toBeGreaterThan(0);
  const events = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
  expect(events.map(({ type }) => type)).toContain('stage-output');
});

test('a stage that fails gives status 20, and its last words', async () => {
  repo.write('data/a', '');
  repo.write('stages.yaml', repo.read('stages.yaml').replace("cmd: 'wc", "cmd: 'test -s build/copy && wc"));
  const { status, stdout } = await repo.dv('repro');
  expect(status).toBe(20);
  expect(steady(stdout)).toMatchInlineSnapshot(`
    "copy    ran N s   dep data/a changed
    score   failed N s   command changed; dep build/copy changed
    failed: score: test -s build/copy && wc -c < build/copy > score.json ended with status 1
    hint: dv repro score tries again; stages.lock is as it was
    to commit: git add stages.lock
    "
  `);
  const json = JSON.parse((await repo.dv('repro', '--json')).stdout) as { stages: object[] };
  expect(json.stages[1]).toMatchObject({ outcome: 'failed', failure: { code: 'stage-failed' } });
});

test('an invalid stages.yaml gives status 2 and all problems', async () => {
  await using other = await testRepo({
    'stages.yaml': 'version: 1\nstages:\n  a: { deps: x }\n  b: { uses: c }\n',
  });
  const { status, stderr } = await other.dv('repro');
  expect(status).toBe(2);
  expect(stderr).toMatchInlineSnapshot(`
    "dv: stages.yaml:3:8 stages.a.deps: expected a list of paths, found "x"
    stages.yaml:4:8 stages.b.uses: expected one of convert, extract, augment, train, evaluate, found "c"
    "
  `);
});

test('stages run where there is no git program', async () => {
  await using other = await testRepo({
    in: '1',
    'stages.yaml': 'version: 1\nstages:\n  a: { cmd: /bin/cp in out, deps: [in], outs: [out] }\n',
  });
  const env = { PATH: '/nowhere' };
  const run = () => other.run(process.execPath, [mainScript, 'repro'], { env });
  const first = await run();
  expect(steady(first.stdout)).toBe('a   ran N s   never run\nto commit: git add .gitignore stages.lock\n');
  expect(first.status).toBe(0);
  expect((await run()).stdout).toBe('a   fresh\n');
});

test('steps are listed, checked, and fail without a stack', async () => {
  expect((await repo.dvOk('step')).stdout).toMatch(/^convert +writes the images/);
  const wrong = await repo.dv('step', 'convert', '--with', '{"from":"data","shards":"x"}');
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatchInlineSnapshot(`
    "dv: convert: --with to: to is missing
    --with shards: expected a number, found "x"
    hint: convert takes from, to, classes, size, channels, shards, unreadable
    "
  `);
  expect((await repo.dv('step', 'convert', '--with', '{')).stderr).toMatch(/^dv: --with is not JSON: /);
  expect((await repo.dv('step', 'nothing')).status).toBe(2);
  const failed = await repo.dv('step', 'convert', '--with', '{"from":"nowhere","to":"out"}');
  expect(failed.status).toBe(1);
  expect(failed.stderr).toMatch(/^dv: convert: /);
  expect(failed.stderr).not.toMatch(/\n +at /);
});

test('the graph is shown', async () => {
  expect((await repo.dvOk('dag')).stdout).toContain('  ← build/copy  from copy\n');
  expect((await repo.dvOk('dag', '--mermaid')).stdout).toMatch(/^flowchart TD\n/);
  expect(JSON.parse((await repo.dvOk('dag', '--json')).stdout)).toHaveProperty('edges');
});
