/** What the program is connected to: handed in by main.ts, so that nothing else touches the process. */
export interface Terminal {
  /** Absolute current folder. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by the first SIGINT or SIGTERM; the reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Whether standard output is a terminal. */
  readonly stdoutIsTerminal: boolean;
  /** Width of standard error when it is a terminal. */
  readonly stderrColumns: number | undefined;
  /** Everything on standard input. */
  readInput(): Promise<string>;
  writeOut(text: string): void;
  writeError(text: string): void;
}
