/**
 * Kills a command at every writing call, runs it again, and compares what is there then with what an undisturbed run
 * leaves. The command is the built `dv` (or git, whose hooks run it) in a copy of a prepared repository.
 */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { status } from '../../core/ops/status.ts';
import { removeOldTemporaries, sweepUnfinished } from '../../core/store/leftovers.ts';
import { withLock } from '../../core/store/lock.ts';
import { openRepo, type Repo } from '../../core/store/repo.ts';
import { loadStatIndex } from '../../core/store/stat-index.ts';
import { listTracked } from '../../core/store/tracked.ts';
import { damagedObjects } from '../support/cache-objects.ts';
import { mainScript, type Outcome, type TestRepo } from '../support/repo.ts';

/** A command to be killed. */
export interface Scenario {
  readonly name: string;
  /** Brings the world to where the command is run. */
  prepare(world: TestRepo): Promise<void>;
  /** The words behind `dv`, or behind `git` when the first is `git`. */
  readonly command: readonly string[];
  /** Said once more instead of `command`, where a user would say something else. */
  readonly again?: readonly string[];
  /** Statuses of the second run besides 0: it may find that everything was done. */
  readonly alsoEndsWith?: readonly number[];
  /** At most so many points are tried; by default all. */
  readonly most?: number;
  /** Something more to be the same, of the world at `root`. */
  extra?(root: string, world: TestRepo): Promise<unknown>;
}

/** What was tried, and how what came of it differs from an undisturbed run. */
export interface CrashReport {
  readonly tried: number;
  readonly of: number;
  readonly differences: readonly string[];
}

interface Point {
  readonly at: number;
  readonly call: string;
  readonly middle: boolean;
}

const preload = fileURLToPath(new URL('./preload.mjs', import.meta.url));

/** How many copies are worked on at once: as many as the smallest machine has cores. */
const atOnce = 2;

/**
 * Tries a scenario.
 * @param most at most so many points, spread evenly over all.
 */
export async function crash(scenario: Scenario, world: TestRepo, most: number): Promise<CrashReport> {
  await scenario.prepare(world);
  const base = dirname(world.root);
  const log = join(base, 'calls');
  const undisturbed = await inCopy(world, async (root) => {
    const outcome = await runCommand(world, root, scenario.command, { DV_CRASH_LOG: log });
    if (outcome.status !== 0)
      throw new Error(`${scenario.name} fails by itself:\n${outcome.stdout}${outcome.stderr}`);
    return stateOf(world, root, scenario);
  });
  const points = pointsOf(readFileSync(log, 'utf8'));
  const chosen = spread(points, Math.min(most, scenario.most ?? Number.POSITIVE_INFINITY));
  const differences: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let point = chosen[next++]; point !== undefined; point = chosen[next++]) {
      const found = await tryPoint(scenario, world, point, undisturbed);
      const where = `${point.middle ? 'in the middle of' : 'before'} call ${point.at} (${point.call})`;
      differences.push(...found.map((difference) => `killed ${where}: ${difference}`));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return { tried: chosen.length, of: points.length, differences };
}

/** Every call, and those with a middle once more. */
function pointsOf(log: string): Point[] {
  return log
    .trimEnd()
    .split('\n')
    .flatMap((line, i) => {
      const [call, half] = line.split(' ') as [string, string | undefined];
      const before = { at: i + 1, call, middle: false };
      return half === undefined ? [before] : [before, { ...before, middle: true }];
    });
}

/** So many of them, evenly spread, the first and the last included. */
function spread(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!);
}

async function tryPoint(
  scenario: Scenario,
  world: TestRepo,
  point: Point,
  expected: Record<string, unknown>,
): Promise<string[]> {
  return inCopy(world, async (root) => {
    const killed = await runCommand(world, root, scenario.command, {
      DV_CRASH_AT: String(point.at),
      ...(point.middle ? { DV_CRASH_MIDDLE: '1' } : {}),
    });
    const again = await runCommand(world, root, scenario.again ?? scenario.command, {});
    if (![0, ...(scenario.alsoEndsWith ?? [])].includes(again.status)) {
      return [
        `the second run ended with ${again.status}: ${again.stderr}${again.stdout} (the first: ${killed.stderr})`,
      ];
    }
    return compare(expected, await stateOf(world, root, scenario));
  });
}

/** Runs something in a copy of the world, which is removed afterwards. */
async function inCopy<Result>(world: TestRepo, run: (root: string) => Promise<Result>): Promise<Result> {
  const base = mkdtempSync(join(tmpdir(), 'dv-crash-'));
  try {
    execFileSync('cp', ['-a', `${world.root}/.`, join(base, 'repo')]);
    const remote = join(dirname(world.root), 'remote');
    if (existsSync(remote)) execFileSync('cp', ['-a', remote, join(base, 'remote')]);
    const root = join(base, 'repo');
    // The copies have other inodes: a look at them makes the stat index know them, once they are old enough.
    await new Promise((resolve) => setTimeout(resolve, 25));
    await status(openRepo({ cwd: root, env: world.env }), { env: world.env });
    return await run(root);
  } finally {
    execFileSync('chmod', ['-R', 'u+rwX', base]);
    rmSync(base, { recursive: true, force: true });
  }
}

function runCommand(
  world: TestRepo,
  root: string,
  command: readonly string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const options = {
    cwd: root,
    env: Object.keys(env).length === 0 ? {} : { ...env, NODE_OPTIONS: `--import ${preload}` },
  };
  return command[0] === 'git'
    ? world.run('git', command.slice(1), options)
    : world.run(process.execPath, [mainScript, ...command], options);
}

/** Everything that must be the same, by name. */
async function stateOf(world: TestRepo, root: string, scenario: Scenario): Promise<Record<string, unknown>> {
  const repo = openRepo({ cwd: root, env: world.env });
  const state: Record<string, unknown> = listFolder(root);
  state['git index'] = repo.git.output(['ls-files', '--stage']);
  state['damaged objects'] = damagedObjects(repo.objectsDir);
  await removeLeftovers(repo);
  for (const folder of ['.git/dv', '.git/dv/index', '.git/dv/tmp']) {
    const names = existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [];
    const notes = names.filter((name) => !/^(index|objects|remotes|runs|tmp|[0-9a-f]{40})$/.test(name));
    state[`leftovers in ${folder}`] = notes;
  }
  for (const { path } of listTracked(repo).tracked) {
    const index = await loadStatIndex(repo, path);
    state[`stat index of ${path}`] = index === undefined ? 'none' : `${index.digest} ${index.placed}`;
  }
  state.status = await status(repo, { env: world.env });
  state.extra = await scenario.extra?.(root, world);
  rmSync(repo.indexDir, { recursive: true, force: true });
  state['status without stat indexes'] = await status(repo, { env: world.env });
  return state;
}

/** What the next commands remove when whatever is left under a temporary name is more than a day old. */
async function removeLeftovers(repo: Repo): Promise<void> {
  const long = Date.now() / 1000 - 2 * 24 * 60 * 60;
  const folder = join(repo.gitDir, 'dv');
  for (const name of readdirSync(folder)) {
    if (/\.(new|dvtmp)$/.test(name)) utimesSync(join(folder, name), long, long);
  }
  for (const name of ['lock', 'repro.lock']) await withLock(repo, { command: 'test', name }, async () => {});
  sweepUnfinished(repo);
  removeOldTemporaries(repo, Date.now() + 2 * 24 * 60 * 60 * 1000);
}

/** Files, links and folders below a folder, `.git` left out. */
export function listFolder(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (path === '.git') continue;
      const absolute = join(root, path);
      if (entry.isDirectory()) {
        found[path] = 'folder';
        visit(path);
      } else if (entry.isSymbolicLink()) found[path] = `-> ${readlinkSync(absolute)}`;
      else
        found[path] = `${(lstatSync(absolute).mode & 0o777).toString(8)} ${readFileSync(absolute, 'latin1')}`;
    }
  };
  visit('');
  return found;
}

/** What differs, a line each. */
function compare(expected: Record<string, unknown>, found: Record<string, unknown>): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names].flatMap((name) => {
    const [a, b] = [JSON.stringify(expected[name]), JSON.stringify(found[name])];
    return a === b ? [] : [`${name}: ${b ?? 'nothing'} instead of ${a ?? 'nothing'}`];
  });
}
