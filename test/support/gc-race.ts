/** Two who push, one who pulls and one who collects garbage, all at once on one remote; and what is left at the end. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDvError } from '../../core/errors.ts';
import { digestFromHex } from '../../core/model/digest.ts';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { parseSnapshotRoot } from '../../core/model/root.ts';
import type { DataRef } from '../../core/model/snapshot.ts';
import { add } from '../../core/ops/add.ts';
import { listDataAt } from '../../core/ops/data-at.ts';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import { remoteGc } from '../../core/ops/remote-gc.ts';
import { openHistory } from '../../core/store/history.ts';
import type { Remote } from '../../core/store/remote.ts';
import { rootPrefix } from '../../core/store/remote-layout.ts';
import { openRepo, type Repo } from '../../core/store/repo.ts';
import { damagedIn, noise } from './data-world.ts';
import { testRepo } from './repo.ts';

/** What happened, and what must be empty: `incomplete`. */
export interface RaceOutcome {
  pushes: number;
  pulls: number;
  collections: number;
  packsDeleted: number;
  rootsDeleted: number;
  refsDeleted: number;
  /** Commits and roots at the end that were pulled into an empty clone. */
  commitsChecked: number;
  rootsChecked: number;
  /** What could not be pulled whole though its ref was there all the time. */
  readonly incomplete: string[];
}

const filesPerCommit = 6;

/** A number from 0 up to n, the same for the same seed. */
const pick = (seed: string, n: number) => noise(seed, 4).readUInt32LE() % n;

/**
 * Runs the race.
 * @param open opens the remote, once for each who takes part.
 * @param options.graceMs how long each step of a collection waits.
 */
export async function runGcRace(
  open: (folder: string) => Remote,
  options: { seconds: number; graceMs: number; seed: string },
): Promise<RaceOutcome> {
  await using world = await testRepo({ 'readme.txt': 'race' });
  await world.commit('start');
  const folder = join(world.outside, 'remote');
  const bare = join(world.outside, 'bare.git');
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', args, { cwd, env: { ...world.env }, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  git(world.root, 'clone', '--quiet', '--bare', world.root, bare);
  const cloneTo = (name: string): Repo => {
    const path = join(world.outside, name);
    git(world.outside, 'clone', '--quiet', bare, path);
    return openRepo({ cwd: path, env: world.env });
  };
  const outcome: RaceOutcome = {
    ...{ pushes: 0, pulls: 0, collections: 0, packsDeleted: 0, rootsDeleted: 0, refsDeleted: 0 },
    ...{ commitsChecked: 0, rootsChecked: 0, incomplete: [] },
  };
  const until = Date.now() + options.seconds * 1000;
  const going = () => Date.now() < until;
  /** Refs that are there: name → commit. */
  const live = new Map<string, string>();

  const pusher = async (name: string) => {
    const repo = cloneTo(name);
    const remote = open(folder);
    for (let round = 0; going(); round++) {
      git(repo.root, 'checkout', '--quiet', '--detach', 'origin/main');
      execFileSync('mkdir', ['-p', join(repo.root, 'data')]);
      for (let i = 0; i < filesPerCommit; i++) {
        // Some of it both have, some was there before and may be garbage by now, the rest is new.
        const kind = pick(`${options.seed} ${name} ${round} ${i}`, 6);
        const generation =
          kind === 0 ? `both ${Math.floor(round / 3)}` : `${name} ${kind === 1 ? round - 6 : round}`;
        const content = `${generation} ${i}`;
        writeFileSync(join(repo.root, 'data', `${i}.bin`), noise(content, 2000));
      }
      await add(repo, ['data' as RepoPath]);
      git(repo.root, 'add', '--all');
      git(repo.root, 'commit', '--quiet', '--no-verify', '--message', `${name} ${round}`);
      await push(repo, remote);
      const ref = `${name}-${round}`;
      git(repo.root, 'push', '--quiet', '--no-verify', 'origin', `HEAD:refs/heads/${ref}`);
      live.set(ref, git(repo.root, 'rev-parse', 'HEAD').trim());
      outcome.pushes++;
      const old = `${name}-${round - 2}`;
      if (live.has(old) && pick(`${options.seed} keep ${old}`, 6) > 0) {
        live.delete(old);
        git(repo.root, 'push', '--quiet', '--no-verify', 'origin', `:refs/heads/${old}`);
        outcome.refsDeleted++;
      }
      await sleep(20);
    }
    await remote.close();
  };

  const dataOf = async (repo: Repo, commit: string): Promise<DataRef[]> => {
    await using history = await openHistory(repo);
    return (await listDataAt(history, [commit]))[0]!;
  };
  /** Pulls a commit's data into an empty cache, and says what is wrong. */
  const pullInto = async (repo: Repo, remote: Remote, set: readonly DataRef[]): Promise<string[]> => {
    rmSync(repo.objectsDir, { recursive: true, force: true });
    const { failures } = await fetch(repo, remote, { sets: [set] });
    return [...failures.map(({ path, reason }) => `${path} ${reason}`), ...damagedIn(repo)];
  };

  const puller = async () => {
    const repo = cloneTo('puller');
    const remote = open(folder);
    while (going()) {
      await sleep(50);
      const refs = [...live];
      if (refs.length === 0) continue;
      const [ref, commit] = refs[pick(`${options.seed} pull ${outcome.pulls}`, refs.length)]!;
      git(repo.root, 'fetch', '--quiet', 'origin', commit);
      const wrong = await pullInto(repo, remote, await dataOf(repo, commit));
      outcome.pulls++;
      if (wrong.length > 0 && live.has(ref)) outcome.incomplete.push(`during: ${ref}: ${wrong.join(', ')}`);
    }
    await remote.close();
  };

  const collector = async () => {
    const repo = cloneTo('collector');
    const remote = open(folder);
    while (going()) {
      await sleep(100);
      try {
        const result = await remoteGc(repo, remote, {
          ...{ apply: true, graceMs: options.graceMs, skipBroken: false, env: world.env },
        });
        outcome.collections++;
        outcome.packsDeleted += result.data.removed.keys;
        outcome.rootsDeleted += result.roots.removed.keys;
      } catch (error) {
        if (!isDvError(error, 'remote-empty')) throw error;
      }
    }
    await remote.close();
  };

  await Promise.all([pusher('one'), pusher('two'), puller(), collector()]);

  const remote = open(folder);
  const last = cloneTo('last');
  for (const [ref, commit] of live) {
    const wrong = await pullInto(last, remote, await dataOf(last, commit));
    if (wrong.length > 0) outcome.incomplete.push(`commit ${ref}: ${wrong.join(', ')}`);
    outcome.commitsChecked++;
  }
  for await (const { key } of remote.list(rootPrefix)) {
    const bytes = (await remote.get(key))!;
    if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== 'dv-snap1') continue;
    const { snapshot } = parseSnapshotRoot(bytes, digestFromHex(key.slice(rootPrefix.length))!, key);
    const wrong = await pullInto(last, remote, snapshot.refs);
    if (wrong.length > 0) outcome.incomplete.push(`${key}: ${wrong.join(', ')}`);
    outcome.rootsChecked++;
  }
  await remote.close();
  return outcome;
}
