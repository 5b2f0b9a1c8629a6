/** `dv why`: what made a stage stale, down to the files, and when it last ran. */
import { DvError } from '../errors.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { diffEntries, readTree, type TreeEntry } from '../model/tree.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import type { LockEntry } from '../pipeline/lock-file.ts';
import type { StageState } from '../pipeline/plan.ts';
import { readRun } from '../pipeline/run-cache.ts';
import { describeProgram } from '../pipeline/stage.ts';
import { samePointer } from '../pipeline/staleness.ts';
import { readObject } from '../store/cache.ts';
import { capture } from '../store/capture.ts';
import type { Repo } from '../store/repo.ts';
import { planStages, requirePipeline, type StageOptions } from './repro.ts';

/** How a path a stage reads differs from when it last ran. */
export interface ChangedDep {
  readonly path: RepoPath;
  readonly added: readonly RepoPath[];
  readonly modified: readonly RepoPath[];
  readonly deleted: readonly RepoPath[];
}

/** When a stage last ran, here or wherever its run cache entry came from. */
export interface LastRun {
  /** ISO 8601, UTC. */
  readonly finished: string;
  readonly seconds: number;
  readonly host: string;
}

/** Why a stage is as it is. */
export interface WhyResult {
  readonly name: string;
  readonly state: StageState;
  readonly command: string;
  readonly reasons: readonly string[];
  /** Folders it reads that changed, where the cache still knows what they held. */
  readonly changes: readonly ChangedDep[];
  /** The stages before it that are not fresh, in order. */
  readonly upstream: readonly { readonly name: string; readonly state: StageState }[];
  readonly lastRun: LastRun | null;
}

/** Explains a stage. Changes nothing but stat indexes. @throws {DvError} no-stages, unknown-stage, invalid-file */
export async function why(repo: Repo, name: string, options: StageOptions): Promise<WhyResult> {
  const pipeline = await requirePipeline(repo);
  const { planned, found } = await planStages(repo, pipeline, { ...options, stages: [name] });
  const stage = pipeline.stages.get(name)!;
  const own = planned.find((other) => other.name === name)!;
  const entry = pipeline.lock.get(name);
  const changes: ChangedDep[] = [];
  for (const [path, before] of entry?.deps ?? []) {
    const now = found.get(path);
    if (now?.kind !== 'tree' || before.kind !== 'tree' || samePointer(now, before)) continue;
    const change = await compareDep(repo, path, entry!, options);
    if (change !== undefined) changes.push(change);
  }
  return {
    name,
    state: own.state,
    command: describeProgram(stage.program),
    reasons: own.reasons,
    changes,
    upstream: planned
      .filter((other) => other !== own && other.state !== 'fresh')
      .map(({ name, state }) => ({ name, state })),
    lastRun: entry === undefined ? null : findLastRun(repo, entry),
  };
}

async function compareDep(
  repo: Repo,
  path: RepoPath,
  entry: LockEntry,
  options: StageOptions,
): Promise<ChangedDep | undefined> {
  let before: readonly TreeEntry[];
  try {
    before = readTree(entry.deps.get(path)!.digest, (digest) => readObject(repo, digest));
  } catch (error) {
    // What code looked like is not kept in the cache, and data may be gone from it.
    if (error instanceof DvError) return undefined;
    throw error;
  }
  const { entries } = await capture(repo, path, { store: false, remember: true, ...options });
  const changes = diffEntries(before, entries);
  const paths = (keep: (change: (typeof changes)[number]) => boolean) =>
    changes.filter(keep).map((change) => change.path);
  return {
    path,
    added: paths(({ before }) => before === undefined),
    modified: paths(({ before, after }) => before !== undefined && after !== undefined),
    deleted: paths(({ after }) => after === undefined),
  };
}

function findLastRun(repo: Repo, entry: LockEntry): LastRun | null {
  const run = readRun(repo, fingerprintOf(entry, entry.outs.keys(), entry.metrics.keys()));
  return run === undefined ? null : { finished: run.finished, seconds: run.seconds, host: run.host };
}
