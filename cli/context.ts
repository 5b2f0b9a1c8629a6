/** What a command is given: where the user stands, the repository, the remote, and where to report. */
import { availableParallelism } from 'node:os';
import { isDvError } from '../core/errors.ts';
import type { Report } from '../core/events.ts';
import type { Remote } from '../core/store/remote.ts';
import { openRepo, type Repo } from '../core/store/repo.ts';

/** The surroundings of one command. */
export interface Context {
  /** Absolute folder the user stands in, after `-C`. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The repository, opened on first call. @throws {DvError} not-a-repository, bare-repository, invalid-file */
  repo(): Repo;
  /** Opens a remote by name, or the default one. The command closes it. @throws {DvError} no-remote, unknown-remote, remote-url, remote-endpoint */
  openRemote(name?: string): Promise<Remote>;
  readonly report: Report;
  /** Aborted by Ctrl-C; work stops at the next safe point. */
  readonly signal: AbortSignal;
  /** Whether standard output is a terminal a person looks at (and `--json` was not asked for). */
  readonly interactive: boolean;
  /** Whether standard error is for a person's eyes: programs started for the user may speak on it. */
  readonly talkative: boolean;
  /** How many things to do at once, from `-j`, the settings, or the machine. */
  readonly jobs: number;
}

/** What a context is made from. */
export interface ContextOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly interactive: boolean;
  readonly talkative?: boolean;
  /** What `-j` said. */
  readonly jobs?: number | undefined;
}

/** Wires a command to the repository it stands in. Nothing is read before it is asked for. */
export function createContext(options: ContextOptions): Context {
  let repo: Repo | undefined;
  const openOnce = () => {
    repo ??= openRepo({ cwd: options.cwd, env: options.env });
    return repo;
  };
  return {
    cwd: options.cwd,
    env: options.env,
    report: options.report,
    signal: options.signal,
    interactive: options.interactive,
    talkative: options.talkative ?? false,
    repo: openOnce,
    async openRemote(name) {
      const { config, root } = openOnce();
      const { openRemote, selectRemote } = await import('../remotes/open.ts');
      return openRemote(selectRemote(config, name), root);
    },
    get jobs() {
      return options.jobs ?? configuredJobs(openOnce) ?? availableParallelism();
    },
  };
}

/** `dv.jobs` of the repository, if there is one: a step can run outside. */
function configuredJobs(open: () => Repo): number | undefined {
  try {
    return open().config.jobs;
  } catch (error) {
    if (isDvError(error, 'not-a-repository')) return undefined;
    throw error;
  }
}
