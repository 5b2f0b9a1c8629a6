/** `dv repro`: brings stages up to date, as many at once as the graph and `jobs` allow; and how stages stand. */
import { lstatSync } from 'node:fs';
import { DvError } from '../errors.ts';
import { type Report, silent } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, isWithin, type RepoPath } from '../model/repo-path.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import { buildGraph, type Graph } from '../pipeline/graph.ts';
import { readLock, type StagesLock } from '../pipeline/lock-file.ts';
import { type PlannedStage, planRepro, selectStages } from '../pipeline/plan.ts';
import { readRun } from '../pipeline/run-cache.ts';
import { runSchedule } from '../pipeline/schedule.ts';
import { type Stage, stagesFileName } from '../pipeline/stage.ts';
import { readStages, refuseTrackedOutputs } from '../pipeline/stages-file.ts';
import { judgeStage } from '../pipeline/staleness.ts';
import { removeOldTemporaries, sweepUnfinished } from '../store/leftovers.ts';
import { takeLock, withLock } from '../store/lock.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { requireTracked, type Tracked } from '../store/tracked.ts';
import { Observer } from './repro-observer.ts';
import {
  type ReproSession,
  readHead,
  reproduceStage,
  type StageResult,
  saveLock,
  skipped,
} from './repro-stage.ts';

export type { StageFailure, StageResult } from './repro-stage.ts';

/** What stages are looked at with. */
export interface StageOptions {
  /** The environment stages get, and whose listed variables count. */
  readonly env: NodeJS.ProcessEnv;
  readonly report?: Report;
  readonly signal?: AbortSignal;
  /** What is at paths that were just looked at, undefined where nothing is: these are not looked at again. */
  readonly known?: ReadonlyMap<RepoPath, Pointer | undefined>;
}

/** How to reproduce. */
export interface ReproOptions extends Omit<StageOptions, 'known'> {
  /** Bring these up to date, and what they read from; by default all. */
  readonly stages?: readonly string[];
  /** Also what reads from `stages`. */
  readonly downstream?: boolean;
  /** Run `stages` (by default all) even when they are fresh. */
  readonly force?: boolean;
  /** After a failure go on with what does not depend on it. */
  readonly keepGoing?: boolean;
  /** Run instead of restoring what was computed before. */
  readonly noRunCache?: boolean;
  /** At most this many stages at once. */
  readonly jobs: number;
  /** How to call dv itself, for built-in steps: a program and its first arguments. */
  readonly dvCommand: readonly [string, ...string[]];
}

/** What `repro` did. */
export interface ReproResult {
  /** In the order of the graph. */
  readonly stages: readonly StageResult[];
  /** Files that git should have next: stages.lock, metrics, ignore files. Those that differ from HEAD. */
  readonly commit: readonly RepoPath[];
}

/** What `dv repro --dry` says of a stage. `may-run`: only if a stage before it writes something new. */
export interface DryStage {
  readonly name: string;
  readonly outcome: 'fresh' | 'would-run' | 'would-restore' | 'may-run';
  readonly reasons: readonly string[];
}

/** The stages of a repository, checked, and their graph. */
export interface Pipeline {
  readonly stages: ReadonlyMap<string, Stage>;
  readonly graph: Graph;
  readonly lock: StagesLock;
}

/** Reads stages.yaml and stages.lock; undefined when there is no stages.yaml. @throws {DvError} invalid-file, newer-format */
export async function openPipeline(repo: Repo): Promise<Pipeline | undefined> {
  const stages = await readStages(repo);
  if (stages === undefined) return undefined;
  return {
    stages: new Map(stages.map((stage) => [stage.name, stage])),
    graph: buildGraph(stages),
    lock: readLock(repo),
  };
}

/** Like `openPipeline`, for commands that are about stages. @throws {DvError} no-stages, invalid-file, newer-format */
export async function requirePipeline(repo: Repo): Promise<Pipeline> {
  const pipeline = await openPipeline(repo);
  if (pipeline === undefined) throw new DvError('no-stages', { file: stagesFileName });
  return pipeline;
}

/**
 * Brings stages up to date. One at a time per worktree; other commands can work while stages run.
 * Guarantee: stages.lock is saved stage by stage, each after its outputs are in the cache; whenever the command is
 * killed, running it again ends in the same state as if it had not been.
 * @returns also when stages failed: look at the outcomes.
 * @throws {DvError} no-stages, unknown-stage, dep-missing, invalid-file, locked, unsafe-link, some-failed, disk-full,
 *   not-writable
 */
export async function repro(repo: Repo, options: ReproOptions): Promise<ReproResult> {
  const pipeline = await requirePipeline(repo);
  const tracked = requireTracked(repo);
  refuseTrackedOutputs(
    [...pipeline.stages.values()],
    tracked.map(({ path }) => path),
  );
  const selected = select(pipeline, options);
  refuseMissingDeps(repo, pipeline, selected, tracked);
  const lock = await takeLock(repo, 'dv repro', options.signal, 'repro.lock');
  try {
    // Read again: another dv repro may have ended while this one waited.
    const session = openSession(repo, { ...pipeline, lock: readLock(repo) }, tracked, options);
    return await reproduceAll(session, pipeline, selected, options);
  } finally {
    lock.release();
  }
}

const select = ({ graph }: Pipeline, options: Pick<ReproOptions, 'stages' | 'downstream'>) =>
  selectStages(graph, { stages: options.stages ?? [], downstream: options.downstream ?? false });

const forcedOf = (options: ReproOptions, selected: readonly string[]) =>
  new Set(options.force ? (options.stages?.length ? options.stages : selected) : []);

function openSession(
  repo: Repo,
  { stages, lock }: Pipeline,
  tracked: readonly Tracked[],
  options: ReproOptions,
): ReproSession {
  const { signal } = options;
  const report = options.report ?? silent;
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...{ repo, report, signal, tracked, lock },
    env: options.env,
    dvCommand: options.dvCommand,
    noRunCache: options.noRunCache ?? false,
    forced: forcedOf(options, [...stages.keys()]),
    declared: new Set(stages.keys()),
    observer: new Observer(repo, { report, ...(signal === undefined ? {} : { signal }) }),
    written: new Set(),
    head: readHead(repo),
    exclusive(run) {
      const next = last.then(() => patiently(repo, report, signal, run));
      last = next.catch(() => {});
      return next;
    },
  };
}

/** Waits for the worktree's lock as long as it takes: hours of training must not be lost to a long `dv add`. */
async function patiently<Result>(
  repo: Repo,
  report: Report,
  signal: AbortSignal | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    let began = false;
    try {
      return await withLock(repo, { command: 'dv repro', signal }, () => {
        began = true;
        sweepUnfinished(repo);
        return run();
      });
    } catch (error) {
      if (began || !(error instanceof DvError) || error.code !== 'locked') throw error;
      report({ type: 'warning', message: `${error.message}; still waiting for it` });
    }
  }
}

async function reproduceAll(
  session: ReproSession,
  { stages, graph }: Pipeline,
  selected: readonly string[],
  options: ReproOptions,
): Promise<ReproResult> {
  const results = new Map<string, StageResult>();
  const note = (result: StageResult) => {
    results.set(result.name, result);
    const { name: stage, outcome, seconds } = result;
    const reasons = result.failure === undefined ? result.reasons : [result.failure.message];
    // What is fresh is not worth a line while others run; it is in the result.
    if (outcome !== 'fresh') session.report({ type: 'stage-finished', stage, outcome, seconds, reasons });
  };
  await runSchedule({
    order: selected,
    upstream: graph.upstream,
    jobs: options.jobs,
    keepGoing: options.keepGoing ?? false,
    signal: options.signal,
    async run(name) {
      const result = await reproduceStage(session, stages.get(name)!);
      note(result);
      return result.outcome === 'failed' ? 'failed' : 'done';
    },
    skip: (name, because) => note(skipped(name, because)),
  });
  if ([...results.values()].every(({ outcome }) => outcome !== 'failed')) await dropUndeclared(session);
  if ([...results.values()].some(({ outcome }) => outcome === 'ran')) removeOldTemporaries(session.repo);
  return { stages: selected.map((name) => results.get(name)!), commit: listUncommitted(session) };
}

/** Takes stages out of the lock that stages.yaml does not have any more. */
async function dropUndeclared(session: ReproSession): Promise<void> {
  const { repo, lock, declared } = session;
  if ([...lock.keys()].every((name) => declared.has(name)) || readHead(repo) !== session.head) return;
  await session.exclusive(async () => saveLock(session, undefined));
}

/** Of the files that were written, those that git does not have as they are. */
function listUncommitted({ repo, written }: ReproSession): RepoPath[] {
  const files = [...written].sort(comparePaths);
  if (files.length === 0 || !repo.git.available) return files;
  const listed = repo.git.output([
    '--literal-pathspecs',
    ...['status', '--porcelain', '-z', '--no-renames', '--untracked-files=all', '--', ...files],
  ]);
  const changed = new Set(listed.split('\0').map((line) => line.slice(3)));
  return files.filter((file) => changed.has(file));
}

/** Refuses to start when something is missing that no stage will write: better now than after hours. */
function refuseMissingDeps(
  repo: Repo,
  { stages }: Pipeline,
  selected: readonly string[],
  tracked: readonly Tracked[],
): void {
  const written = [...stages.values()].flatMap(({ outs, metrics }) => [...outs, ...metrics]);
  const related = (path: string, other: string) => isWithin(path, other) || isWithin(other, path);
  const missing = selected.flatMap((name) => {
    const { deps, frozen } = stages.get(name)!;
    if (frozen) return [];
    return deps
      .filter(({ path }) => lstatSync(absolutePath(repo, path), { throwIfNoEntry: false }) === undefined)
      .filter(({ path }) => !written.some((other) => related(path, other.path)))
      .map(({ path }) => ({
        stage: name,
        repoPath: path,
        tracked: tracked.some((other) => related(path, other.path)),
      }));
  });
  if (missing.length > 0) throw new DvError('dep-missing', { deps: missing });
}

/** Looks at all that the selected stages read and write. */
async function observeAll(
  repo: Repo,
  { stages }: Pipeline,
  selected: readonly string[],
  options: StageOptions,
): Promise<Map<RepoPath, Pointer | undefined>> {
  const { report, signal, known } = options;
  const look = { ...(report === undefined ? {} : { report }), ...(signal === undefined ? {} : { signal }) };
  const observer = new Observer(repo, look, known);
  const found = new Map<RepoPath, Pointer | undefined>();
  for (const name of selected) {
    for (const [path, pointer] of await observer.lookAtStage(stages.get(name)!)) found.set(path, pointer);
  }
  return found;
}

/** A plan, and what it was made from. */
export interface StagesPlan {
  readonly pipeline: Pipeline;
  readonly planned: readonly PlannedStage[];
  readonly found: ReadonlyMap<RepoPath, Pointer | undefined>;
}

/** Looks at stages and says how they stand. Changes nothing but stat indexes. */
export async function planStages(
  repo: Repo,
  pipeline: Pipeline,
  options: StageOptions & Pick<ReproOptions, 'stages' | 'downstream'> & { forced?: ReadonlySet<string> },
): Promise<StagesPlan> {
  const selected = select(pipeline, options);
  const found = await observeAll(repo, pipeline, selected, options);
  const planned = planRepro({
    ...pipeline,
    selected,
    forced: options.forced ?? new Set(),
    found: (path) => found.get(path),
    env: options.env,
  });
  return { pipeline, planned, found };
}

/** What `repro` would do. Changes nothing but stat indexes. @throws {DvError} as `repro` */
export async function planDry(repo: Repo, options: ReproOptions): Promise<DryStage[]> {
  const pipeline = await requirePipeline(repo);
  const forced = forcedOf(options, [...pipeline.stages.keys()]);
  const plan = await planStages(repo, pipeline, { ...options, forced });
  return plan.planned.map(({ name, state, reasons, waits }) => {
    if (state === 'fresh' || state === 'frozen') return { name, outcome: 'fresh', reasons };
    if (waits) return { name, outcome: 'may-run', reasons };
    const restorable = !forced.has(name) && isRestorable(repo, plan, name, options);
    return { name, outcome: restorable ? 'would-restore' : 'would-run', reasons };
  });
}

/** Whether a stale stage was run before as it stands now. Whether the cache still has all of it shows when it is done. */
function isRestorable(
  repo: Repo,
  { pipeline, found }: StagesPlan,
  name: string,
  options: ReproOptions,
): boolean {
  const stage = pipeline.stages.get(name)!;
  if (stage.always || stage.persist) return false;
  const entry = pipeline.lock.get(name);
  const { inputs, inputReasons } = judgeStage(stage, entry, (path) => found.get(path), options.env);
  if (inputs === undefined) return false;
  if (entry !== undefined && inputReasons.length === 0) return true;
  const paths = (list: Stage['outs']) => list.map(({ path }) => path);
  const fingerprint = fingerprintOf(inputs, paths(stage.outs), paths(stage.metrics));
  return options.noRunCache !== true && readRun(repo, fingerprint) !== undefined;
}

/** How one stage stands, as `dv status` tells it. */
export type StageStatus = Pick<PlannedStage, 'name' | 'state' | 'reasons'>;

/** How all stages stand; none when there is no stages.yaml. @throws {DvError} invalid-file, newer-format, some-failed */
export async function stageStates(repo: Repo, options: StageOptions): Promise<StageStatus[]> {
  const pipeline = await openPipeline(repo);
  if (pipeline === undefined) return [];
  const { planned } = await planStages(repo, pipeline, options);
  return planned.map(({ name, state, reasons }) => ({ name, state, reasons }));
}
