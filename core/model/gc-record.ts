/**
 * Records of garbage collection on a remote: JSON, in `gc/condemned/<16 hex>` what nothing needed when somebody looked,
 * in `gc/deleting/<16 hex>` what is being deleted right now. Format: docs/remote-format.md.
 */
import { DvError } from '../errors.ts';

/** What a record names. */
export interface GcItems {
  /** Roots, as 64 hex digits. */
  readonly roots: readonly string[];
  /** Packs, as 64 hex digits. */
  readonly packs: readonly string[];
  /** Blobs, as 64 hex digits. */
  readonly blobs: readonly string[];
}

/** A record. */
export interface GcRecord extends GcItems {
  /** When it was written, milliseconds since 1970. Grows older when what it names is copied to a new record. */
  readonly atMs: number;
}

const kinds = ['roots', 'packs', 'blobs'] as const;

/** Whether a record names nothing. */
export const isEmptyRecord = (items: GcItems) => kinds.every((kind) => items[kind].length === 0);

/** Encodes a record. */
export function formatGcRecord(record: GcRecord): Buffer {
  const { atMs, roots, packs, blobs } = record;
  return Buffer.from(
    `${JSON.stringify({ version: 1, at: new Date(atMs).toISOString(), roots, packs, blobs })}\n`,
  );
}

/** Reads a record. @param name how to name it in errors. @throws {DvError} invalid-file, newer-format */
export function parseGcRecord(bytes: Uint8Array, name: string): GcRecord {
  const fail = (message: string): never => {
    throw new DvError('invalid-file', { problems: [{ file: name, message }] });
  };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return fail('expected JSON');
  }
  if (typeof value !== 'object' || value === null) return fail('expected an object');
  const { version, at, ...rest } = value as Record<string, unknown>;
  if (typeof version === 'number' && version > 1)
    throw new DvError('newer-format', { what: name, version: String(version) });
  const atMs = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (version !== 1 || Number.isNaN(atMs)) return fail('expected `version` 1 and a time as `at`');
  const names = (kind: (typeof kinds)[number]): string[] => {
    const list = rest[kind];
    const good =
      Array.isArray(list) && list.every((item) => typeof item === 'string' && /^[0-9a-f]{64}$/.test(item));
    return good ? (list as string[]) : fail(`expected names of 64 hex digits as \`${kind}\``);
  };
  return { atMs, roots: names('roots'), packs: names('packs'), blobs: names('blobs') };
}
