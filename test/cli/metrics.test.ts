import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { digestOf } from '../../core/model/digest.ts';
import { formatPointer } from '../../core/model/pointer.ts';
import { type HistoryRepo, historyRepo } from '../support/branches.ts';

let repo: HistoryRepo;
const pointer = (content: string, files: number) =>
  formatPointer({ kind: 'tree', digest: digestOf(content), files, bytes: files });

beforeAll(async () => {
  repo = await historyRepo();
  await repo.commitFiles('first', {
    'metrics/evaluate.json': '{"accuracy": 0.912, "loss": 0.312, "images": 1000}',
    'params.yaml': 'seed: 42\n',
    'data/train.dv': pointer('v1', 2880),
  });
  await repo.branch('data/v2', {
    'metrics/evaluate.json': '{"accuracy": 0.9341, "loss": 0.2705, "images": 1000}',
    'data/train.dv': pointer('v2', 3168),
  });
  await repo.branch('broken', { 'metrics/evaluate.json': '{' });
});
afterAll(() => repo[Symbol.asyncDispose]());

/** Ages and commit ids differ between runs of the tests and of time. */
const steady = (text: string) => text.replace(/\b[0-9a-f]{7} \d+ years?/g, 'commit-and-age');

it('prints what differs between branches, nothing being checked out', async () => {
  const before = repo.tree();
  const { stdout } = await repo.dvOk('metrics', 'diff', 'main', 'data/v2');
  expect(steady(stdout)).toMatchInlineSnapshot(`
    "                        main              data/v2
                            commit-and-age   commit-and-age
    data
      data/train            3bfc26 2,880      fb04dc 3,168 +288
    metrics/evaluate.json
      accuracy              0.9120           *0.9341 ▲0.0221
      loss                  0.3120           *0.2705 ▼0.0415

    * best · ▲▼ against main · 1 equal row hidden (--all shows)
    "
  `);
  expect(repo.tree()).toEqual(before);
});

it('gives the whole table as JSON', async () => {
  const { stdout } = await repo.dvOk(
    'metrics',
    'diff',
    '--all-branches',
    '--glob',
    'data/*',
    '--baseline',
    'main',
    '--json',
  );
  expect(JSON.parse(stdout)).toEqual({
    revs: [
      {
        name: 'main',
        commit: await repo.ask('rev-parse', 'main'),
        date: new Date(await repo.ask('log', '-1', '--format=%cI', 'main')).toISOString(),
        subject: 'first',
        dataDigests: { 'data/train': digestOf('v1') },
        dataFiles: { 'data/train': 2880 },
      },
      expect.objectContaining({ name: 'data/v2', subject: 'work on data/v2' }),
    ],
    rows: [
      { file: 'metrics/evaluate.json', key: 'accuracy', better: 'higher', values: [0.912, 0.9341] },
      { file: 'metrics/evaluate.json', key: 'loss', better: 'lower', values: [0.312, 0.2705] },
      { file: 'metrics/evaluate.json', key: 'images', values: [1000, 1000] },
    ],
    problems: [],
  });
});

it('prints Markdown and CSV, and refuses both at once', async () => {
  const markdown = await repo.dvOk('metrics', 'diff', 'main', 'data/v2', '--md');
  expect(markdown.stdout).toContain('| accuracy | 0.9120 | **0.9341** ▲0.0221 |');
  const csv = await repo.dvOk('metrics', 'diff', 'main', 'data/v2', '--csv', '--all');
  expect(csv.stdout.split('\n').slice(-4)).toEqual([
    'metrics/evaluate.json,accuracy,0.912,0.9341',
    'metrics/evaluate.json,loss,0.312,0.2705',
    'metrics/evaluate.json,images,1000,1000',
    '',
  ]);
  expect(await repo.dv('metrics', 'diff', '--csv', '--md')).toMatchObject({ status: 2 });
  expect(await repo.dv('metrics', 'diff', '--glob', 'a', '--glob', 'b')).toMatchObject({ status: 2 });
});

it('says so when nothing differs, and compares HEAD with the workspace', async () => {
  const clean = await repo.dvOk('metrics', 'diff');
  expect(clean.stdout).toBe(
    'No difference between main and the workspace (3 metrics compared). --all-branches compares branches.\n',
  );
  repo.write('metrics/evaluate.json', '{"accuracy": 0.95, "loss": 0.312, "images": 1000}');
  const changed = await repo.dvOk('metrics', 'diff');
  expect(changed.stdout).toMatch(/accuracy +0\.9120 +\*0\.9500 ▲0\.0380/);
  await repo.git('checkout', '--quiet', '.');
});

it('warns of a file it cannot read and goes on', async () => {
  const { stdout, stderr } = await repo.dvOk('metrics', 'diff', 'main', 'broken');
  expect(stderr).toMatch(/^dv: warning: broken: metrics\/evaluate\.json: .*JSON/);
  expect(stdout).toMatch(/accuracy +0\.9120 +—/);
});

it('names the first of many files it cannot read', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `metrics/${name}.json`);
  for (const name of names) repo.write(name, 'no JSON');
  const { stderr } = await repo.dvOk('metrics', 'diff');
  expect(stderr.trimEnd().split('\n')).toHaveLength(6);
  expect(stderr).toMatch(/2 more files could not be read \(--json names them\)\n$/);
  for (const name of names) repo.remove(name);
});

it('compares params, and shows either', async () => {
  expect((await repo.dvOk('params', 'diff', 'main', 'data/v2')).stdout).toBe(
    'No difference between main and data/v2 (1 param compared).\n',
  );
  expect((await repo.dvOk('params', 'show')).stdout).toMatch(/^ +main\n.*\nparams\.yaml\n {2}seed +42\n$/);
  expect((await repo.dvOk('metrics', 'show', 'data/v2')).stdout).toMatch(/images +1000/);
});

it('names a revision that is not there', async () => {
  const { status, stderr } = await repo.dv('metrics', 'diff', 'main', 'nowhere');
  expect([status, stderr]).toEqual([
    2,
    'dv: nowhere is no branch, tag or commit of this repository\nhint: git branch --all\n',
  ]);
});

it('works where there is no git program', async () => {
  const empty = join(repo.outside, 'no-programs');
  mkdirSync(empty);
  const args = ['metrics', 'diff', 'main', 'data/v2', '--json'];
  const { mainScript } = await import('../support/repo.ts');
  const without = await repo.run(process.execPath, [mainScript, ...args], { env: { PATH: empty } });
  expect(without).toMatchObject({ status: 0, stdout: (await repo.dvOk(...args)).stdout });
});
