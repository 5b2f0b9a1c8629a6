/** Makes system calls of the built `dv` fail; see faults.cjs. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mainScript, type Outcome, type TestRepo } from './repo.ts';

/** Which calls fail. */
export interface Fault {
  /** A system's error, as `ENOSPC`. */
  readonly code: string;
  /** Names of functions of node:fs. */
  readonly calls: readonly string[];
  /** Part of the path concerned. */
  readonly path?: string;
  /** Which of the calls that match, from 1; all by default. Threads count on their own. */
  readonly nth?: number;
}

const preload = fileURLToPath(new URL('./faults.cjs', import.meta.url));
const withPreload = { NODE_OPTIONS: `--require ${preload}` };

/** Runs dv with a fault, and says whether it struck. */
export async function dvWithFault(
  repo: TestRepo,
  fault: Fault,
  ...args: string[]
): Promise<Outcome & { readonly struck: boolean }> {
  const log = join(repo.outside, 'struck');
  rmSync(log, { force: true });
  const env = { ...withPreload, DV_TEST_FAULT: JSON.stringify(fault), DV_TEST_FAULT_LOG: log };
  const outcome = await repo.run(process.execPath, [mainScript, ...args], { env });
  return { ...outcome, struck: existsSync(log) };
}

/** Runs dv, and gives back the files it opened whose path has `below` in it. */
export async function dvCountingReads(
  repo: TestRepo,
  below: string,
  ...args: string[]
): Promise<{ outcome: Outcome; opened: string[] }> {
  const log = join(repo.outside, 'opened');
  rmSync(log, { force: true });
  const env = { ...withPreload, DV_TEST_READS: log, DV_TEST_READS_BELOW: below };
  const outcome = await repo.run(process.execPath, [mainScript, ...args], { env });
  const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
  return { outcome, opened: text.split('\n').filter((line) => line !== '') };
}
