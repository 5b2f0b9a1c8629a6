/** Runs tasks along a graph, several at once, none before those it waits for. Knows nothing of stages. */

/** How a task ended. */
export type TaskEnd = 'done' | 'failed';

/** What to run. */
export interface Schedule {
  /** Every task after those it waits for. */
  readonly order: readonly string[];
  /** Task → those it waits for; ones that are not in `order` count as done. */
  readonly upstream: ReadonlyMap<string, ReadonlySet<string>>;
  /** At most this many at once. */
  readonly jobs: number;
  /** Go on with what does not wait for a failed task; otherwise start nothing after the first failure. */
  readonly keepGoing: boolean;
  readonly signal: AbortSignal | undefined;
  /** Runs one task. A rejection stops everything: tasks that run are waited for, and the first rejection is thrown. */
  run(name: string): Promise<TaskEnd>;
  /** Called for a task that will not run, in order. @param because the failed or skipped task it waits for, if any. */
  skip(name: string, because: string | undefined): void;
}

/** Runs all tasks. Resolves when none runs any more. */
export async function runSchedule(schedule: Schedule): Promise<void> {
  const { order, upstream, jobs, signal } = schedule;
  const waiting = new Set(order);
  const ended = new Map<string, TaskEnd | 'skipped'>();
  const running = new Map<string, Promise<void>>();
  const errors: unknown[] = [];
  let failed = false;

  const start = (name: string) => {
    waiting.delete(name);
    const task = schedule
      .run(name)
      .then(
        (end) => {
          ended.set(name, end);
          if (end === 'failed') failed = true;
        },
        (error: unknown) => {
          errors.push(error);
          ended.set(name, 'failed');
        },
      )
      .finally(() => running.delete(name));
    running.set(name, task);
  };
  const skip = (name: string, because: string | undefined) => {
    waiting.delete(name);
    ended.set(name, 'skipped');
    schedule.skip(name, because);
  };

  for (;;) {
    const stopped = errors.length > 0 || signal?.aborted === true;
    if (!stopped) {
      for (const name of order) {
        if (!waiting.has(name)) continue;
        const from = [...(upstream.get(name) ?? [])].filter(
          (source) => waiting.has(source) || running.has(source) || ended.has(source),
        );
        const broken = from.find((source) => ended.has(source) && ended.get(source) !== 'done');
        if (broken !== undefined) skip(name, broken);
        else if (failed && !schedule.keepGoing) {
          if (running.size === 0) skip(name, undefined);
        } else if (running.size < jobs && from.every((source) => ended.get(source) === 'done')) start(name);
      }
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (errors.length > 0) throw errors[0];
  signal?.throwIfAborted();
}
