/** URL → driver. Drivers are loaded when they are needed: a cloud's client costs 0.1 s or more. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DvError } from '../core/errors.ts';
import type { Config, RemoteConfig } from '../core/model/config.ts';
import type { Remote } from '../core/store/remote.ts';
import { parseBucketUrl, refuseSecrets } from './address.ts';

/** What kind of place a URL names. @throws {DvError} remote-url */
export function remoteKind(url: string): 's3' | 'gs' | 'directory' {
  refuseSecrets(url);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'file') return 'directory';
  if (scheme === 's3') return 's3';
  if (scheme === 'gs') return 'gs';
  throw new DvError('remote-url', { url, reason: `dv does not know ${scheme}://` });
}

/** The folder a directory remote's URL names. @param root absolute; what relative paths are relative to. */
function folderOf(url: string, root: string): string {
  if (/^file:/i.test(url)) {
    try {
      return fileURLToPath(url);
    } catch (error) {
      throw new DvError('remote-url', { url, reason: (error as Error).message }, { cause: error });
    }
  }
  if (url.startsWith('~/')) return join(homedir(), url.slice(2));
  return isAbsolute(url) ? url : resolve(root, url);
}

/** The settings of a remote by name, or of the default one. @throws {DvError} no-remote, unknown-remote */
export function selectRemote(config: Config, name = config.defaultRemote): RemoteConfig {
  const known = [...config.remotes.keys()];
  if (name === undefined) {
    if (known.length === 0) throw new DvError('no-remote', {});
    throw new DvError('usage', {
      message: `there are several remotes (${known.join(', ')}) and none is the default`,
      hint: 'dv remote set-default <name>, or --remote <name>',
    });
  }
  const remote = config.remotes.get(name);
  if (remote === undefined) throw new DvError('unknown-remote', { name, known });
  return remote;
}

/**
 * Opens a remote. Nothing is sent yet.
 * @param root absolute top of the repository.
 * @throws {DvError} remote-url; remote-endpoint when only a tracked file says where credentials would go.
 */
export async function openRemote(config: RemoteConfig, root: string): Promise<Remote> {
  const kind = remoteKind(config.url);
  if (config.endpoint !== undefined) refuseSecrets(config.endpoint);
  if (kind === 'directory') {
    const { openDirectoryRemote } = await import('./directory.ts');
    return openDirectoryRemote(folderOf(config.url, root), config.url);
  }
  if (config.endpoint !== undefined && config.endpointFromRepository) {
    throw new DvError('remote-endpoint', { name: config.name, endpoint: config.endpoint });
  }
  const address = parseBucketUrl(config.url);
  if (kind === 's3') {
    const { openS3Remote } = await import('./s3.ts');
    return openS3Remote(address, config);
  }
  const { openGcsRemote } = await import('./gcs.ts');
  return openGcsRemote(address, config);
}
