import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import type { Pointer } from '../../../core/model/pointer.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { fetch, fetchRuns } from '../../../core/ops/fetch.ts';
import { push } from '../../../core/ops/push.ts';
import { type RunRecord, readRun, writeRun } from '../../../core/pipeline/run-cache.ts';
import { hasObject } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import type { Repo } from '../../../core/store/repo.ts';
import { readPointer } from '../../../core/store/tracked.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { cloneOf, dataRepo, keysOf } from '../../support/data-world.ts';

const fingerprint = digestOf('a fingerprint');

/** A record of a run that wrote `data` and a metrics file. */
async function recordRun(
  repo: Repo,
  outs: Record<string, Pointer>,
  of: Digest = fingerprint,
): Promise<RunRecord> {
  const metrics = Buffer.from('{"accuracy": 0.9}\n');
  const writer = new CacheWriter(repo);
  const digest = writer.put(metrics);
  await writer.commit();
  const record: RunRecord = {
    stage: 'train',
    outs: new Map(Object.entries(outs) as [RepoPath, Pointer][]),
    metrics: new Map([['metrics.json' as RepoPath, { kind: 'file', digest, bytes: metrics.length }]]),
    seconds: 1.5,
    finished: '2024-01-01T00:00:00.000Z',
    host: 'here',
  };
  writeRun(repo, of, record);
  return record;
}

test('a run whose outputs are pushed goes along with its metrics, and is there for others', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  const repo = world.open();
  const remote = openMemoryRemote();
  const record = await recordRun(repo, { data: readPointer(repo, 'data')! });
  await push(repo, remote);
  expect((await keysOf(remote)).filter((key) => key.startsWith('runs/'))).toEqual([
    `runs/${fingerprint.slice(7)}`,
  ]);
  expect(await push(repo, remote)).toMatchObject({ requests: 1, upToDate: true });

  const clone = cloneOf(world);
  await fetch(clone, remote);
  expect(readRun(clone, fingerprint)).toEqual(record);
  expect(hasObject(clone, record.metrics.get('metrics.json' as RepoPath)!.digest)).toBe(true);
});

test('a run is sent after its data was pushed already', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  const repo = world.open();
  const remote = openMemoryRemote();
  await push(repo, remote);
  await recordRun(repo, { data: readPointer(repo, 'data')! });
  expect(await push(repo, remote)).toMatchObject({ upToDate: false, files: 1 });
  expect((await keysOf(remote)).filter((key) => key.startsWith('runs/'))).toHaveLength(1);
  expect(await push(repo, remote)).toMatchObject({ requests: 1, upToDate: true });
});

test('a run whose outputs are not pushed stays here', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  const repo = world.open();
  const remote = openMemoryRemote();
  await recordRun(repo, { model: { kind: 'file', digest: digestOf('elsewhere'), bytes: 9 } });
  await push(repo, remote);
  expect((await keysOf(remote)).filter((key) => key.startsWith('runs/'))).toEqual([]);
});

test('a run can be fetched by its fingerprint, with all it wrote', async () => {
  await using world = await dataRepo({ 'data/a': 'a', 'model.bin': 'weights' }, ['data', 'model.bin']);
  const repo = world.open();
  const remote = openMemoryRemote();
  const model = readPointer(repo, 'model.bin')!;
  await recordRun(repo, { 'model.bin': model });
  await push(repo, remote);
  const clone = cloneOf(world);
  expect(await fetchRuns(clone, remote, [fingerprint, digestOf('nobody ran this')])).toMatchObject({
    files: 2,
    failures: [],
  });
  expect(readRun(clone, fingerprint)).toBeDefined();
  expect(hasObject(clone, model.digest)).toBe(true);
});

test('entries that are none are not kept', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  const repo = world.open();
  const remote = openMemoryRemote();
  await push(repo, remote);
  const evil = JSON.stringify({
    version: 1,
    stage: 's',
    outs: { '../../escape': `file ${digestOf('x')} 1` },
    metrics: {},
    seconds: 1,
    finished: '',
    host: '',
  });
  await remote.put(`runs/${fingerprint.slice(7)}`, Buffer.from(evil));
  await remote.put(`runs/${'e'.repeat(64)}`, Buffer.from('{'));
  await remote.put('runs/not-a-fingerprint', Buffer.from('x'));
  const clone = cloneOf(world);
  await fetch(clone, remote);
  expect(() => readdirSync(join(clone.dvDir, 'runs'))).toThrow('ENOENT');
});
