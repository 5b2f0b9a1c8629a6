/**
 * Run cache entries on a remote. One goes along once the remote holds its outputs, with the metrics it wrote,
 * so that whoever has the same inputs restores what was computed elsewhere.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../errors.ts';
import { type Digest, digestFromHex, hexOf } from '../../model/digest.ts';
import type { DataRef, Snapshot } from '../../model/snapshot.ts';
import { parseRun, type RunRecord, runPath } from '../../pipeline/run-cache.ts';
import { writeFileAtomic } from '../../store/atomic.ts';
import { hasObject } from '../../store/cache.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { fingerprintIn, runKey, runPrefix } from '../../store/remote-layout.ts';
import type { RemoteState } from '../../store/remote-state.ts';
import type { Repo } from '../../store/repo.ts';

/** Entries on their way at once. */
const runsAtOnce = 16;
/** No entry is larger; what is, was written by no dv. */
const mostBytes = 4 << 20;

/** An entry to send. */
export interface RunToSend {
  readonly fingerprint: Digest;
  readonly bytes: Buffer;
  /** The metrics it wrote: small files, whose bytes are kept beside the outputs'. */
  readonly metrics: readonly DataRef[];
}

const refsOf = (paths: RunRecord['outs']): DataRef[] =>
  [...paths].map(([path, pointer]) => ({ path, pointer }));

/** What a record stands for: outputs and metrics. */
export function refsOfRun(record: RunRecord): DataRef[] {
  return [...refsOf(record.outs), ...refsOf(record.metrics)];
}

/** Entries that are not known to be on the remote and whose outputs are part of what is pushed. */
export function runsToSend(repo: Repo, state: RemoteState, snapshots: readonly Snapshot[]): RunToSend[] {
  const known = state.knownRuns();
  const pushed = new Set(snapshots.flatMap((snapshot) => snapshot.refs.map((ref) => ref.pointer.digest)));
  return listRuns(repo).flatMap((fingerprint) => {
    if (known.has(hexOf(fingerprint))) return [];
    const bytes = readFileSync(runPath(repo, fingerprint));
    const record = parseRun(bytes.toString());
    if (record === undefined) return [];
    const metrics = refsOf(record.metrics);
    const complete =
      [...record.outs.values()].every((pointer) => pushed.has(pointer.digest)) &&
      metrics.every((ref) => hasObject(repo, ref.pointer.digest));
    return complete ? [{ fingerprint, bytes, metrics }] : [];
  });
}

function listRuns(repo: Repo): Digest[] {
  try {
    return readdirSync(join(repo.dvDir, 'runs')).flatMap((name) => digestFromHex(name) ?? []);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Writes entries, after what they speak of is there. One that somebody else wrote first stays. */
export async function sendRuns(
  remote: Remote,
  state: RemoteState,
  runs: readonly RunToSend[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await inParallel(runs, runsAtOnce, ({ fingerprint, bytes }) =>
    remote.putIfAbsent(runKey(hexOf(fingerprint)), bytes, { signal }),
  );
  state.addRuns(runs.map(({ fingerprint }) => hexOf(fingerprint)));
}

/** Reads entries of the remote that are not here, keeps those that are whole, and gives them back. */
export async function receiveRuns(
  repo: Repo,
  remote: Remote,
  fingerprints: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<RunRecord[]> {
  const records = await inParallel(fingerprints, runsAtOnce, async (fingerprint) => {
    const bytes = await remote.get(runKey(hexOf(fingerprint)), { signal });
    if (bytes === undefined || bytes.length > mostBytes) return [];
    const record = parseRun(Buffer.from(bytes).toString());
    if (record === undefined) return [];
    writeFileAtomic(runPath(repo, fingerprint), bytes);
    return [record];
  });
  return records.flat();
}

/** Fingerprints of entries that are on the remote and not here. */
export async function listMissingRuns(
  repo: Repo,
  remote: Remote,
  signal: AbortSignal | undefined,
): Promise<Digest[]> {
  const missing: Digest[] = [];
  for await (const { key } of remote.list(runPrefix, { signal })) {
    const name = fingerprintIn(key);
    const fingerprint = name === undefined ? undefined : digestFromHex(name);
    if (fingerprint !== undefined && !existsSync(runPath(repo, fingerprint))) missing.push(fingerprint);
  }
  return missing;
}
