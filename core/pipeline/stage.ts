/** What a stage is: the checked form of one entry of stages.yaml. Reading the file is in stages-file.ts. */
import type { RepoPath } from '../model/repo-path.ts';
import type { StepName } from '../model/steps.ts';
import type { JsonValue } from './json.ts';

/** The file that declares the stages, at the top of the repository. */
export const stagesFileName = 'stages.yaml';
/** The file whose values stages use as parameters, beside stages.yaml. */
export const paramsFileName = 'params.yaml';

/** The git events that can bring a stage up to date. */
export const gitEvents = ['post-checkout', 'post-merge', 'post-rewrite'] as const;
export type GitEvent = (typeof gitEvents)[number];

/** Where something stands in stages.yaml, both 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A path a stage names. */
export interface StagePath extends Position {
  readonly path: RepoPath;
  /** Where in the file's structure, e.g. `stages.train.outs[0]`. */
  readonly at: string;
}

/** What a stage runs. */
export type Program =
  | {
      readonly kind: 'command';
      /** As it stands in stages.yaml, with its `${…}`. */
      readonly template: string;
      /** With the parameters put in; for `/bin/sh -c`. */
      readonly command: string;
    }
  | {
      readonly kind: 'step';
      readonly name: StepName;
      readonly version: number;
      /** Checked, complete, parameters put in. */
      readonly args: Readonly<Record<string, JsonValue>>;
    };

/** A stage. */
export interface Stage extends Position {
  readonly name: string;
  readonly program: Program;
  /** The folder it runs in; `''` is the top. */
  readonly wdir: RepoPath | '';
  /** What it reads. */
  readonly deps: readonly StagePath[];
  /** What it writes that goes into the cache. */
  readonly outs: readonly StagePath[];
  /** Small files it writes that stay in git. */
  readonly metrics: readonly StagePath[];
  /** Parameters it uses, listed or put into its command: dotted key → value. */
  readonly params: ReadonlyMap<string, JsonValue>;
  /** Arguments of a step that hold a parameter, by their first key. */
  readonly filledArgs: ReadonlySet<string>;
  /** Environment variables that count: a value to set, or undefined for what the environment says. */
  readonly env: ReadonlyMap<string, string | undefined>;
  readonly on: readonly GitEvent[];
  /** Never brought up to date. */
  readonly frozen: boolean;
  /** Run every time. */
  readonly always: boolean;
  /** Its outs stay where they are before it runs, so that it can go on from them. */
  readonly persist: boolean;
  readonly timeoutMs: number | undefined;
  /** How often to try again after a failure. */
  readonly retries: number;
}

/** How to name a stage's program to a person: its command line, or `step convert`. */
export function describeProgram(program: Program): string {
  return program.kind === 'command' ? program.command : `step ${program.name}`;
}
