/**
 * The run cache: fingerprint → what a run of it wrote, so that nothing is computed twice. One small file per
 * run, `runs/<fingerprint>`; the bytes are objects of the cache. It also keeps what stages.lock must not: when
 * and where it ran, and how long it took. Format: docs/stages.md.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { type Digest, hexOf } from '../model/digest.ts';
import type { Pointer } from '../model/pointer.ts';
import { comparePaths, parseRepoPath, type RepoPath } from '../model/repo-path.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import type { Repo } from '../store/repo.ts';
import { isJsonMap, type JsonValue } from './json.ts';
import { formatPointerLine, parsePointerLine } from './lock-file.ts';

/** What one run wrote. */
export interface RunRecord {
  /** The stage's name then; another stage with the same fingerprint may use the record. */
  readonly stage: string;
  /** Paths in the cache. */
  readonly outs: ReadonlyMap<RepoPath, Pointer>;
  /** Metrics files; their bytes are objects, too. */
  readonly metrics: ReadonlyMap<RepoPath, Pointer>;
  /** How long the command took, in seconds. */
  readonly seconds: number;
  /** When it ended, ISO 8601 in UTC. */
  readonly finished: string;
  readonly host: string;
}

/** The file of a fingerprint. */
export function runPath(repo: Pick<Repo, 'dvDir'>, fingerprint: Digest): string {
  return join(repo.dvDir, 'runs', hexOf(fingerprint));
}

const encodePaths = (paths: ReadonlyMap<RepoPath, Pointer>) =>
  Object.fromEntries(
    [...paths]
      .sort(([a], [b]) => comparePaths(a, b))
      .map(([path, pointer]) => [path, formatPointerLine(pointer)]),
  );

/** Encodes a record as JSON with a final newline. */
export function formatRun(record: RunRecord): string {
  const { stage, outs, metrics, seconds, finished, host } = record;
  const value = {
    version: 1,
    stage,
    outs: encodePaths(outs),
    metrics: encodePaths(metrics),
    seconds: Math.round(seconds * 1000) / 1000,
    finished,
    host,
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

function decodePaths(value: JsonValue | undefined): Map<RepoPath, Pointer> | undefined {
  if (!isJsonMap(value)) return undefined;
  const paths = new Map<RepoPath, Pointer>();
  for (const [text, line] of Object.entries(value)) {
    const path = parseRepoPath(text);
    const pointer = typeof line === 'string' ? parsePointerLine(line) : undefined;
    if (path === undefined || pointer === undefined) return undefined;
    paths.set(path, pointer);
  }
  return paths;
}

/** Reads a record, or gives undefined when the text is none: torn, foreign or of a newer dv. Then the stage runs. */
export function parseRun(text: string): RunRecord | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // A torn or foreign file is no record.
    return undefined;
  }
  if (!isJsonMap(value) || value.version !== 1) return undefined;
  const outs = decodePaths(value.outs);
  const metrics = decodePaths(value.metrics);
  const { stage, seconds, finished, host } = value;
  if (
    outs === undefined ||
    metrics === undefined ||
    [...metrics.values()].some((pointer) => pointer.kind !== 'file') ||
    typeof stage !== 'string' ||
    typeof seconds !== 'number' ||
    typeof finished !== 'string' ||
    typeof host !== 'string'
  )
    return undefined;
  return { stage, outs, metrics, seconds, finished, host };
}

/** The record of a fingerprint, or undefined. */
export function readRun(repo: Pick<Repo, 'dvDir'>, fingerprint: Digest): RunRecord | undefined {
  try {
    return parseRun(readFileSync(runPath(repo, fingerprint), 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a record. Guarantee: the file holds either its old or its new content. */
export function writeRun(repo: Pick<Repo, 'dvDir'>, fingerprint: Digest, record: RunRecord): void {
  writeFileAtomic(runPath(repo, fingerprint), formatRun(record));
}
