import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runSchedule, type Schedule, type TaskEnd } from '../../../core/pipeline/schedule.ts';

/** A graph as lists: task → those it waits for, in an order that respects it. */
type Tasks = Readonly<Record<string, readonly string[]>>;

const scheduleOf = (tasks: Tasks) => ({
  order: Object.keys(tasks),
  upstream: new Map(Object.entries(tasks).map(([name, from]) => [name, new Set(from)])),
});

/** Runs tasks that end as told, a turn of the event loop later. */
async function play(
  tasks: Tasks,
  { ends = {}, ...options }: Partial<Schedule> & { ends?: Record<string, TaskEnd> } = {},
) {
  const log: string[] = [];
  let running = 0;
  let most = 0;
  await runSchedule({
    ...scheduleOf(tasks),
    jobs: 2,
    keepGoing: false,
    signal: undefined,
    async run(name) {
      log.push(`+${name}`);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      log.push(`-${name}`);
      return ends[name] ?? 'done';
    },
    skip: (name, because) => log.push(`skip ${name}${because ? ` (${because})` : ''}`),
    ...options,
  });
  return { log, most };
}

test('tasks wait for what they need and for a free place', async () => {
  const { log, most } = await play({ a: [], b: ['a'], c: [], d: [] });
  expect(log.slice(0, 2)).toEqual(['+a', '+c']);
  expect(log.indexOf('+b')).toBeGreaterThan(log.indexOf('-a'));
  expect(most).toBe(2);
});

test('after a failure what runs ends, and the rest is skipped with the reason', async () => {
  const { log } = await play({ a: [], b: [], c: ['a'], d: ['c'], e: [] }, { ends: { a: 'failed' } });
  expect(log).toEqual(['+a', '+b', '-a', 'skip c (a)', 'skip d (c)', '-b', 'skip e']);
});

test('with keepGoing only what depends on a failure is skipped', async () => {
  const { log } = await play(
    { a: [], c: ['a'], e: [], f: ['e'] },
    { ends: { a: 'failed' }, keepGoing: true, jobs: 1 },
  );
  expect(log).toEqual(['+a', '-a', 'skip c (a)', '+e', '-e', '+f', '-f']);
});

test('tasks outside of the order count as done', async () => {
  expect((await play({ b: ['a'] })).log).toEqual(['+b', '-b']);
});

test('an error waits for what runs, starts nothing new and is thrown', async () => {
  const log: string[] = [];
  const run = runSchedule({
    ...scheduleOf({ a: [], b: [], c: [] }),
    jobs: 2,
    keepGoing: true,
    signal: undefined,
    async run(name) {
      if (name === 'a') throw new Error('broken');
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(name);
      return 'done';
    },
    skip() {},
  });
  await expect(run).rejects.toThrow('broken');
  expect(log).toEqual(['b']);
});

test('an interruption starts nothing new', async () => {
  const interruption = new AbortController();
  const started: string[] = [];
  const run = play(
    { a: [], b: ['a'] },
    {
      signal: interruption.signal,
      async run(name) {
        started.push(name);
        interruption.abort();
        return 'done';
      },
    },
  );
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  expect(started).toEqual(['a']);
});

test('any graph: each task runs once after those it waits for, never more at once than allowed', async () => {
  const anyTasks = fc
    .array(fc.array(fc.nat(12), { maxLength: 3 }), { minLength: 1, maxLength: 12 })
    .map((reads) =>
      Object.fromEntries(
        reads.map((from, i) => [`t${i}`, [...new Set(from.filter((j) => j < i))].map((j) => `t${j}`)]),
      ),
    );
  await fc.assert(
    fc.asyncProperty(anyTasks, fc.integer({ min: 1, max: 4 }), async (tasks, jobs) => {
      const { log, most } = await play(tasks, { jobs });
      expect(most).toBeLessThanOrEqual(jobs);
      expect(log).toHaveLength(2 * Object.keys(tasks).length);
      for (const [name, from] of Object.entries(tasks))
        for (const source of from) expect(log.indexOf(`+${name}`)).toBeGreaterThan(log.indexOf(`-${source}`));
    }),
    { numRuns: 50 },
  );
});
