/**
 * `dv hook <event>`, called by git: runs one hook and says what it did in a line. git waits for it, so nothing
 * is loaded that the hook at hand does not need.
 */
import { noteTold, readTold } from '../core/store/followed.ts';
import type { Repo } from '../core/store/repo.ts';
import type { Change } from '../hooks/after-change.ts';
import type { HookEvent } from '../hooks/events.ts';
import { type Context, createContext } from './context.ts';
import { describeFailure, signalStatus } from './exit.ts';
import { launcher } from './launcher.ts';
import { plainReporter } from './report/plain.ts';
import type { Terminal } from './terminal.ts';

/** Without a terminal, pre-push says something this often. */
const heartbeatMs = 10_000;

/**
 * Runs a hook and gives back its exit status; never throws. What git has done is not undone by a failing hook,
 * so only pre-push fails: it stands before something.
 * @param args what git gave the hook.
 */
export async function runHook(
  event: HookEvent,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const reporter = plainReporter({
    write: terminal.writeError,
    columns: terminal.stderrColumns,
    quiet: false,
    // git holds a connection open meanwhile, and people think it hangs.
    ...(event === 'pre-push' ? { heartbeatMs } : {}),
  });
  const context = createContext({
    cwd: terminal.cwd,
    env: terminal.env,
    report: (progress) => reporter.report(progress),
    signal: terminal.signal,
    interactive: false,
  });
  let repo: Repo | undefined;
  let before: ReadonlySet<string> = new Set();
  const tell = (lines: readonly string[], lasting: readonly string[]) => {
    for (const line of lines) if (!before.has(line)) terminal.writeError(`${line}\n`);
    if (event === 'post-index-change' && repo !== undefined) noteTold(repo, lasting);
  };
  try {
    repo = context.repo();
    if (event.startsWith('post-')) before = readTold(repo);
    const { lines, lasting = [] } = await runEvent(event, args, context, terminal);
    reporter.close();
    const marked = (line: string) => `dv: ${line}`;
    tell(lines.map(marked), lasting.map(marked));
    return 0;
  } catch (error) {
    reporter.close();
    if (terminal.signal.aborted) {
      terminal.writeError('dv: interrupted\n');
      return signalStatus(terminal.signal.reason as NodeJS.Signals);
    }
    const failure = describeFailure(error);
    if (event !== 'pre-push') {
      const lines = failure.text.split('\n');
      tell(lines, lines);
      return 0;
    }
    terminal.writeError(`${failure.text}\n`);
    terminal.writeError(
      'dv: git push was stopped, as pointers would have gone out without their data\n' +
        'hint: git push --no-verify sends them alone; git config dv.hooks.pre-push off leaves data to dv push from now on\n',
    );
    return failure.status;
  }
}

/** What a hook has to say. */
interface Said {
  readonly lines: readonly string[];
  /** Those of the lines that the hook after this one, of the same git command, would say again. */
  readonly lasting?: readonly string[];
}

/** Runs the hook of an event, and gives back what there is to say. */
async function runEvent(
  event: HookEvent,
  args: readonly string[],
  context: Context,
  terminal: Terminal,
): Promise<Said> {
  const repo = context.repo();
  if (repo.config.hooks.get(event) === false) return { lines: [] };
  const surroundings = {
    repo,
    report: context.report,
    signal: context.signal,
    env: context.env,
    jobs: context.jobs,
    dvCommand: [launcher.node, launcher.main] as const,
  };
  const told = async ({ followed, stages }: Change): Promise<Said> => {
    if (followed === undefined && stages === undefined) return { lines: [] };
    const { followLines, missingLines, stageLines } = await import('./report/hook-words.ts');
    return {
      lines: [...(followed ? followLines(repo, followed) : []), ...(stages ? stageLines(stages) : [])],
      lasting: followed ? missingLines(followed) : [],
    };
  };
  switch (event) {
    case 'post-checkout':
      return told(await (await import('../hooks/post-checkout.ts')).postCheckout(args, surroundings));
    case 'post-merge':
      return told(await (await import('../hooks/post-merge.ts')).postMerge(args, surroundings));
    case 'post-rewrite':
      return told(await (await import('../hooks/post-rewrite.ts')).postRewrite(args, surroundings));
    case 'post-index-change':
      return told(await (await import('../hooks/post-index-change.ts')).postIndexChange(args, surroundings));
    case 'pre-commit': {
      const { preCommit } = await import('../hooks/pre-commit.ts');
      const unrecorded = await preCommit(args, surroundings);
      if (unrecorded.length === 0) return { lines: [] };
      return { lines: (await import('./report/hook-words.ts')).unrecordedLines(unrecorded) };
    }
    case 'pre-push': {
      const { prePush } = await import('../hooks/pre-push.ts');
      const pushed = await prePush({
        ...surroundings,
        input: await terminal.readInput(),
        openRemote: () => context.openRemote(),
      });
      if (pushed === undefined) return { lines: [] };
      return { lines: (await import('./report/hook-words.ts')).pushLines(pushed) };
    }
  }
}
