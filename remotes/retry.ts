/** Which failures of the network and of servers are worth another attempt, and how long to wait before it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../core/errors.ts';

/** How often and how patiently to try. */
export interface RetryPolicy {
  /** Attempts in all. */
  readonly attempts: number;
  /** The wait before the second attempt is random up to this many milliseconds; the bound doubles each time. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** Gives up after about five seconds of waiting on average. */
export const patient: RetryPolicy = { attempts: 7, firstDelayMs: 150, maxDelayMs: 5000 };

/** What a failed attempt left to say. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
}

/**
 * Runs something until it succeeds, fails for good, or has been tried often enough; then throws the last
 * failure. Waits are random ("full jitter"), so that many clients do not come back in step.
 * Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015.
 * @param isRetryable whether another attempt could succeed.
 */
export async function withRetry<Result>(
  work: (attempt: Attempt) => Promise<Result>,
  isRetryable: (error: unknown) => boolean,
  options: {
    signal?: AbortSignal | undefined;
    policy?: RetryPolicy;
    /** Whether a failure only asks for patience: then it is tried half as often again. */
    isBusy?: (error: unknown) => boolean;
  } = {},
): Promise<Result> {
  const { signal, policy = patient, isBusy } = options;
  for (let number = 1; ; number++) {
    signal?.throwIfAborted();
    try {
      return await work({ number });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const attempts = isBusy?.(error) ? Math.ceil(policy.attempts * 1.5) : policy.attempts;
      if (number >= attempts || !isRetryable(error)) throw error;
      const bound = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (number - 1));
      await sleep(Math.random() * bound, undefined, { ...(signal === undefined ? {} : { signal }) }).catch(
        (interrupted: unknown) => {
          throw signal?.aborted ? signal.reason : interrupted;
        },
      );
    }
  }
}

const retryableCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
]);

/** The error's own code, or that of what caused it. */
export function networkCode(error: unknown): string | undefined {
  for (let each: unknown = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    const code = systemCode(each);
    // An installation that lacks a library is no network.
    if (code !== undefined && /^[A-Z]/.test(code) && code !== 'ERR_MODULE_NOT_FOUND') return code;
  }
  return undefined;
}

/** Whether a failure below HTTP may pass: a connection that was cut, refused or timed out. */
export function isNetworkHiccup(error: unknown): boolean {
  const code = networkCode(error);
  return (
    (code !== undefined && retryableCodes.has(code)) ||
    error instanceof StalledError ||
    error instanceof CutError
  );
}

/** Whether an HTTP status says "later". */
export function isBusyStatus(status: number | undefined): boolean {
  return (
    status === 408 ||
    status === 429 ||
    (status !== undefined && status >= 500 && status !== 501 && status !== 507)
  );
}

/** A transfer over which nothing came for too long. */
export class StalledError extends Error {
  constructor(idleMs: number) {
    super(`nothing arrived for ${Math.round(idleMs / 1000)} s`);
  }
}

/** A body that ended before its length. */
export class CutError extends Error {
  constructor(got: number, expected: number) {
    super(`the connection was cut after ${got} of ${expected} bytes`);
  }
}
