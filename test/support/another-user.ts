/** Running dv as a user without special rights, where the tests run as root and permissions would not bind. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { mainScript, type Outcome, type TestRepo } from './repo.ts';

/** An identity no file of the machine belongs to; `nobody` on most systems. */
export const nobody = 65_534;

/** Whether `dvAs` can work here. */
export const canBeAnother = process.platform === 'linux' && process.getuid?.() === 0;

/** Gives a repository, its home and what lies beside them to a user. */
export function giveTo(repo: TestRepo, uid: number): void {
  const done = spawnSync('chown', ['-R', '-h', `${uid}:${uid}`, `${repo.root}/..`]);
  if (done.status !== 0) throw new Error(done.stderr.toString());
}

let copied: string | undefined;
afterAll(() => {
  if (copied !== undefined) rmSync(join(dirname(copied), '..', '..'), { recursive: true, force: true });
  copied = undefined;
});

/** The built program where every user can read it: the folder this clone lies in may be closed to others. */
function readableMain(): string {
  if (copied === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'dv-program-'));
    cpSync(dirname(mainScript), join(folder, 'dist', 'bin'), { recursive: true });
    chmodSync(folder, 0o755);
    copied = join(folder, 'dist', 'bin', 'main.js');
  }
  return copied;
}

/** Runs the built `dv` as another user. */
export function dvAs(
  uid: number,
  repo: TestRepo,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; gid?: number; umask?: string } = {},
): Promise<Outcome> {
  const script = `umask ${options.umask ?? '022'}; exec "$@"`;
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', script, 'sh', process.execPath, readableMain(), ...args], {
      cwd: repo.root,
      env: { ...repo.env, ...options.env },
      uid,
      gid: options.gid ?? uid,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({
        status: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
  });
}
