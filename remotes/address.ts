/** The parts of a remote's URL, and what may not be in one. */
import { DvError } from '../core/errors.ts';
import { withoutSecrets } from '../core/model/redact.ts';

/** A bucket and the folder in it that a URL names. */
export interface BucketAddress {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
}

/** Takes an `s3://` or `gs://` URL apart. @throws {DvError} remote-url */
export function parseBucketUrl(url: string): BucketAddress {
  const match = /^[a-z0-9]+:\/\/([a-z0-9][a-z0-9._-]{1,221})(?:\/(.*))?$/.exec(url);
  if (match === null)
    throw new DvError('remote-url', { url: withoutSecrets(url), reason: 'it names no valid bucket' });
  const prefix = (match[2] ?? '').replace(/^\/+|\/+$/g, '');
  if (/[?#]/.test(prefix) || prefix.split('/').some((part) => part === '.' || part === '..')) {
    throw new DvError('remote-url', {
      url: withoutSecrets(url),
      reason: 'its folder has a part `.` or `..`, or a `?` or `#`',
    });
  }
  return { bucket: match[1]!, prefix };
}

/** Refuses a URL that carries a secret. @throws {DvError} remote-url, with the secret left out */
export function refuseSecrets(url: string): void {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/@]*@/.test(url)) return;
  throw new DvError('remote-url', {
    url: withoutSecrets(url),
    reason: 'a URL is no place for a user name or password',
    hint: 'use a profile (dv.remote.<name>.profile), the environment or the cloud client’s own login',
  });
}
