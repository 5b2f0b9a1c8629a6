/** What a failure means for the exit status, and how it is told. */
import { type DvError, type DvErrorCode, isDvError } from '../core/errors.ts';
import { clean } from './report/clean.ts';

/** What the exit statuses mean; part of the interface, listed in each command's help. */
export const exitMeanings: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failed, none of the below',
  2: 'wrong usage, or a file you wrote is invalid',
  3: 'partly done; the failures are listed',
  4: 'local changes would be lost, or something differs (--check)',
  10: 'not a repository',
  11: 'locked by another dv',
  12: 'data is in neither the cache nor the remote',
  13: 'the remote refused (credentials, permission)',
  14: 'the remote could not be reached',
  20: "a stage's command failed",
  70: 'a bug in dv',
  130: 'interrupted',
};

/** The statuses any command can give. */
export const commonExits: readonly number[] = [0, 1, 2, 70, 130];

/** The exit status of each failure. */
export const exitStatuses: Readonly<Record<DvErrorCode, number>> = {
  'not-a-repository': 10,
  'bare-repository': 10,
  'git-missing': 1,
  'git-failed': 1,
  'clone-failed': 1,
  'source-unreachable': 14,
  'git-feature': 1,
  'unknown-revision': 2,
  usage: 2,
  'invalid-file': 2,
  'newer-format': 2,
  'path-missing': 2,
  'path-exists': 2,
  'path-outside': 2,
  'path-invalid': 2,
  'path-tracked-by-git': 2,
  'path-inside-tracked': 2,
  'path-contains-tracked': 2,
  'path-of-stage': 2,
  'path-not-tracked': 2,
  'path-part': 2,
  'path-not-recorded': 2,
  'target-exists': 4,
  'nothing-to-add': 2,
  'unsafe-link': 2,
  'unknown-object': 12,
  'object-missing': 12,
  'object-damaged': 1,
  'data-missing': 12,
  'local-changes': 4,
  'some-failed': 3,
  differs: 4,
  locked: 11,
  'disk-full': 1,
  'not-writable': 1,
  'hooks-not-writable': 1,
  'objects-damaged': 1,
  'no-remote': 2,
  'unknown-remote': 2,
  'remote-url': 2,
  'remote-endpoint': 13,
  'remote-refused': 13,
  'remote-unreachable': 14,
  'remote-missing-bucket': 14,
  'remote-empty': 12,
  'remote-busy': 11,
  'remote-full': 1,
  'no-stages': 2,
  'unknown-stage': 2,
  'dep-missing': 2,
  'stage-failed': 20,
  'stage-output': 20,
  'stage-still-running': 11,
  'step-failed': 1,
};

/** The exit status of a bug: a failure that is not in the catalogue. */
export const bugStatus = 70;

/** The exit status after a signal ended the work. */
export function signalStatus(signal: NodeJS.Signals): number {
  return signal === 'SIGTERM' ? 143 : 130;
}

/** A failure, ready to be told. */
export interface Failure {
  readonly status: number;
  /** Lines for a person, without a final newline. */
  readonly text: string;
  /** What `--json` prints on standard error. */
  readonly document: {
    readonly error: {
      readonly code: DvErrorCode | 'bug';
      readonly message: string;
      readonly hint: string | null;
      readonly details: unknown;
    };
  };
}

/**
 * Turns what was thrown into words and an exit status.
 * @param verbose adds what caused the failure.
 */
export function describeFailure(error: unknown, options: { verbose?: boolean } = {}): Failure {
  return isDvError(error) ? describeKnown(error, options.verbose ?? false) : describeBug(error);
}

function describeKnown(error: DvError, verbose: boolean): Failure {
  const lines = [`dv: ${clean(error.message)}`];
  if (error.hint !== undefined) lines.push(`hint: ${clean(error.hint)}`);
  if (verbose) lines.push(...causes(error));
  return {
    status: exitStatuses[error.code],
    text: lines.join('\n'),
    document: {
      error: {
        code: error.code,
        message: error.message,
        hint: error.hint ?? null,
        details: error.details,
      },
    },
  };
}

/** What lies behind a failure, outermost first. */
function causes(error: Error): string[] {
  const lines: string[] = [];
  for (let cause = error.cause; cause !== undefined && lines.length < 10; ) {
    lines.push(`because: ${clean(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

function describeBug(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`dv: a bug in dv: ${clean(stack)}`];
  if (error instanceof Error) lines.push(...causes(error));
  return {
    status: bugStatus,
    text: lines.join('\n'),
    document: { error: { code: 'bug', message, hint: null, details: { stack } } },
  };
}
