import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  describeEnd,
  type ProcessOptions,
  runProcess,
  withoutGitLocals,
} from '../../../core/pipeline/runner.ts';

const folder = mkdtempSync(join(tmpdir(), 'dv-runner-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command, with all it wrote. */
async function run(command: ProcessOptions['command'], options: Partial<ProcessOptions> = {}) {
  const pieces: string[] = [];
  const result = await runProcess({
    command,
    cwd: folder,
    env: { PATH: process.env.PATH },
    onOutput: (stream, text) => pieces.push(`${stream}: ${text}`),
    ...options,
  });
  return { ...result, pieces };
}

/** Whether a process is there. */
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Resolves once a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > giveUpAt) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('output comes in whole lines, characters are never cut, and the end is told', async () => {
  const { end, pieces, tail } = await run(
    `printf 'a\\nhalf '; sleep 0.1; printf 'line\\n\\303'; sleep 0.1; printf '\\244 end'; echo bad >&2; exit 3`,
  );
  expect(end).toEqual({ kind: 'exited', status: 3 });
  const of = (stream: string) => pieces.filter((piece) => piece.startsWith(stream));
  expect(of('stdout')).toEqual(['stdout: a\n', 'stdout: half line\n', 'stdout: ä end']);
  expect(of('stderr')).toEqual(['stderr: bad\n']);
  expect(tail).toContain('half line\n');
  expect(describeEnd(end)).toBe('ended with status 3');
});

test('a program with arguments is run without a shell', async () => {
  const { pieces, end } = await run([process.execPath, '-p', 'process.argv[1]', '$HOME; exit 1']);
  expect(pieces).toEqual(['stdout: $HOME; exit 1\n']);
  expect(describeEnd(end)).toBeUndefined();
});

test('the tail of long output is kept, no more', async () => {
  const { tail } = await run('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done');
  expect(tail.length).toBeLessThanOrEqual(4000);
  expect(tail.endsWith('line 2999\n')).toBe(true);
});

test('an interruption ends the whole group, at first politely', async () => {
  const interruption = new AbortController();
  const running = run(
    `(trap 'echo ended > polite; exit' TERM; echo $$ > pid; while :; do sleep 0.05; done)`,
    {
      signal: interruption.signal,
    },
  );
  await until(() => existsSync(join(folder, 'pid')));
  interruption.abort();
  expect((await running).end).toEqual({ kind: 'aborted' });
  expect(readFileSync(join(folder, 'polite'), 'utf8')).toBe('ended\n');
});

test('what does not listen is killed after a while', async () => {
  const { end, seconds } = await run(`trap '' TERM; while :; do sleep 0.05; done`, {
    timeoutMs: 100,
    graceMs: 200,
  });
  expect(end).toEqual({ kind: 'timed-out' });
  expect(seconds).toBeGreaterThanOrEqual(0.3);
  expect(describeEnd(end, 100)).toBe('took longer than 0.1 s and was stopped');
});

test('what a command leaves running in its group is ended with it', async () => {
  const { end } = await run('sleep 600 & echo $! > left; exit 0');
  expect(end).toEqual({ kind: 'exited', status: 0 });
  const pid = Number(readFileSync(join(folder, 'left'), 'utf8'));
  await until(() => !isAlive(pid));
});

test('a process that left the group and keeps the output open does not hold the end up', async () => {
  const { end, seconds } = await run(
    `${process.execPath} -e "require('node:child_process').spawn('sleep',['8'],{detached:true,stdio:'inherit'}).unref()"`,
  );
  expect(end).toEqual({ kind: 'exited', status: 0 });
  expect(seconds).toBeLessThan(7);
});

test('what cannot be started says why', async () => {
  const { end } = await run(['/nowhere/program']);
  expect(describeEnd(end)).toMatch(/^could not be started: .*ENOENT/);
  expect(describeEnd((await run('kill -9 $$')).end)).toBe('was ended by SIGKILL');
});

test('an interruption that is there already starts nothing', async () => {
  const { end } = await run('echo x > started', { signal: AbortSignal.abort() });
  expect(end).toEqual({ kind: 'aborted' });
  expect(existsSync(join(folder, 'started'))).toBe(false);
});

test('what git sets for its hooks is taken out of the environment, and nothing else', () => {
  expect(
    withoutGitLocals({
      GIT_DIR: '.git',
      GIT_INDEX_FILE: 'x',
      GIT_PREFIX: '',
      GIT_AUTHOR_NAME: 'a',
      PATH: 'p',
    }),
  ).toEqual({ GIT_AUTHOR_NAME: 'a', PATH: 'p' });
});
