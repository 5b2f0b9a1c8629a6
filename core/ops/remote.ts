/** `dv remote`: which remotes there are, and editing that, in git's own config files. */
import { DvError } from '../errors.ts';
import type { RemoteConfig } from '../model/config.ts';
import type { Repo } from '../store/repo.ts';

/** A remote to add. */
export interface NewRemote {
  readonly name: string;
  /** Checked by the caller: names a place dv knows, and holds no secret. */
  readonly url: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  /** Keep it to this clone (git config) instead of writing it for everybody (.dvconfig). */
  readonly local: boolean;
}

const section = (name: string) => `dv.remote.${name}`;
/** Arguments that make git edit `.dvconfig`, or this clone's own config. */
const fileOf = (local: boolean) => (local ? ['--local'] : ['--file', '.dvconfig']);

function setting(repo: Repo, local: boolean, key: string, value: string): void {
  repo.git.output(['config', ...fileOf(local), key, value], { cwd: repo.root });
}

function stage(repo: Repo): void {
  if (repo.config.autostage) repo.git.run(['add', '--', '.dvconfig'], { cwd: repo.root });
}

/**
 * Adds a remote. Its endpoint is also written to this clone's own config: whoever adds it agrees that their
 * credentials go there, and nobody else does. A profile is a name on this machine, so it stays here too.
 * @throws {DvError} usage when the name is taken or no name; git-missing, git-failed
 */
export function addRemote(repo: Repo, remote: NewRemote): void {
  const { name, local } = remote;
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new DvError('usage', { message: `${name} is no name for a remote: letters, digits, - and _ are` });
  }
  if (repo.config.remotes.has(name)) {
    throw new DvError('usage', {
      message: `there is a remote ${name} already`,
      hint: `dv remote remove ${name}`,
    });
  }
  setting(repo, local, `${section(name)}.url`, remote.url);
  if (remote.region !== undefined) setting(repo, local, `${section(name)}.region`, remote.region);
  if (remote.endpoint !== undefined) {
    if (!local) setting(repo, false, `${section(name)}.endpoint`, remote.endpoint);
    setting(repo, true, `${section(name)}.endpoint`, remote.endpoint);
  }
  if (remote.profile !== undefined) setting(repo, true, `${section(name)}.profile`, remote.profile);
  if (!local) stage(repo);
}

/** The settings of one remote. @throws {DvError} unknown-remote */
function requireRemote(repo: Repo, name: string): RemoteConfig {
  const remote = repo.config.remotes.get(name);
  if (remote === undefined)
    throw new DvError('unknown-remote', { name, known: [...repo.config.remotes.keys()] });
  return remote;
}

/** Forgets a remote, here and in `.dvconfig`; what it holds stays. @throws {DvError} unknown-remote, git-missing */
export function removeRemote(repo: Repo, name: string): void {
  requireRemote(repo, name);
  for (const local of [false, true]) {
    // A file that does not say anything of the remote is none to change.
    repo.git.run(['config', ...fileOf(local), '--remove-section', section(name)], { cwd: repo.root });
    const asDefault = repo.git.run(['config', ...fileOf(local), '--get', 'dv.defaultRemote'], {
      cwd: repo.root,
    });
    if (asDefault.stdout.trim() === name) {
      repo.git.run(['config', ...fileOf(local), '--unset', 'dv.defaultRemote'], { cwd: repo.root });
    }
  }
  stage(repo);
}

/** Makes a remote the one commands use when none is named. @throws {DvError} unknown-remote, git-missing, git-failed */
export function setDefaultRemote(repo: Repo, name: string, local: boolean): void {
  requireRemote(repo, name);
  setting(repo, local, 'dv.defaultRemote', name);
  if (!local) stage(repo);
}
