import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  compareRevisions,
  type Selection,
  showRevisions,
  withParams,
} from '../../../core/metrics/compare-revisions.ts';
import type { Kind } from '../../../core/metrics/metric-files.ts';
import type { Table } from '../../../core/metrics/table.ts';
import { digestOf } from '../../../core/model/digest.ts';
import { formatPointer } from '../../../core/model/pointer.ts';
import { type History, openHistory } from '../../../core/store/history.ts';
import { type HistoryRepo, historyRepo } from '../../support/branches.ts';

const scores = (accuracy: number, loss = 1 - accuracy) => JSON.stringify({ accuracy, loss, images: 1000 });
const pointer = (content: string, files: number) =>
  formatPointer({ kind: 'tree', digest: digestOf(content), files, bytes: files * 100 });

describe.each(['git', 'isomorphic-git'] as const)('comparing revisions through %s', (engine) => {
  let repo: HistoryRepo;
  const ask = async (selection: Partial<Selection> = {}, kind: Kind = 'metrics', show = false) => {
    const opened = repo.open();
    await using history: History = await openHistory(opened, { engine });
    return await (show ? showRevisions : compareRevisions)(opened, history, kind, {
      revisions: [],
      ...selection,
    });
  };
  const names = (table: Table) => table.revs.map((revision) => revision.name);
  const values = (table: Table, key: string) => table.rows.find((row) => row.key === key)?.values;

  beforeAll(async () => {
    repo = await historyRepo();
    await repo.commitFiles('code only', { 'README.md': 'hello' });
    await repo.branch('code', { 'a.py': '' });
    await repo.commitFiles('first scores', {
      'metrics/evaluate.json': scores(0.66),
      'params.yaml': 'seed: 42\ntrain: { epochs: 20, flip: true }\n',
      'data/train.dv': pointer('raw', 600),
      'data/film.dv': Buffer.from([0x1f, 0x07, 0]),
      '.gitignore': '/data/train\n',
    });
    await repo.branch('data/v2', {
      'metrics/evaluate.json': scores(0.84),
      'data/train.dv': pointer('v2', 720),
    });
    await repo.branch('data/v10', {
      'metrics/evaluate.json': scores(0.93),
      'sub/metrics/more.yaml': 'f1: { macro: 0.9 }\n',
      'params.yaml': 'seed: 7\n',
    });
    await repo.branch('broken', {
      'metrics/evaluate.json': '{"accuracy": ',
      'metrics/conflict.json': '<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n',
      'metrics/huge.json': `{"a": 1${' '.repeat(1 << 20)}}`,
      'metrics/fine.json': '{"ok": 1}',
      'data/train.dv': 'version: 1\nkind: tre\n',
    });
    await repo.git('update-ref', 'refs/remotes/origin/data/v3', 'data/v2');
    await repo.git('update-ref', 'refs/remotes/origin/main', 'code');
  });
  beforeEach(async () => {
    await repo.git('checkout', '--quiet', '--force', 'main');
    await repo.git('clean', '-fdxq');
  });
  afterAll(() => repo[Symbol.asyncDispose]());

  it('puts the given revisions side by side, the first as baseline', async () => {
    const table = await ask({ revisions: ['data/v2', 'main'] });
    expect(table.rows.map((row) => [row.file, row.key, row.better, row.values])).toEqual([
      ['metrics/evaluate.json', 'accuracy', 'higher', [0.84, 0.66]],
      ['metrics/evaluate.json', 'loss', 'lower', [1 - 0.84, 1 - 0.66]],
      ['metrics/evaluate.json', 'images', undefined, [1000, 1000]],
    ]);
    const commit = await repo.ask('rev-parse', 'data/v2');
    expect(table.revs[0]).toEqual({
      name: 'data/v2',
      commit,
      date: new Date(await repo.ask('log', '-1', '--format=%cI', commit)).toISOString(),
      subject: 'work on data/v2',
      dataDigests: { 'data/train': digestOf('v2') },
      dataFiles: { 'data/train': 720 },
    });
    expect(table.problems).toEqual([]);
  });

  it('compares HEAD with the workspace when nothing is named', async () => {
    expect(names(await ask())).toEqual(['main']);
    repo.write('metrics/evaluate.json', scores(0.7));
    repo.write('metrics/new.json', '{"auc": 0.5}');
    const table = await ask();
    expect(names(table)).toEqual(['main', 'workspace']);
    expect(values(table, 'accuracy')).toEqual([0.66, 0.7]);
    expect(values(table, 'auc')).toEqual([null, 0.5]);
    expect(table.revs[1]).toMatchObject({ commit: null, date: null });
  });

  it('sees that the workspace has other data though the scores are the same', async () => {
    repo.write('data/train.dv', pointer('edited', 601));
    const table = await ask();
    expect(names(table)).toEqual(['main', 'workspace']);
    expect(table.revs[1]!.dataFiles).toEqual({ 'data/train': 601 });
    expect(names(await ask({}, 'params'))).toEqual(['main']);
  });

  it('compares one revision with the workspace, under the name of the branch when that is clean', async () => {
    expect(names(await ask({ revisions: ['data/v2'] }))).toEqual(['data/v2', 'main']);
    expect(names(await ask({ revisions: ['main'] }))).toEqual(['main']);
    expect(names(await ask({ revisions: ['HEAD'] }))).toEqual(['HEAD']);
    repo.write('metrics/evaluate.json', scores(0.7));
    expect(names(await ask({ revisions: ['data/v2'] }))).toEqual(['data/v2', 'workspace']);
    expect(names(await ask({ revisions: ['workspace', 'data/v2'] }))).toEqual(['workspace', 'data/v2']);
  });

  it('takes ranges, and a baseline from anywhere', async () => {
    expect(names(await ask({ revisions: ['main..data/v2'] }))).toEqual(['main', 'data/v2']);
    expect(names(await ask({ revisions: ['..data/v2'] }))).toEqual(['HEAD', 'data/v2']);
    expect(names(await ask({ revisions: ['main', 'data/v2'], baseline: 'data/v2' }))).toEqual([
      'data/v2',
      'main',
    ]);
    expect(names(await ask({ revisions: ['data/v2', 'data/v10'], baseline: 'main' }))).toEqual([
      'main',
      'data/v2',
      'data/v10',
    ]);
    expect(names(await ask({ baseline: 'data/v2' }))).toEqual(['data/v2', 'main']);
  });

  it('compares all branches that have metrics, of remotes too, measured by main', async () => {
    const all = await ask({ allBranches: true });
    expect(names(all)).toEqual(['main', 'broken', 'data/v2', 'data/v10', 'origin/data/v3']);
    expect(values(all, 'accuracy')).toEqual([0.66, null, 0.84, 0.93, 0.84]);
    expect(values(all, 'f1.macro')).toEqual([null, null, null, 0.9, null]);
    expect(names(await ask({ glob: 'data/*' }))).toEqual(['data/v2', 'data/v10', 'origin/data/v3']);
    expect(names(await ask({ glob: 'data/*', baseline: 'data/v10' }))[0]).toBe('data/v10');
    expect(names(await ask({ allBranches: true }, 'params'))[0]).toBe('main');
    repo.write('metrics/evaluate.json', scores(0.7));
    expect(names(await ask({ allBranches: true })).at(-1)).toBe('workspace');
    await expect(ask({ glob: 'nothing/*' })).rejects.toMatchObject({ code: 'usage' });
  });

  it('takes the first branch as baseline where there is no main', async () => {
    await repo.git('checkout', '--quiet', 'data/v10');
    await repo.git('branch', '--quiet', '-m', 'main', 'old-main');
    try {
      expect(names(await ask({ allBranches: true }))[0]).toBe('broken');
    } finally {
      await repo.git('branch', '--quiet', '-m', 'old-main', 'main');
    }
  });

  it('goes on past files it cannot read, and names them', async () => {
    const table = await ask({ revisions: ['main', 'broken'] });
    expect(values(table, 'ok')).toEqual([null, 1]);
    expect(values(table, 'accuracy')).toEqual([0.66, null]);
    expect(
      table.problems.map(({ revision, file, message }) => [revision, file, message.slice(0, 30)]),
    ).toEqual([
      ['broken', 'data/train.dv', 'data/train.dv:2: expected `kin'],
      ['broken', 'metrics/conflict.json', 'git left a merge conflict here'],
      ['broken', 'metrics/evaluate.json', expect.stringMatching(/JSON/)],
      ['broken', 'metrics/huge.json', 'is 1.0 MiB: a metrics file has'],
    ]);
  });

  it('reads metrics that stages.lock names, wherever they lie', async () => {
    const lock = (path: string) =>
      [
        'version: 1',
        'stages:',
        '  evaluate:',
        '    cmd: "true"',
        '    metrics:',
        `      out/plot.png: file ${digestOf('x')} 1`,
        `      ${path}: file ${digestOf('x')} 1`,
        '',
      ].join('\n');
    await repo.git('checkout', '--quiet', '-b', 'staged', 'main');
    await repo.commitFiles('scores of a stage', {
      'out/scores.json': '{"auc": 0.8}',
      'out/other.json': '{"n": 1}',
      'out/plot.png': 'picture',
      'stages.lock': lock('out/scores.json'),
    });
    try {
      const table = await ask({ revisions: ['main', 'staged'] });
      expect(values(table, 'auc')).toEqual([null, 0.8]);
      expect([values(table, 'n'), table.problems]).toEqual([undefined, []]);
      repo.write('out/scores.json', '{"auc": 0.9}');
      expect(values(await ask(), 'auc')).toEqual([0.8, 0.9]);
      repo.write('stages.lock', `<<<<<<< HEAD\n${lock('out/scores.json')}`);
      expect((await ask()).problems).toMatchObject([{ revision: 'workspace', file: 'stages.lock' }]);
    } finally {
      await repo.git('checkout', '--quiet', '--force', 'main');
      await repo.git('branch', '-D', 'staged');
    }
  });

  it('adds params to a table of metrics', async () => {
    const opened = repo.open();
    await using history = await openHistory(opened, { engine });
    const table = await compareRevisions(opened, history, 'metrics', {
      revisions: ['workspace', 'data/v10'],
    });
    const both = await withParams(opened, history, table);
    expect(both.revs).toBe(table.revs);
    expect(both.rows.slice(0, table.rows.length)).toEqual(table.rows);
    expect(values(both, 'seed')).toEqual([42, 7]);
  });

  it('compares params as text and numbers', async () => {
    const table = await ask({ revisions: ['main', 'data/v10'] }, 'params');
    expect(table.rows.map((row) => [row.key, row.values, row.better])).toEqual([
      ['seed', [42, 7], undefined],
      ['train.epochs', [20, null], undefined],
      ['train.flip', ['true', null], undefined],
    ]);
    repo.write('params.yaml', 'seed: 43\n');
    expect(values(await ask({}, 'params'), 'seed')).toEqual([42, 43]);
  });

  it('shows the workspace, or the revisions asked for', async () => {
    expect(names(await ask({}, 'metrics', true))).toEqual(['main']);
    expect(names(await ask({ revisions: ['data/v2'] }, 'metrics', true))).toEqual(['data/v2']);
    expect(names(await ask({ revisions: ['data/v2', 'HEAD'] }, 'metrics', true))).toEqual([
      'data/v2',
      'HEAD',
    ]);
    repo.write('metrics/evaluate.json', scores(0.7));
    expect(names(await ask({}, 'metrics', true))).toEqual(['workspace']);
  });

  it('follows no link, in a commit or in the workspace', async () => {
    repo.write('secret.json', '{"password": 1}');
    symlinkSync('../secret.json', join(repo.root, 'metrics', 'link.json'));
    expect(names(await ask())).toEqual(['main']);
    await repo.git('checkout', '--quiet', '-b', 'linked');
    await repo.commit('a link');
    expect((await ask({ revisions: ['linked', 'main'] })).rows.map((row) => row.key)).not.toContain(
      'password',
    );
    await repo.git('checkout', '--quiet', 'main');
    await repo.git('branch', '-D', 'linked');
  });

  it('knows revisions that are not there', async () => {
    await expect(ask({ revisions: ['main', 'nowhere'] })).rejects.toMatchObject({ code: 'unknown-revision' });
    await expect(ask({ baseline: 'nowhere' })).rejects.toMatchObject({ code: 'unknown-revision' });
  });

  it('reads a repository without commits', async () => {
    const other = repo;
    repo = await historyRepo();
    try {
      repo.write('metrics/a.json', '{"f1": 0.5}');
      const table = await ask();
      expect([names(table), values(table, 'f1')]).toEqual([['workspace'], [0.5]]);
      expect((await ask({ allBranches: true })).revs.map((revision) => revision.name)).toEqual(['workspace']);
    } finally {
      await repo[Symbol.asyncDispose]();
      repo = other;
    }
  });
});
