/** Why a stage is stale, in words: what is there now against what stages.lock records. Pure. */
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { recordedEnv, recordedProgram, type StageInputs } from './fingerprint.ts';
import { canonicalJson, isJsonMap, type JsonValue } from './json.ts';
import { type LockEntry, sameJson } from './lock-file.ts';
import type { Stage } from './stage.ts';

/** What is at a path of the workspace now; undefined when nothing is. */
export type Found = (path: RepoPath) => Pointer | undefined;

/** What was found out about a stage. */
export interface Judgement {
  /** What it would run with; undefined when something it reads is missing. */
  readonly inputs: StageInputs | undefined;
  /** Paths it reads that are not there. */
  readonly missing: readonly RepoPath[];
  /** What differs in its inputs from when it last ran, most important first. */
  readonly inputReasons: readonly string[];
  /** What differs in what it wrote. */
  readonly outputReasons: readonly string[];
}

/** Whether two pointers stand for the same content. */
export function samePointer(a: Pointer | undefined, b: Pointer | undefined): boolean {
  return a?.kind === b?.kind && a?.digest === b?.digest;
}

/**
 * Compares a stage with its lock entry.
 * @param entry undefined when it never ran.
 * @param found looks at the workspace.
 */
export function judgeStage(
  stage: Stage,
  entry: LockEntry | undefined,
  found: Found,
  env: NodeJS.ProcessEnv,
): Judgement {
  const deps = new Map<RepoPath, Pointer>();
  const missing: RepoPath[] = [];
  for (const { path } of stage.deps) {
    const pointer = found(path);
    if (pointer === undefined) missing.push(path);
    else deps.set(path, pointer);
  }
  const inputs: StageInputs = {
    program: recordedProgram(stage.program),
    wdir: stage.wdir,
    params: stage.params,
    env: recordedEnv(stage, env),
    deps,
  };
  return {
    inputs: missing.length === 0 ? inputs : undefined,
    missing,
    inputReasons: entry === undefined ? ['never run'] : inputReasons(stage, inputs, entry, missing),
    outputReasons: entry === undefined ? [] : outputReasons(stage, entry, found),
  };
}

function inputReasons(
  stage: Stage,
  inputs: StageInputs,
  entry: LockEntry,
  missing: readonly RepoPath[],
): string[] {
  return [
    ...programReasons(stage, inputs, entry),
    ...compareMaps('param', entry.params, inputs.params),
    ...compareMaps('env', entry.env, inputs.env),
    ...missing.map((path) => `dep ${path} is missing`),
    ...depReasons(inputs, entry, missing),
    ...pathListReasons('out', stage.outs, entry.outs),
    ...pathListReasons('metrics', stage.metrics, entry.metrics),
  ];
}

function programReasons(stage: Stage, inputs: StageInputs, entry: LockEntry): string[] {
  const { program: now } = inputs;
  const { program: before } = entry;
  const reasons: string[] = [];
  if (now.kind === 'command') {
    if (before.kind !== 'command' || before.command !== now.command) reasons.push('command changed');
  } else if (before.kind !== 'step' || before.name !== now.name) {
    reasons.push(`runs step ${now.name} instead of ${before.kind === 'step' ? before.name : 'a command'}`);
  } else {
    if (before.version !== now.version)
      reasons.push(`step ${now.name} changed: version ${before.version} → ${now.version}`);
    // An argument made of parameters changes with them; the parameter is what the user edited.
    const moved = !sameMap(entry.params, inputs.params);
    const args = (from: Readonly<Record<string, JsonValue>>) =>
      new Map(Object.entries(from).filter(([key]) => !(moved && stage.filledArgs.has(key))));
    reasons.push(...compareMaps('argument', args(before.args), args(now.args)));
  }
  if (entry.wdir !== inputs.wdir) reasons.push(`wdir changed: ${entry.wdir || '.'} → ${inputs.wdir || '.'}`);
  return reasons;
}

function sameMap(a: ReadonlyMap<string, JsonValue>, b: ReadonlyMap<string, JsonValue>): boolean {
  return canonicalJson(Object.fromEntries(a)) === canonicalJson(Object.fromEntries(b));
}

/** A value short enough for one line. */
function show(value: JsonValue): string {
  const text = typeof value === 'string' ? value : value === null ? 'not set' : canonicalJson(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

/** Leaves of a value, so that one changed number in a map of fifty is named on its own. */
function* leaves(key: string, value: JsonValue | undefined): Generator<[string, JsonValue]> {
  if (value === undefined) return;
  if (isJsonMap(value))
    for (const [below, item] of Object.entries(value)) yield* leaves(`${key}.${below}`, item);
  else yield [key, value];
}

function compareMaps(
  what: string,
  before: ReadonlyMap<string, JsonValue>,
  now: ReadonlyMap<string, JsonValue>,
): string[] {
  const reasons: string[] = [];
  for (const key of new Set([...now.keys(), ...before.keys()])) {
    const old = before.get(key);
    const value = now.get(key);
    if (old !== undefined && value !== undefined && sameJson(old, value)) continue;
    const was = new Map(leaves(key, old));
    const is = new Map(leaves(key, value));
    const named: string[] = [];
    for (const leaf of new Set([...is.keys(), ...was.keys()])) {
      const from = was.get(leaf);
      const to = is.get(leaf);
      if (from === undefined) named.push(`${what} ${leaf} added: ${show(to!)}`);
      else if (to === undefined) named.push(`${what} ${leaf} removed`);
      else if (!sameJson(from, to)) named.push(`${what} ${leaf} changed: ${show(from)} → ${show(to)}`);
    }
    // An empty map has no leaves to name.
    reasons.push(...(named.length > 0 ? named : [`${what} ${key} changed`]));
  }
  return reasons;
}

/** A whole number with thousands separated; not toLocaleString, whose tables take 15 ms to load. */
const group = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

const countFiles = (pointer: Pointer) => (pointer.kind === 'tree' ? pointer.files : 1);

function depReasons(inputs: StageInputs, entry: LockEntry, missing: readonly RepoPath[]): string[] {
  const reasons: string[] = [];
  for (const [path, pointer] of inputs.deps) {
    const before = entry.deps.get(path);
    if (before === undefined) reasons.push(`dep ${path} added`);
    else if (!samePointer(before, pointer)) {
      const [from, to] = [countFiles(before), countFiles(pointer)];
      const counts = from === to ? '' : ` (${group(from)} → ${group(to)} files)`;
      reasons.push(`dep ${path} changed${counts}`);
    }
  }
  for (const path of entry.deps.keys()) {
    if (!inputs.deps.has(path) && !missing.includes(path)) reasons.push(`dep ${path} removed`);
  }
  return reasons;
}

/** Outs that the stage declares and did not write, or wrote and does not declare any more. */
function pathListReasons(
  what: string,
  declared: readonly { path: RepoPath }[],
  written: ReadonlyMap<RepoPath, Pointer>,
): string[] {
  const now = new Set(declared.map(({ path }) => path));
  return [
    ...[...now].filter((path) => !written.has(path)).map((path) => `${what} ${path} added`),
    ...[...written.keys()].filter((path) => !now.has(path)).map((path) => `${what} ${path} removed`),
  ];
}

function outputReasons(stage: Stage, entry: LockEntry, found: Found): string[] {
  const reasons: string[] = [];
  for (const [what, declared, written] of [
    ['out', stage.outs, entry.outs],
    ['metrics', stage.metrics, entry.metrics],
  ] as const) {
    for (const { path } of declared) {
      const recorded = written.get(path);
      if (recorded === undefined) continue;
      const now = found(path);
      if (now === undefined) reasons.push(`${what} ${path} is missing`);
      else if (!samePointer(now, recorded)) reasons.push(`${what} ${path} changed`);
    }
  }
  return reasons;
}
