/** What a command is given: where the user stands, the repository, the remote, and where to report. */
import type { Report } from '../core/events.ts';
import type { Remote } from '../core/store/remote.ts';
import type { Repo } from '../core/store/repo.ts';

/** The surroundings of one command. */
export interface Context {
  /** Absolute folder the user stands in, after `-C`. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The repository, opened on first call. @throws {DvError} not-a-repository, bare-repository, invalid-file */
  repo(): Repo;
  /** Opens a remote by name, or the default one. The command closes it. @throws {DvError} no-remote, unknown-remote */
  openRemote(name?: string): Promise<Remote>;
  readonly report: Report;
  /** Aborted by Ctrl-C; work stops at the next safe point. */
  readonly signal: AbortSignal;
  /** Whether standard output is a terminal a person looks at (and `--json` was not asked for). */
  readonly interactive: boolean;
  /** How many things to do at once, from `-j`, the settings, or the machine. */
  readonly jobs: number;
}
