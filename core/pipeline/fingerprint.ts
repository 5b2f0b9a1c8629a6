/** What makes a stage's output what it is, as one digest: the name of its entry in the run cache. */
import { type Digest, digestOf } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, type RepoPath } from '../model/repo-path.ts';
import { canonicalJson, type JsonValue } from './json.ts';
import type { Program, Stage } from './stage.ts';

/** A program as it is recorded: what was written, not what the parameters made of it. */
export type RecordedProgram =
  | {
      readonly kind: 'command';
      /** The command with its `${…}`; the parameters' values are recorded beside it. */
      readonly command: string;
    }
  | {
      readonly kind: 'step';
      readonly name: string;
      /** Raised by us when the same arguments and inputs would give other outputs. */
      readonly version: number;
      /** Complete, so that a default that changes counts like an argument that changes. */
      readonly args: Readonly<Record<string, JsonValue>>;
    };

/** Everything a stage's outputs depend on, as far as dv can know. */
export interface StageInputs {
  /** What is run. Another command may write anything else. */
  readonly program: RecordedProgram;
  /** Where it runs, `''` for the top: relative paths in the command mean something else elsewhere. */
  readonly wdir: RepoPath | '';
  /** Values the command is filled with, or that the stage says it reads from params.yaml itself. */
  readonly params: ReadonlyMap<string, JsonValue>;
  /** Values of the environment variables the stage lists; null for one that is not set. */
  readonly env: ReadonlyMap<string, string | null>;
  /** What is at each path it reads. Kind and digest count; the sizes follow from them. */
  readonly deps: ReadonlyMap<RepoPath, Pointer>;
}

/** The program of a stage as it is recorded. */
export function recordedProgram(program: Program): RecordedProgram {
  if (program.kind === 'command') return { kind: 'command', command: program.template };
  const { name, version, args } = program;
  return { kind: 'step', name, version, args };
}

/** The values of the environment variables a stage lists. */
export function recordedEnv(stage: Stage, env: NodeJS.ProcessEnv): Map<string, string | null> {
  return new Map([...stage.env].map(([name, value]) => [name, value ?? env[name] ?? null]));
}

const sortedObject = <Value>(map: ReadonlyMap<string, Value>, encode: (value: Value) => JsonValue) =>
  Object.fromEntries([...map].map(([key, value]) => [key, encode(value)]));

/**
 * The fingerprint of a run: equal when the same thing was run on the same inputs to write the same paths.
 * Timeout, retries, `on` and the like are left out: they change when a stage runs, not what it writes.
 * @param outs the paths it writes into the cache: the same command with other outs keeps other files.
 * @param metrics the paths of its metrics files, for the same reason.
 */
export function fingerprintOf(
  inputs: StageInputs,
  outs: Iterable<string>,
  metrics: Iterable<string>,
): Digest {
  const { program } = inputs;
  const text = canonicalJson({
    version: 1,
    program:
      program.kind === 'command'
        ? { command: program.command }
        : { step: program.name, version: program.version, with: program.args },
    wdir: inputs.wdir,
    params: sortedObject(inputs.params, (value) => value),
    env: sortedObject(inputs.env, (value) => value),
    deps: sortedObject(inputs.deps, (pointer) => `${pointer.kind} ${pointer.digest}`),
    outs: [...outs].sort(comparePaths),
    metrics: [...metrics].sort(comparePaths),
  });
  return digestOf(text);
}
