/** Where settings come from: `.dvconfig`, git's configuration, the environment. What they mean: model/config.ts. */
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import type { ConfigSource } from '../model/config.ts';
import { type ConfigEntry, parseGitConfig } from '../model/git-config.ts';
import { type Place, readIfThere } from './discover.ts';
import type { Git } from './git.ts';
import { readWorkspaceText } from './workspace-text.ts';

/**
 * All sources, each overriding those before it.
 * @throws {DvError} invalid-file, git-failed
 */
export function readSettings(place: Place, git: Git, env: NodeJS.ProcessEnv): ConfigSource[] {
  const tracked = readWorkspaceText(place.root, '.dvconfig');
  return [
    ...(tracked === undefined
      ? []
      : [{ file: '.dvconfig', tracked: true, entries: parseGitConfig(tracked, '.dvconfig') }]),
    ...readGitSettings(place, git, env),
    environmentSource(env),
  ];
}

/** git's own configuration, read without starting git unless something only git can resolve is in it. */
function readGitSettings(place: Place, git: Git, env: NodeJS.ProcessEnv): ConfigSource[] {
  const sources: ConfigSource[] = [];
  let needsGit = env.GIT_CONFIG_COUNT !== undefined || env.GIT_CONFIG_PARAMETERS !== undefined;
  const add = (file: string, text: string | undefined) => {
    if (text === undefined) return;
    const entries = parseGitConfig(text, file);
    needsGit ||= entries.some(
      ({ key }) => /^include(if)?\./.test(key) || key === 'extensions.worktreeconfig',
    );
    sources.push({ file, tracked: false, entries });
  };
  for (const file of userConfigFiles(env)) add(file, readIfAllowed(file));
  const own = join(place.commonDir, 'config');
  add(own, readIfThere(own));
  return needsGit && git.available ? [askGit(git)] : sources;
}

/** The machine's and the user's files, in git's order; git-config(1), "FILES". */
function userConfigFiles(env: NodeJS.ProcessEnv): string[] {
  const files: string[] = [];
  const noSystem = env.GIT_CONFIG_NOSYSTEM ?? '';
  if (/^(|0|false|no|off)$/i.test(noSystem)) files.push(env.GIT_CONFIG_SYSTEM ?? '/etc/gitconfig');
  const home = env.HOME ?? env.USERPROFILE;
  if (env.GIT_CONFIG_GLOBAL !== undefined) files.push(env.GIT_CONFIG_GLOBAL);
  else {
    const xdg = env.XDG_CONFIG_HOME || (home && join(home, '.config'));
    if (xdg) files.push(join(xdg, 'git', 'config'));
    if (home) files.push(join(home, '.gitconfig'));
  }
  return files.filter((file) => file !== '');
}

/** Like `readIfThere`; a file of another user's home (a container's `HOME=/root`) is none, as for git. */
function readIfAllowed(file: string): string | undefined {
  try {
    return readIfThere(file);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}

/** What git says of `dv.*` and of its own setting that matters here, with includes, worktree settings and `-c` resolved. */
function askGit(git: Git): ConfigSource {
  const args = ['config', '--null', '--get-regexp', '^(dv\\.|core\\.sharedrepository$)'];
  const { status, stdout, stderr } = git.run(args);
  // 1: no such key.
  if (status > 1) throw new DvError('git-failed', { command: 'git config', status, output: stderr });
  const entries = stdout
    .split('\0')
    .filter((item) => item !== '')
    .map((item): ConfigEntry => {
      const newline = item.indexOf('\n');
      return newline === -1
        ? { key: item, value: 'true', valueless: true, line: 0 }
        : { key: item.slice(0, newline), value: item.slice(newline + 1), line: 0 };
    });
  return { file: 'git config', tracked: false, entries };
}

const variables = {
  DV_REMOTE: 'dv.defaultremote',
  DV_JOBS: 'dv.jobs',
  DV_CACHE_DIR: 'dv.cache.dir',
  DV_CACHE_LINK: 'dv.cache.link',
  DV_AUTOSTAGE: 'dv.autostage',
};

/** `DV_*` variables as settings. */
function environmentSource(env: NodeJS.ProcessEnv): ConfigSource {
  const entries = Object.entries(variables).flatMap(([name, key]) => {
    const value = env[name];
    return value === undefined ? [] : [{ key, value, line: 0 }];
  });
  return { file: 'environment', tracked: false, entries };
}
