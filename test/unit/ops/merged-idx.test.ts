import { expect, test } from 'vitest';
import { silent } from '../../../core/events.ts';
import type { Digest } from '../../../core/model/digest.ts';
import { formatIdx, idxNameOf, parseIdx } from '../../../core/model/idx.ts';
import { PlaceTable } from '../../../core/model/place-table.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { fetch } from '../../../core/ops/fetch.ts';
import { push } from '../../../core/ops/push.ts';
import { loadKnown } from '../../../core/ops/transfer/known.ts';
import { mostSmallIdx, publishIdx } from '../../../core/ops/transfer/publish-idx.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { countRequests } from '../../../core/store/counted-remote.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { RemoteState } from '../../../core/store/remote-state.ts';
import type { Repo } from '../../../core/store/repo.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { type Call, cloneOf, keysOf, noise, reopen, watched } from '../../support/data-world.ts';
import { temporaryFolder } from '../../support/git-folder.ts';
import { testRepo } from '../../support/repo.ts';

const idxKeys = async (remote: Remote) => (await keysOf(remote)).filter((key) => key.startsWith('idx/'));

/** Puts files into a cache and gives them as a set of data, without a workspace. */
async function setOf(repo: Repo, seeds: readonly (string | number)[]) {
  const writer = new CacheWriter(repo);
  const refs = seeds.map((seed) => {
    const bytes = noise(seed, 50);
    const pointer = { kind: 'file' as const, digest: writer.put(bytes), bytes: 50 };
    return { path: `files/${seed}.bin` as RepoPath, pointer };
  });
  await writer.commit();
  return refs;
}

/** An idx of one pack with one object, both named after a number. */
function numbered(i: number): Buffer {
  const hex = i.toString(16).padStart(64, '0');
  const digest = `sha256:${hex}` as Digest;
  return formatIdx(
    [{ name: hex, sizeBytes: 100, objects: [{ digest, offset: 0, length: 10, encoding: 0 }] }],
    [],
  );
}

const digestNumber = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest;

async function putNumbered(remote: Remote, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const bytes = numbered(i);
    await remote.put(`idx/${idxNameOf(bytes)}.idx`, bytes);
  }
}

/** Publishes the pack of a number as a push would, in a machine of its own. */
async function publishNumber(remote: Remote, i: number, folder: string): Promise<void> {
  const { loadIndexes } = await import('../../../core/ops/transfer/known.ts');
  const state = new RemoteState(folder, remote.url);
  const options = { report: silent, signal: undefined };
  const { files } = await loadIndexes(remote, state, options);
  const hex = i.toString(16).padStart(64, '0');
  const packs = [
    {
      name: hex,
      sizeBytes: 100,
      objects: [{ digest: digestNumber(i), offset: 0, length: 10, encoding: 0 as const }],
    },
  ];
  await publishIdx({ packs, blobs: [] }, files, { remote, state, signal: undefined });
}

/** Fails unless everything from 0 on is listed. */
async function expectListed(remote: Remote, count: number): Promise<void> {
  using folder = temporaryFolder();
  const table = await loadKnown(remote, new RemoteState(folder.path, remote.url), {
    report: silent,
    signal: undefined,
  });
  const lost = Array.from({ length: count }, (_, i) => i).filter((i) => !table.has(digestNumber(i)));
  expect(lost).toEqual([]);
}

test('a hundred small pushes leave few idx files, and a commit without a root is found with few requests', {
  timeout: 180_000,
}, async () => {
  await using world = await testRepo({ 'readme.md': 'x' });
  await world.commit('start');
  const repo = world.open();
  const remote = openMemoryRemote();
  let most = 0;
  for (let i = 0; i < 100; i++) {
    const set = await setOf(repo, [i]);
    await push(repo, remote, { sets: [set] });
    most = Math.max(most, (await idxKeys(remote)).length);
  }
  expect(most).toBeLessThanOrEqual(mostSmallIdx);
  const clone = cloneOf(world);
  const all = await setOf(
    repo,
    Array.from({ length: 100 }, (_, i) => i),
  );
  const counted = countRequests(remote);
  expect(await fetch(clone, counted, { sets: [all] })).toMatchObject({ files: 100, failures: [] });
  // dv.json, the root that is not there, a list, the idx files, one range of each of the hundred packs, the runs.
  const forPacks = 100;
  expect(counted.traffic.requests - forPacks).toBeLessThanOrEqual(mostSmallIdx + 5);
  // Fetched once, all is known: another commit costs no idx at all.
  const more = await setOf(repo, ['more']);
  await push(repo, remote, { sets: [more] });
  const calls: Call[] = [];
  await fetch(
    reopen(clone, world),
    watched(remote, (call) => void calls.push(call)),
    {
      sets: [[...more, ...all.slice(0, 3)]],
    },
  );
  expect(calls.filter((call) => call.name === 'get' && call.key.startsWith('idx/'))).toHaveLength(1);
});

test('what is merged says exactly what its parts said', async () => {
  const remote = openMemoryRemote();
  await putNumbered(remote, 0, mostSmallIdx);
  using folder = temporaryFolder();
  await publishNumber(remote, mostSmallIdx, folder.path);
  const keys = await idxKeys(remote);
  expect(keys).toHaveLength(1);
  const bytes = (await remote.get(keys[0]!))!;
  expect(keys[0]).toBe(`idx/${idxNameOf(bytes)}.idx`);
  const idx = parseIdx(bytes, 'merged');
  expect(idx.packs).toHaveLength(mostSmallIdx + 1);
  const table = new PlaceTable();
  table.add(idx);
  for (let i = 0; i <= mostSmallIdx; i++) {
    expect(table.places(digestNumber(i))).toEqual([
      { pack: i.toString(16).padStart(64, '0'), offset: 0, length: 10, encoding: 0 },
    ]);
  }
});

test('a merger that is killed after any of its writes leaves everything listed', async () => {
  for (let stopAt = 1; ; stopAt++) {
    const remote = openMemoryRemote();
    await putNumbered(remote, 0, mostSmallIdx);
    using folder = temporaryFolder();
    let writes = 0;
    const cut = watched(remote, ({ name }) => {
      if ((name.startsWith('put') || name === 'delete') && ++writes >= stopAt) throw new Error('cut');
    });
    const outcome = await publishNumber(cut, mostSmallIdx, folder.path).catch(
      (error: Error) => error.message,
    );
    await expectListed(remote, stopAt === 1 ? mostSmallIdx : mostSmallIdx + 1);
    // The next push goes on from there.
    using other = temporaryFolder();
    await publishNumber(remote, mostSmallIdx, other.path);
    await expectListed(remote, mostSmallIdx + 1);
    if (outcome !== 'cut') {
      expect(stopAt).toBeGreaterThan(mostSmallIdx);
      return;
    }
  }
});

test('a reader whose listed idx was merged away meanwhile lists again', async () => {
  const remote = openMemoryRemote();
  await putNumbered(remote, 0, mostSmallIdx);
  using reader = temporaryFolder();
  using merger = temporaryFolder();
  let lists = 0;
  const slow = watched(remote, async ({ name }) => {
    if (name === 'list') lists++;
    // After the list, before the first look.
    if (name === 'get' && lists === 1) await publishNumber(remote, mostSmallIdx, merger.path);
  });
  const table = await loadKnown(slow, new RemoteState(reader.path, remote.url), {
    report: silent,
    signal: undefined,
  });
  for (let i = 0; i < mostSmallIdx; i++) expect(table.has(digestNumber(i))).toBe(true);
  expect(lists).toBe(2);
});

test('a list that fell between a merge’s put and its deletes is read again before anything is called missing', async () => {
  await using world = await testRepo({ 'readme.md': 'x' });
  await world.commit('start');
  const repo = world.open();
  const remote = openMemoryRemote();
  const set = await setOf(repo, ['wanted']);
  await push(repo, remote, { sets: [set] });
  for (const key of await keysOf(remote)) if (key.startsWith('roots/')) await remote.delete(key);
  let lists = 0;
  const torn: Remote = {
    ...remote,
    async *list(prefix, call) {
      if (prefix === 'idx/' && ++lists === 1) return;
      yield* remote.list(prefix, call);
    },
  };
  expect(await fetch(cloneOf(world), torn, { sets: [set] })).toMatchObject({ files: 1, failures: [] });
});

test('many that merge and push at once lose nothing, whatever the order of their steps', {
  timeout: 60_000,
}, async () => {
  let seed = 1;
  // Park and Miller's generator: the same orders in every run.
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let round = 0; round < 12; round++) {
    const remote = openMemoryRemote();
    await putNumbered(remote, 0, mostSmallIdx - 1);
    const turns = async () => {
      for (let i = Math.floor(random() * 6); i > 0; i--) await Promise.resolve();
    };
    const unordered = watched(remote, turns);
    const folders = Array.from({ length: 5 }, () => temporaryFolder());
    await Promise.all(
      folders.map(async (folder, worker) => {
        for (let i = 0; i < 4; i++) {
          await publishNumber(unordered, mostSmallIdx - 1 + worker * 4 + i, folder.path);
        }
      }),
    );
    await expectListed(remote, mostSmallIdx - 1 + 20);
    for (const folder of folders) folder[Symbol.dispose]();
  }
});

test('what another took away while it was merged is not brought back', async () => {
  const remote = openMemoryRemote();
  await putNumbered(remote, 0, mostSmallIdx);
  using folder = temporaryFolder();
  const gone = `idx/${idxNameOf(numbered(3))}.idx`;
  let lists = 0;
  const collected = watched(remote, async ({ name }) => {
    // Garbage is collected between the first list, by which the merger reads, and its second look.
    if (name === 'list' && ++lists === 2) await remote.delete(gone);
  });
  await publishNumber(collected, mostSmallIdx, folder.path);
  using other = temporaryFolder();
  const table = await loadKnown(remote, new RemoteState(other.path, remote.url), {
    report: silent,
    signal: undefined,
  });
  expect(table.has(digestNumber(3))).toBe(false);
  for (const i of [0, 1, 2, 4, mostSmallIdx]) expect(table.has(digestNumber(i))).toBe(true);
});

test('idx files that contradict each other are left as they are', async () => {
  const remote = openMemoryRemote();
  await putNumbered(remote, 0, mostSmallIdx);
  const hex = '0'.repeat(64);
  const lying = formatIdx(
    [
      {
        name: hex,
        sizeBytes: 100,
        objects: [{ digest: digestNumber(7), offset: 5, length: 10, encoding: 0 }],
      },
    ],
    [],
  );
  await remote.put(`idx/${idxNameOf(lying)}.idx`, lying);
  using folder = temporaryFolder();
  await publishNumber(remote, mostSmallIdx, folder.path);
  expect(await idxKeys(remote)).toHaveLength(mostSmallIdx + 2);
});
