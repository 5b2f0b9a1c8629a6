/**
 * What a built-in step of a pipeline declares about itself, without being loaded: its arguments, what it
 * reads and what it writes. The programs themselves are in core/steps and run as child processes.
 */
import type { GenericSchema, InferOutput } from 'valibot';

/** A step's declaration. */
export interface StepDeclaration<Schema extends GenericSchema = GenericSchema> {
  readonly name: string;
  /** Part of the fingerprint: raised when the same arguments and inputs would give other outputs. */
  readonly version: number;
  /** One line for `dv step --help`. */
  readonly summary: string;
  /** Checks and completes the arguments under `with`. */
  readonly schema: Schema;
  /** Paths the step reads, relative to the stage's working directory. */
  deps(args: InferOutput<Schema>): string[];
  /** Paths the step writes that go into the cache. */
  outs(args: InferOutput<Schema>): string[];
  /** Small files the step writes that stay in git. */
  metrics(args: InferOutput<Schema>): string[];
}

/** What a running step is given. */
export interface StepContext {
  /** Absolute folder that the arguments' paths are relative to. */
  readonly directory: string;
  /** Aborted when the step should stop. */
  readonly signal: AbortSignal;
  /** How many CPU threads the step may use. */
  readonly threads: number;
  /** One line of progress for the person watching, without a newline. */
  log(line: string): void;
}

/** The program of a step. Writes its outputs below `context.directory`; throws StepError on bad input. */
export type RunStep<Args> = (args: Args, context: StepContext) => Promise<void>;

/** Bad input to a step: shown to the user as it stands, without a stack. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
