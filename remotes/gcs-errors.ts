/** What the Google Cloud Storage client throws, in a remote's words. */
import { DvError } from '../core/errors.ts';
import { isBusyStatus, isNetworkHiccup, networkCode } from './retry.ts';

/** What was asked of the bucket. */
export type GcsOperation = 'read' | 'write' | 'list' | 'delete';

const permissions: Record<GcsOperation, string> = {
  read: 'storage.objects.get',
  write: 'storage.objects.create',
  list: 'storage.objects.list',
  delete: 'storage.objects.delete',
};

/** The HTTP status behind a failure. */
export function gcsStatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const code = Number(error.code);
  return Number.isInteger(code) && code >= 100 ? code : undefined;
}

/** Whether a key is not there, as opposed to its bucket. */
export function isMissingObject(error: unknown): boolean {
  return gcsStatusOf(error) === 404 && !/bucket does not exist/i.test((error as Error).message);
}

/** Whether another attempt could succeed. */
export function isRetryableGcs(error: unknown): boolean {
  if (error instanceof DvError) return false;
  return isNetworkHiccup(error) || isBusyStatus(gcsStatusOf(error));
}

/** Whether Google says that it cannot keep up. */
export function isBusyGcs(error: unknown): boolean {
  const status = gcsStatusOf(error);
  return status === 503 || status === 429;
}

/** Turns a failure into ours; what is no failure of the service stays what it is. */
export function explainGcs(
  error: unknown,
  context: { url: string; bucket: string; operation: GcsOperation },
): unknown {
  if (!(error instanceof Error) || error instanceof DvError) return error;
  const { url, bucket, operation } = context;
  const status = gcsStatusOf(error);
  if (status === 404) return new DvError('remote-missing-bucket', { remote: url, bucket }, { cause: error });
  if (status === 401 || status === 403) {
    const named = /\bstorage\.[a-zA-Z]+\.[a-zA-Z]+/.exec(error.message)?.[0];
    return new DvError(
      'remote-refused',
      {
        remote: url,
        operation,
        reason: status === 401 ? 'the credentials are not valid' : 'access denied',
        ...(status === 403 ? { permission: named ?? permissions[operation] } : {}),
      },
      { cause: error },
    );
  }
  if (/could not load the default credentials|invalid_grant|invalid_rapt/i.test(error.message)) {
    const reason = 'no usable credentials were found (gcloud auth application-default login)';
    return new DvError('remote-refused', { remote: url, operation, reason }, { cause: error });
  }
  if (isRetryableGcs(error) || (status === undefined && networkCode(error) !== undefined)) {
    return new DvError('remote-unreachable', { remote: url, reason: error.message }, { cause: error });
  }
  if (status !== undefined) {
    const reason = `${error.message} (status ${status})`;
    return new DvError('remote-refused', { remote: url, operation, reason }, { cause: error });
  }
  return error;
}
