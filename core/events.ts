/** What can happen while dv works. core reports these; the terminal decides how they look. */

/** How far a piece of bulk work is. Counts grow; totals appear as soon as they are known. */
export interface Progress {
  readonly type: 'progress';
  /** What is being done, in the user's words: `reading`, `storing`, `writing`, `sending`, `receiving`. */
  readonly task: string;
  readonly files: number;
  readonly totalFiles?: number;
  readonly bytes: number;
  readonly totalBytes?: number;
}

/** Something the user should know that does not stop the command. */
export interface Warning {
  readonly type: 'warning';
  readonly message: string;
  readonly hint?: string;
}

/** A stage of the pipeline began. */
export interface StageStarted {
  readonly type: 'stage-started';
  readonly stage: string;
  /** What is run: the command line, or `step convert`. */
  readonly command: string;
  /** Why the stage was stale, most important first. */
  readonly reasons: readonly string[];
}

/** A stage wrote to its standard output or error. */
export interface StageOutput {
  readonly type: 'stage-output';
  readonly stage: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

/** A stage was dealt with. */
export interface StageFinished {
  readonly type: 'stage-finished';
  readonly stage: string;
  readonly outcome: 'ran' | 'restored' | 'fresh' | 'failed' | 'skipped';
  readonly seconds: number;
  readonly reasons: readonly string[];
}

export type DvEvent = Progress | Warning | StageStarted | StageOutput | StageFinished;
/** Receives events; must not throw. */
export type Report = (event: DvEvent) => void;
/** A report that drops everything. */
export const silent: Report = () => {};
