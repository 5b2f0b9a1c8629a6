// Child processes: every command must exit with 0, and none sees this user's or this machine's git settings.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

let environment = process.env;

/** Gives commands a home of their own below `folder`. Maintenance that git starts in the background is off. */
export function isolate(folder) {
  const home = join(folder, 'home');
  mkdirSync(home);
  const config = join(home, '.gitconfig');
  writeFileSync(
    config,
    '[user]\n\tname = Bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n',
  );
  environment = {
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(GIT_|DV_|DVC_|XDG_|AWS_|RCLONE_)/.test(name)),
    ),
    HOME: home,
    GIT_CONFIG_GLOBAL: config,
    GIT_CONFIG_NOSYSTEM: '1',
    DVC_NO_ANALYTICS: '1',
    DVC_SITE_CACHE_DIR: join(home, 'dvc-site'),
    DVC_GLOBAL_CONFIG_DIR: join(home, 'dvc-global'),
    DVC_SYSTEM_CONFIG_DIR: join(home, 'dvc-system'),
  };
}

/** Sets variables for all commands that follow. */
export function addEnvironment(variables) {
  environment = { ...environment, ...variables };
}

/** Runs a command and gives back what it printed, both streams as one text. */
export function run(cwd, [program, ...args]) {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: environment,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) {
    const command = [program, ...args].join(' ');
    throw new Error(`${command} ended with ${signal ?? status}\n${stdout}${stderr}`.slice(0, 4000));
  }
  return stdout + stderr;
}

/** Standard output of a command, as bytes. */
export function capture(cwd, [program, ...args]) {
  return execFileSync(program, args, { cwd, env: environment, maxBuffer: 2 ** 30, stdio: 'pipe' });
}

/** GNU time, where there is one: tells the largest process of a command. */
const gnuTime = existsSync('/usr/bin/time');

let asides = 0;

/**
 * Takes a folder of many files out of the way, without deleting it: without a journal, ext4 passes over inodes freed in the
 * last minutes one by one, and whoever makes files next pays for what was deleted before (`recently_deleted` in Linux,
 * fs/ext4/ialloc.c).
 */
export function putAside(folder) {
  if (existsSync(folder)) renameSync(folder, `${folder}-aside-${asides++}`);
}

/**
 * Times commands as one, after everything written before them is on disk: no tool pays for what another left.
 * @returns seconds, what the commands printed, and how much memory the largest process had, where that can be told.
 */
export function time(cwd, commands) {
  run(cwd, ['sync']);
  const file = join(environment.HOME, 'peak');
  const started = performance.now();
  const peaks = [];
  let output = '';
  for (const command of commands) {
    if (!gnuTime) output += run(cwd, command);
    else {
      output += run(cwd, ['/usr/bin/time', '-o', file, '-f', '%M', ...command]);
      peaks.push(Number(readFileSync(file, 'utf8')) / 1024);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  return { seconds, output, ...(peaks.length > 0 ? { peakMiB: Math.max(...peaks) } : {}) };
}

/** Like `time`, without blocking this process, which may have a server to look after. */
export async function timeAsync(cwd, commands) {
  run(cwd, ['sync']);
  const file = join(environment.HOME, 'peak');
  const started = performance.now();
  const peaks = [];
  for (const command of commands) {
    const [program, ...args] = gnuTime ? ['/usr/bin/time', '-o', file, '-f', '%M', ...command] : command;
    const child = spawn(program, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece) => {
        output += piece;
      });
    }
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? signal));
    });
    if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}\n${output}`.slice(0, 4000));
    if (gnuTime) peaks.push(Number(readFileSync(file, 'utf8')) / 1024);
  }
  const seconds = (performance.now() - started) / 1000;
  return { seconds, ...(peaks.length > 0 ? { peakMiB: Math.max(...peaks) } : {}) };
}
