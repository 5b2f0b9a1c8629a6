/** The digests in a tree's listing, and nothing else of it: for marking what millions of entries need. */
import { DvError } from '../errors.ts';

/** What a listing's lines stand for. */
export type ListingKind = 'leaves' | 'entries';

const space = 0x20;
const newline = 0x0a;
const hexDigits = 64;

/**
 * Calls `visit` with the 64 hex digits of every line. The text handed over must not be kept: it may hold on to
 * the whole listing.
 * @param bytes a listing, or an index over leaves, already checked against its digest.
 * @param name how to name it in errors.
 * @throws {DvError} invalid-file, newer-format
 */
export function visitListed(bytes: Uint8Array, name: string, visit: (hex: string) => void): ListingKind {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (message: string): never => {
    throw new DvError('invalid-file', { problems: [{ file: name, message }] });
  };
  const headerEnd = buffer.indexOf(newline);
  const header = buffer.toString('latin1', 0, Math.max(0, Math.min(headerEnd, 40)));
  const match = /^dv-tree(-index)? ([1-9][0-9]{0,8})$/.exec(header);
  if (match === null) return fail('expected a listing of a folder');
  if (match[2] !== '1') throw new DvError('newer-format', { what: name, version: match[2]! });
  const text = buffer.toString('latin1');
  for (let at = headerEnd + 1; at < buffer.length; ) {
    if (buffer[at + hexDigits] !== space) fail('expected 64 hex digits at the start of a line');
    visit(text.slice(at, at + hexDigits));
    const end = buffer.indexOf(newline, at + hexDigits);
    if (end === -1) fail('expected a newline at the end');
    at = end + 1;
  }
  return match[1] === undefined ? 'entries' : 'leaves';
}
