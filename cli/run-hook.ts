/**
 * `dv hook <event>`, called by git: runs one hook and says what it did in a line. git waits for it, so nothing
 * is loaded that the hook at hand does not need.
 */
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
  try {
    const lines = await runEvent(event, args, context, terminal);
    reporter.close();
    for (const line of lines) terminal.writeError(`dv: ${line}\n`);
    return 0;
  } catch (error) {
    reporter.close();
    if (terminal.signal.aborted) {
      terminal.writeError('dv: interrupted\n');
      return signalStatus(terminal.signal.reason as NodeJS.Signals);
    }
    const failure = describeFailure(error);
    terminal.writeError(`${failure.text}\n`);
    if (event !== 'pre-push') return 0;
    terminal.writeError(
      'dv: git push was stopped, as pointers would have gone out without their data\n' +
        'hint: git push --no-verify sends them alone; git config dv.hooks.pre-push off leaves data to dv push from now on\n',
    );
    return failure.status;
  }
}

/** Runs the hook of an event, and gives back what there is to say. */
async function runEvent(
  event: HookEvent,
  args: readonly string[],
  context: Context,
  terminal: Terminal,
): Promise<string[]> {
  const repo = context.repo();
  if (repo.config.hooks.get(event) === false) return [];
  const surroundings = {
    repo,
    report: context.report,
    signal: context.signal,
    env: context.env,
    jobs: context.jobs,
    dvCommand: [launcher.node, launcher.main] as const,
  };
  const told = async ({ followed, stages }: Change) => {
    if (followed === undefined && stages === undefined) return [];
    const { followLines, stageLines } = await import('./report/hook-words.ts');
    return [...(followed ? followLines(repo, followed) : []), ...(stages ? stageLines(stages) : [])];
  };
  switch (event) {
    case 'post-checkout':
      return told(await (await import('../hooks/post-checkout.ts')).postCheckout(args, surroundings));
    case 'post-merge':
      return told(await (await import('../hooks/post-merge.ts')).postMerge(args, surroundings));
    case 'post-rewrite':
      return told(await (await import('../hooks/post-rewrite.ts')).postRewrite(args, surroundings));
    case 'pre-push': {
      const { prePush } = await import('../hooks/pre-push.ts');
      const pushed = await prePush({
        ...surroundings,
        input: await terminal.readInput(),
        openRemote: () => context.openRemote(),
      });
      if (pushed === undefined) return [];
      return (await import('./report/hook-words.ts')).pushLines(pushed);
    }
  }
}
