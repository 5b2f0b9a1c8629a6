/**
 * Notes about stages that run, in `$GIT_DIR/dv/running/<stage>`: what is in their outs is half-written. A note
 * that is still there later says that the run was killed or failed, and its process group may not be gone yet.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import type { Repo } from '../store/repo.ts';
import { isJsonMap, type JsonValue } from './json.ts';
import { startOfProcess, waitForGroup } from './process-group.ts';

/** A note about a run that has not ended well, or not yet. */
export interface RunningNote {
  /** The process group, while it may run. */
  readonly group?: number;
  readonly host: string;
  /** When the group's leader started, in clock ticks since the machine did, where the system tells. */
  readonly startedTicks?: string;
  /** After a failure: path → digest of what the run left there. Absent when the run was killed. */
  readonly left?: ReadonlyMap<string, Digest>;
}

const noteFile = (repo: Pick<Repo, 'gitDir'>, stage: string) => join(repo.gitDir, 'dv', 'running', stage);

/** Notes that a stage runs. @param group undefined before it has one. */
export function noteRunning(repo: Pick<Repo, 'gitDir'>, stage: string, group?: number): void {
  const startedTicks = group === undefined ? undefined : startOfProcess(group);
  const file = noteFile(repo, stage);
  mkdirSync(dirname(file), { recursive: true });
  writeFileAtomic(
    file,
    JSON.stringify({
      host: hostname(),
      ...(group === undefined ? {} : { group }),
      ...(startedTicks === undefined ? {} : { startedTicks }),
    }),
    { durable: false },
  );
}

/** Notes what a failed run left in its outs. */
export function noteFailed(
  repo: Pick<Repo, 'gitDir'>,
  stage: string,
  left: ReadonlyMap<string, Digest>,
): void {
  writeFileAtomic(
    noteFile(repo, stage),
    JSON.stringify({ host: hostname(), left: Object.fromEntries(left) }),
    { durable: false },
  );
}

/** Takes the note away: what is in the outs is whole. */
export function noteDone(repo: Pick<Repo, 'gitDir'>, stage: string): void {
  rmSync(noteFile(repo, stage), { force: true });
}

/** The note about a stage, or undefined. A torn one counts as one about a killed run. */
export function readNote(repo: Pick<Repo, 'gitDir'>, stage: string): RunningNote | undefined {
  let text: string;
  try {
    text = readFileSync(noteFile(repo, stage), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return { host: hostname() };
  }
  if (!isJsonMap(value)) return { host: hostname() };
  const { group, host, startedTicks, left } = value;
  return {
    host: typeof host === 'string' ? host : hostname(),
    ...(typeof group === 'number' && Number.isSafeInteger(group) && group > 1 ? { group } : {}),
    ...(typeof startedTicks === 'string' ? { startedTicks } : {}),
    ...(isJsonMap(left)
      ? {
          left: new Map(
            Object.entries(left).flatMap(([path, digest]) => {
              const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined;
              return parsed === undefined ? [] : [[path, parsed] as const];
            }),
          ),
        }
      : {}),
  };
}

/** How long a killed dv's stage may take to be gone: the watcher gives it five seconds. */
const patienceMs = 15_000;

/**
 * Waits until the processes of an earlier, killed run of a stage are gone.
 * @throws {DvError} stage-still-running
 */
export async function waitForEarlierRun(
  repo: Pick<Repo, 'gitDir'>,
  stage: string,
  signal?: AbortSignal,
): Promise<void> {
  const note = readNote(repo, stage);
  if (note?.group === undefined || note.host !== hostname()) return;
  const start = startOfProcess(note.group);
  // Another process has the number now.
  if (start !== undefined && note.startedTicks !== undefined && start !== note.startedTicks) return;
  if (!(await waitForGroup(note.group, patienceMs, signal)))
    throw new DvError('stage-still-running', { stage, group: note.group, notePath: noteFile(repo, stage) });
}
