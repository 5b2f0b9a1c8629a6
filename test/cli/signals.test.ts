/** Ctrl-C and its kin: work stops at the next safe point, the exit status says so, nothing is left running. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mainScript, type TestRepo, testRepo } from '../support/repo.ts';

/** A repository whose one stage writes its process id, says so, and waits for minutes. */
const slowRepo = (trap = '') =>
  testRepo({
    'stages.yaml': `version: 1\nstages:\n  slow:\n    cmd: ${trap}echo $$ > pid; echo begun; sleep 300 & wait\n    outs: [out.txt]\n`,
  });

/** Starts `dv repro` and waits until its stage runs. */
async function startRepro(repo: TestRepo): Promise<{ child: ChildProcess; stderr: () => string }> {
  const child = spawn(process.execPath, [mainScript, 'repro'], { cwd: repo.root, env: repo.env });
  let stderr = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (piece: Buffer) => {
      stderr += piece.toString();
      if (stderr.includes('slow | begun')) resolve();
    });
    child.on('close', () => reject(new Error(stderr)));
  });
  return { child, stderr: () => stderr };
}

const isRunning = (repo: TestRepo) => existsSync(`/proc/${repo.read('pid').trim()}`);

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends dv with %d, and its stage with it', async (signal, status) => {
  await using repo = await slowRepo();
  await repo.commit('one');
  const { child, stderr } = await startRepro(repo);
  child.kill(signal);
  const [code] = await once(child, 'close');
  expect({ code, stderr: stderr().split('\n').at(-2) }).toEqual({ code: status, stderr: 'dv: interrupted' });
  if (process.platform === 'linux') expect(isRunning(repo)).toBe(false);
  expect(repo.exists('stages.lock')).toBe(false);
});

test('the second SIGINT does not wait for a stage that ignores the first', async () => {
  await using repo = await slowRepo("trap '' INT TERM; ");
  await repo.commit('one');
  const { child } = await startRepro(repo);
  child.kill('SIGINT');
  // Time for the first to be handled; were they taken as one, dv would go on and the test run into its limit.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const ended = once(child, 'close');
  child.kill('SIGINT');
  expect((await ended)[0]).toBe(130);
  // The stage's shell leads a process group of its own.
  process.kill(-Number(repo.read('pid')), 'SIGKILL');
});
