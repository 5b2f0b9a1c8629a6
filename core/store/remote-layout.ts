/** Which key holds what on a remote, and the file that says what it is: docs/remote-format.md. */
import { randomBytes } from 'node:crypto';
import { DvError } from '../errors.ts';
import { type Digest, hexOf } from '../model/digest.ts';
import { idxNameOf } from '../model/idx.ts';
import type { Remote, RemoteCall } from './remote.ts';

/** Where a pack is. @param name 64 hex digits. */
export const packKey = (name: string) => `packs/${name.slice(0, 2)}/${name}.pack`;
/** Where an object that is stored whole is. */
export const blobKey = (digest: Digest) => `blobs/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`;
/** Where an idx is. @param name 64 hex digits. */
export const idxKey = (name: string) => `idx/${name}.idx`;
/** Where the root of a tree or a snapshot is. */
export const rootKey = (digest: Digest) => `roots/${hexOf(digest)}`;
/** Where a run cache entry is. @param fingerprint 64 hex digits. */
export const runKey = (fingerprint: string) => `runs/${fingerprint}`;

/** The prefix of all idx files. */
export const idxPrefix = 'idx/';
/** The prefix of all run cache entries. */
export const runPrefix = 'runs/';

/** The prefix of all roots. */
export const rootPrefix = 'roots/';
/** The prefix of what garbage collection writes. */
export const gcPrefix = 'gc/';
/** Records of what nothing needed when somebody looked. */
export const condemnedPrefix = 'gc/condemned/';
/** Records of what is being deleted now. */
export const deletingPrefix = 'gc/deleting/';
/**
 * Written anew when garbage collection begins and ends something. Among the idx files, and the first of them in any
 * sorted list, so that whoever lists these sees it with them.
 */
export const epochKey = 'idx/0-epoch';

/** The 64 hex digits at the end of the key of a root, pack or blob; undefined for another key. */
export function nameIn(key: string): string | undefined {
  return /^(?:roots\/|packs\/[0-9a-f]{2}\/|blobs\/[0-9a-f]{2}\/)([0-9a-f]{64})(?:\.pack)?$/.exec(key)?.[1];
}

/** The name in an idx's key, or undefined for a key that is none. */
export function idxNameIn(key: string): string | undefined {
  return /^idx\/([0-9a-f]{64})\.idx$/.exec(key)?.[1];
}

/** The fingerprint in a run cache entry's key, or undefined for a key that is none. */
export function fingerprintIn(key: string): string | undefined {
  return /^runs\/([0-9a-f]{64})$/.exec(key)?.[1];
}

/** Whether bytes are the idx of this name. */
export const isIdxNamed = (bytes: Uint8Array, name: string) => idxNameOf(bytes) === name;

/** What `dv.json` says. */
export interface RemoteIdentity {
  /** Random, made once; tells a remote that was emptied and filled anew from what it was before. */
  readonly id: string;
}

const identityKey = 'dv.json';
const formatVersion = 1;

function parseIdentity(bytes: Uint8Array, remote: Remote): RemoteIdentity {
  const name = `${remote.url}/${identityKey}`;
  const fail = (message: string): never => {
    throw new DvError('invalid-file', { problems: [{ file: name, message }] });
  };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    fail('expected JSON');
  }
  if (typeof value !== 'object' || value === null || !('format' in value)) fail('expected a `format`');
  const { format, id } = value as { format: unknown; id?: unknown };
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1)
    fail('expected a whole number as `format`');
  if ((format as number) > formatVersion)
    throw new DvError('newer-format', { what: remote.url, version: String(format) });
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) fail('expected 32 hex digits as `id`');
  return { id: id as string };
}

/** Reads who a remote is, or gives undefined when nothing was ever pushed to it. @throws {DvError} newer-format, invalid-file */
export async function readIdentity(
  remote: Remote,
  call: RemoteCall = {},
): Promise<RemoteIdentity | undefined> {
  const bytes = await remote.get(identityKey, call);
  return bytes === undefined ? undefined : parseIdentity(bytes, remote);
}

/** Makes a place that has no identity a dv remote. Of two that try at once, one wins and both agree. */
export async function makeIdentity(remote: Remote, call: RemoteCall = {}): Promise<RemoteIdentity> {
  const id = randomBytes(16).toString('hex');
  const text = `${JSON.stringify({ format: formatVersion, id })}\n`;
  if (await remote.putIfAbsent(identityKey, Buffer.from(text), call)) return { id };
  const other = await readIdentity(remote, call);
  if (other === undefined)
    throw new DvError('remote-unreachable', { remote: remote.url, reason: 'dv.json appeared and vanished' });
  return other;
}
