/** The remote another repository names: a stranger's word, believed only as far as that does no harm. */
import { DvError } from '../errors.ts';
import { buildConfig, type Config, type RemoteConfig } from '../model/config.ts';
import { parseGitConfig } from '../model/git-config.ts';
import type { Git } from '../store/git.ts';
import type { History } from '../store/history.ts';

/** The settings a commit's `.dvconfig` makes. @throws {DvError} invalid-file */
export async function configAt(history: History, commit: string, name: string): Promise<Config> {
  const [bytes] = await history.readFiles([{ commit, path: '.dvconfig' }]);
  const file = `.dvconfig of ${name}`;
  const entries = bytes === undefined ? [] : parseGitConfig(bytes.toString(), file);
  return buildConfig([{ file, tracked: true, entries }]);
}

/** Endpoints the user has agreed to: in git's configuration of this machine, this user or this repository. */
export function trustedEndpoints(git: Git): ReadonlySet<string> {
  if (!git.available) return new Set();
  const pattern = '^dv\\.(trustedendpoint|remote\\..*\\.endpoint)$';
  const { stdout } = git.run(['config', '--null', '--get-regexp', pattern]);
  return new Set(
    stdout.split('\0').flatMap((item) => (item === '' ? [] : [item.slice(item.indexOf('\n') + 1)])),
  );
}

/**
 * A remote's settings with the question answered whether credentials may go to its endpoint.
 * @throws {DvError} remote-endpoint
 */
export function trustRemote(remote: RemoteConfig, trusted: ReadonlySet<string>): RemoteConfig {
  const { endpoint, name } = remote;
  if (endpoint === undefined) return remote;
  if (trusted.has(endpoint)) return { ...remote, endpointFromRepository: false };
  const hint = `git config --global --add dv.trustedEndpoint ${endpoint}`;
  throw new DvError('remote-endpoint', { name, endpoint, hint });
}
