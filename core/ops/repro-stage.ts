/** Brings one stage up to date: fresh, restored, run, or failed. */
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DvError, type DvErrorCode, isDvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { fingerprintOf, type StageInputs } from '../pipeline/fingerprint.ts';
import { type LockEntry, lockFileName, type StagesLock, saveLockEntry } from '../pipeline/lock-file.ts';
import { readRun, writeRun } from '../pipeline/run-cache.ts';
import { describeEnd, type ProcessResult, runProcess, withoutGitLocals } from '../pipeline/runner.ts';
import { noteDone, noteFailed, noteRunning, waitForEarlierRun } from '../pipeline/running.ts';
import { describeProgram, type Stage } from '../pipeline/stage.ts';
import { type Judgement, judgeStage, samePointer } from '../pipeline/staleness.ts';
import { explainWriteFailure } from '../store/cache-writer.ts';
import type { Repo } from '../store/repo.ts';
import type { Tracked } from '../store/tracked.ts';
import type { Observer } from './repro-observer.ts';
import {
  clearAttempt,
  clearOutputs,
  ignoreOuts,
  listLeftovers,
  type OutputJob,
  type Outputs,
  putBack,
  recordOutputs,
  refuseGitTracked,
  restoreOutputs,
  writeMarked,
} from './repro-outputs.ts';

/** What became of a stage. */
export interface StageResult {
  readonly name: string;
  readonly outcome: 'ran' | 'restored' | 'fresh' | 'failed' | 'skipped';
  /** How long running or restoring took. */
  readonly seconds: number;
  /** Why it was not fresh, most important first; of a skipped one why it was skipped. */
  readonly reasons: readonly string[];
  /** Of a failed one: what happened. */
  readonly failure?: StageFailure;
}

/** Why a stage failed. */
export interface StageFailure {
  readonly code: DvErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** The last it wrote. */
  readonly output?: string;
}

/** What all stages of one `dv repro` share. */
export interface ReproSession {
  readonly repo: Repo;
  readonly env: NodeJS.ProcessEnv;
  /** How to call dv itself, for built-in steps. */
  readonly dvCommand: readonly [string, ...string[]];
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
  readonly noRunCache: boolean;
  readonly forced: ReadonlySet<string>;
  /** The lock as it was when the command began. */
  readonly lock: StagesLock;
  /** Names of all stages of stages.yaml. */
  readonly declared: ReadonlySet<string>;
  readonly tracked: readonly Tracked[];
  readonly observer: Observer;
  /** Files of git's that were written. */
  readonly written: Set<RepoPath>;
  /** What `.git/HEAD` said when the command began. */
  readonly head: string;
  /** Runs something under the lock of the worktree, after all that was asked for before. */
  exclusive<Result>(run: () => Promise<Result>): Promise<Result>;
}

/** What `.git/HEAD` says: the branch, or the commit when none is checked out. */
export function readHead(repo: Repo): string {
  return readFileSync(join(repo.gitDir, 'HEAD'), 'utf8').trim();
}

/**
 * Brings a stage up to date. Call when all it reads from is up to date.
 * Guarantee: the lock names the stage's outputs only after they are in the cache; a failed or killed run leaves
 * the lock as it was.
 * @throws what is no failure of the stage's own: interrupted, locked, disk-full, not-writable, unsafe-link, …
 */
export async function reproduceStage(session: ReproSession, stage: Stage): Promise<StageResult> {
  const startedMs = performance.now();
  const found = await session.observer.lookAtStage(stage);
  const entry = session.lock.get(stage.name);
  const judgement = judgeStage(stage, entry, (path) => found.get(path), session.env);
  const job: OutputJob = { ...session, stage, entry, found };
  const result = (outcome: StageResult['outcome'], reasons: readonly string[]): StageResult => ({
    name: stage.name,
    outcome,
    seconds: (performance.now() - startedMs) / 1000,
    reasons,
  });
  if (stage.frozen) return reproduceFrozen(session, job, judgement, result);
  const reasons = [
    ...(stage.always ? ['always'] : []),
    ...(session.forced.has(stage.name) ? ['forced'] : []),
    ...judgement.inputReasons,
    ...judgement.outputReasons,
  ];
  if (reasons.length === 0) {
    // A dv that was killed right after it had recorded the stage left its note.
    noteDone(session.repo, stage.name);
    return result('fresh', []);
  }
  const { inputs } = judgement;
  if (inputs === undefined) {
    const problem = `${judgement.missing.join(', ')} ${judgement.missing.length === 1 ? 'does' : 'do'} not exist, though the stages before it ended well`;
    return failed(result('failed', reasons), new DvError('stage-output', { stage: stage.name, problem }));
  }
  try {
    refuseGitTracked(session.repo, stage);
    await waitForEarlierRun(session.repo, stage.name, session.signal);
    if (await restoreFromCache(session, job, judgement, inputs)) return result('restored', reasons);
    await run(session, job, inputs, reasons);
    return result('ran', reasons);
  } catch (error) {
    if (!isStageFailure(error)) throw error;
    return failed(result('failed', reasons), error);
  }
}

type StageError =
  | DvError<'stage-failed'>
  | DvError<'stage-output'>
  | DvError<'stage-still-running'>
  | DvError<'path-tracked-by-git'>;

/** Whether an error is the stage's own fault, so that other stages can go on. */
function isStageFailure(error: unknown): error is StageError {
  return (
    isDvError(error, 'stage-failed') ||
    isDvError(error, 'stage-output') ||
    isDvError(error, 'path-tracked-by-git') ||
    isDvError(error, 'stage-still-running')
  );
}

function failed(result: StageResult, error: StageError): StageResult {
  const failure = {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.code === 'stage-failed' ? { output: (error as DvError<'stage-failed'>).details.output } : {}),
  };
  return { ...result, failure };
}

/** A frozen stage is never run; what the lock says it wrote comes back when it is gone. */
async function reproduceFrozen(
  session: ReproSession,
  job: OutputJob,
  judgement: Judgement,
  result: (outcome: StageResult['outcome'], reasons: readonly string[]) => StageResult,
): Promise<StageResult> {
  const { entry, found, stage } = job;
  const gone = stage.outs.filter(({ path }) => entry?.outs.has(path) && found.get(path) === undefined);
  if (entry === undefined || gone.length === 0) return result('fresh', ['frozen']);
  const outputs = {
    outs: new Map(gone.map(({ path }) => [path, entry.outs.get(path)!])),
    metrics: new Map(),
  };
  const restored = await session.exclusive(() => restoreOutputs(job, outputs));
  if (restored) noteDone(session.repo, stage.name);
  for (const { path } of gone) session.observer.forget(path);
  return restored ? result('restored', judgement.outputReasons) : result('fresh', ['frozen']);
}

/** The outputs that stood for these inputs before, if the cache still has them. */
async function restoreFromCache(
  session: ReproSession,
  job: OutputJob,
  judgement: Judgement,
  inputs: StageInputs,
): Promise<boolean> {
  const { stage, entry } = job;
  if (stage.always || session.forced.has(stage.name)) return false;
  const candidates: Outputs[] = [];
  if (entry !== undefined && judgement.inputReasons.length === 0) candidates.push(entry);
  // What a stage that goes on from its old outs writes depends on more than its fingerprint.
  if (!session.noRunCache && !stage.persist) {
    const record = readRun(session.repo, fingerprintOfStage(stage, inputs));
    if (record !== undefined && writesThese(stage, record)) candidates.push(record);
  }
  for (const outputs of candidates) {
    const restored = await session.exclusive(async () => {
      if (!(await restoreOutputs(job, outputs))) return false;
      saveEntry(session, stage, { ...inputs, outs: outputs.outs, metrics: outputs.metrics });
      for (const path of ignoreOuts(session.repo, stage)) session.written.add(path);
      noteDone(session.repo, stage.name);
      return true;
    });
    for (const { path } of [...stage.outs, ...stage.metrics]) session.observer.forget(path);
    if (restored) return true;
  }
  return false;
}

const fingerprintOfStage = (stage: Stage, inputs: StageInputs) =>
  fingerprintOf(
    inputs,
    stage.outs.map(({ path }) => path),
    stage.metrics.map(({ path }) => path),
  );

/** Whether outputs are of exactly the paths a stage declares; a record may come from somebody else. */
function writesThese(stage: Stage, outputs: Outputs): boolean {
  const same = (declared: readonly { path: RepoPath }[], written: ReadonlyMap<RepoPath, unknown>) =>
    declared.length === written.size && declared.every(({ path }) => written.has(path));
  return same(stage.outs, outputs.outs) && same(stage.metrics, outputs.metrics);
}

function saveEntry(session: ReproSession, stage: Stage, entry: LockEntry): void {
  for (const path of entry.metrics.keys()) session.written.add(path);
  saveLock(session, { name: stage.name, entry });
}

/** Saves the lock, without the stages that are not declared any more. Call under the lock of the worktree. */
export function saveLock(
  session: ReproSession,
  stage: { readonly name: string; readonly entry: LockEntry } | undefined,
): void {
  const file = lockFileName as RepoPath;
  const save = () => saveLockEntry(session.repo, stage, session.declared);
  if (writeMarked(session.repo, [file], save)) session.written.add(file);
}

/** Runs the stage and records what it wrote. */
async function run(
  session: ReproSession,
  job: OutputJob,
  inputs: StageInputs,
  reasons: readonly string[],
): Promise<void> {
  const { repo } = session;
  const { stage } = job;
  const directory = join(repo.root, stage.wdir);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new DvError('stage-output', {
      stage: stage.name,
      problem: `its working directory ${stage.wdir} does not exist`,
    });
  }
  const aside = await session.exclusive(async () => {
    for (const path of ignoreOuts(repo, stage)) session.written.add(path);
    return clearOutputs(job);
  });
  for (const { path } of [...stage.outs, ...stage.metrics]) session.observer.forget(path);
  session.report({
    type: 'stage-started',
    stage: stage.name,
    command: describeProgram(stage.program),
    reasons,
  });
  try {
    const { seconds } = await runAttempts(session, stage, directory);
    await session.exclusive(() => record(session, job, inputs, seconds));
    noteDone(repo, stage.name);
  } catch (error) {
    putBack(repo, aside);
    noteFailed(repo, stage.name, await listLeftovers(repo, stage));
    throw error;
  } finally {
    for (const { path } of [...stage.outs, ...stage.metrics]) session.observer.forget(path);
  }
}

/** Runs the stage's command until it ends well, as often as it may be tried. @throws {DvError} stage-failed */
async function runAttempts(session: ReproSession, stage: Stage, directory: string): Promise<ProcessResult> {
  const { repo, report, signal } = session;
  const { program } = stage;
  for (let attempt = 0; ; attempt++) {
    const result = await runProcess({
      command:
        program.kind === 'command'
          ? program.command
          : [...session.dvCommand, 'step', program.name, '--with', JSON.stringify(program.args)],
      cwd: directory,
      env: { ...withoutGitLocals(session.env), ...stageEnvironment(stage) },
      timeoutMs: stage.timeoutMs,
      signal,
      onStart: (group) => noteRunning(repo, stage.name, group),
      onOutput: (stream, text) => report({ type: 'stage-output', stage: stage.name, stream, text }),
    });
    const how = describeEnd(result.end, stage.timeoutMs);
    if (how === undefined) return result;
    if (result.end.kind === 'aborted') signal?.throwIfAborted();
    if (attempt >= stage.retries) {
      throw new DvError('stage-failed', {
        stage: stage.name,
        command: firstLine(describeProgram(program)),
        how: attempt === 0 ? how : `${how}, after ${attempt + 1} attempts`,
        output: result.tail,
      });
    }
    report({
      type: 'warning',
      message: `${stage.name} ${how}; trying again (${attempt + 1} of ${stage.retries})`,
    });
    clearAttempt(repo, stage);
  }
}

const firstLine = (text: string) => text.trim().replace(/\n[\s\S]*/, ' …');

const stageEnvironment = (stage: Stage) =>
  Object.fromEntries([...stage.env].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));

/** Takes what was written into the cache, then says so: first to the run cache, then in the lock. */
async function record(
  session: ReproSession,
  job: OutputJob,
  inputs: StageInputs,
  seconds: number,
): Promise<void> {
  const { repo, report } = session;
  const { stage } = job;
  const outputs = await recordOutputs(job);
  const moved = await changedDeps(session, inputs);
  for (const path of moved) {
    report({
      type: 'warning',
      message: `${path} changed while ${stage.name} was reading it; ${stage.name} will be stale`,
      hint: `let it write elsewhere, or name what it writes there in .dvcignore`,
    });
  }
  warnUnrecorded(session, stage, inputs);
  try {
    if (!stage.always && !stage.persist && moved.length === 0) {
      const finished = new Date().toISOString();
      writeRun(repo, fingerprintOfStage(stage, inputs), {
        ...{ stage: stage.name, seconds, finished, host: hostname() },
        ...outputs,
      });
    }
    if (readHead(repo) === session.head) saveEntry(session, stage, { ...inputs, ...outputs });
    else {
      report({
        type: 'warning',
        message: `another branch was checked out while ${stage.name} ran; stages.lock here was left alone`,
        hint: `git checkout the branch again, then dv repro, which restores what was computed`,
      });
    }
  } catch (error) {
    throw explainWriteFailure(error, repo.root);
  }
}

/** Deps that are not any more what they were when the stage began. */
async function changedDeps(session: ReproSession, inputs: StageInputs): Promise<RepoPath[]> {
  const changed: RepoPath[] = [];
  for (const [path, before] of inputs.deps) {
    session.observer.forget(path);
    if (!samePointer(await session.observer.look(path), before)) changed.push(path);
  }
  return changed;
}

/** Says when a stage read data that dv tracks and that has changes nobody else can get. */
function warnUnrecorded(session: ReproSession, stage: Stage, inputs: StageInputs): void {
  for (const [path, pointer] of inputs.deps) {
    const data = session.tracked.find((other) => other.path === path);
    if (data !== undefined && !samePointer(data.pointer, pointer)) {
      session.report({
        type: 'warning',
        message: `${stage.name} read ${path} with changes that are not recorded; nobody else can reproduce this`,
        hint: `dv add ${path}`,
      });
    }
  }
}

/** A result for a stage that was not looked at. */
export function skipped(name: string, because: string | undefined): StageResult {
  const reason = because === undefined ? 'another stage failed' : `after ${because}, which did not succeed`;
  return { name, outcome: 'skipped', seconds: 0, reasons: [reason] };
}
