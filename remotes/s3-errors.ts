/** What the S3 client throws, in a remote's words. */
import { DvError } from '../core/errors.ts';
import { isBusyStatus, isNetworkHiccup, networkCode } from './retry.ts';

/** What was asked of the bucket. */
export type S3Operation = 'read' | 'write' | 'list' | 'delete';

const permissions: Record<S3Operation, string> = {
  // Without the second, a key that is not there is refused, too.
  read: 's3:GetObject and s3:ListBucket',
  write: 's3:PutObject',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
};

/** The HTTP status behind a failure. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode;
}

/** How servers say that a key is not there; HEAD has no body to say more than the status. Some say 404 of other things. */
const missingNames = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion', '404', 'Unknown', 'UnknownError']);

/** Whether a key is not there, as opposed to its bucket or the user. */
export function isMissingKey(error: unknown): boolean {
  return statusOf(error) === 404 && error instanceof Error && missingNames.has(error.name);
}

const busyNames = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'RequestTimeout',
  'TimeoutError',
  'InternalError',
  'ServiceUnavailable',
  'ConditionalRequestConflict',
  // What arrived is not what was sent.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  // The client corrects its clock from the refusal.
  'RequestTimeTooSkewed',
]);

/** Whether another attempt could succeed. */
export function isRetryableS3(error: unknown): boolean {
  if (error instanceof DvError) return false;
  if (isNetworkHiccup(error) || isBusyStatus(statusOf(error))) return true;
  return error instanceof Error && busyNames.has(error.name);
}

/** Whether a server says that it cannot keep up. */
export function isBusyS3(error: unknown): boolean {
  const status = statusOf(error);
  return (
    status === 503 || status === 429 || (error instanceof Error && /^(SlowDown|Throttling)/.test(error.name))
  );
}

const refusals: Record<string, string> = {
  InvalidAccessKeyId: 'it does not know this access key',
  XAdminUserNotFound: 'it does not know this access key',
  SignatureDoesNotMatch: 'the secret access key is wrong',
  ExpiredToken: 'the credentials have expired',
  ExpiredTokenException: 'the credentials have expired',
  TokenRefreshRequired: 'the credentials have expired',
  InvalidToken: 'the session token is wrong',
  RequestTimeTooSkewed: 'this machine’s clock is wrong',
  AccessDenied: 'access denied',
  AllAccessDisabled: 'access denied',
  Forbidden: 'access denied',
  CredentialsProviderError: 'no usable credentials were found',
  TokenProviderError: 'the login has expired',
};

/** Turns a failure into ours; what is no failure of S3 stays what it is. */
export function explainS3(
  error: unknown,
  context: { url: string; bucket: string; operation: S3Operation; anonymous: boolean },
): unknown {
  if (!(error instanceof Error) || error instanceof DvError) return error;
  const { url, bucket, operation, anonymous } = context;
  const status = statusOf(error);
  if (error.name === 'NoSuchBucket') {
    return new DvError('remote-missing-bucket', { remote: url, bucket }, { cause: error });
  }
  if (status === 507 || error.name === 'XMinioStorageFull') {
    return new DvError('remote-full', { remote: url }, { cause: error });
  }
  const known = error.name === 'NoSuchProfile' ? error.message : refusals[error.name];
  if (status === 401 || status === 403 || known !== undefined) {
    const denied = known === undefined || known === 'access denied';
    return new DvError(
      'remote-refused',
      {
        remote: url,
        operation,
        reason:
          anonymous && denied
            ? 'no credentials were found, and it is not open to everybody'
            : (known ?? 'access denied'),
        ...(denied && !anonymous ? { permission: permissions[operation] } : {}),
      },
      { cause: error },
    );
  }
  if (
    isNetworkHiccup(error) ||
    isRetryableS3(error) ||
    (status === undefined && networkCode(error) !== undefined)
  ) {
    return new DvError(
      'remote-unreachable',
      { remote: url, reason: error.message || error.name },
      { cause: error },
    );
  }
  if (status !== undefined) {
    const reason = `${error.name}${error.message && error.message !== error.name ? `: ${error.message}` : ''} (status ${status})`;
    return new DvError('remote-refused', { remote: url, operation, reason }, { cause: error });
  }
  return error;
}
