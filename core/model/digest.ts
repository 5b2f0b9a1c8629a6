/** Content hashes: the names of objects. */
import { createHash, hash } from 'node:crypto';

/** A SHA-256 name, `sha256:` and 64 lower-case hex digits. Identity of bytes, wherever they are stored. */
export type Digest = string & { readonly __brand: 'Digest' };

const pattern = /^sha256:[0-9a-f]{64}$/;
const hexPattern = /^[0-9a-f]{64}$/;

/** Gives back the text as a digest, or undefined when it is none. */
export function parseDigest(text: string): Digest | undefined {
  return pattern.test(text) ? (text as Digest) : undefined;
}

/** The digest with these 64 hex digits, or undefined when they are not. */
export function digestFromHex(hex: string): Digest | undefined {
  return hexPattern.test(hex) ? (`sha256:${hex}` as Digest) : undefined;
}

/** The 64 hex digits. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** The first 8 hex digits, for people. */
export function shortDigest(digest: Digest): string {
  return digest.slice(7, 15);
}

/** Hashes bytes that are all in memory. A string is hashed as UTF-8. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}` as Digest;
}

/** Hashes bytes that arrive in pieces. */
export class DigestBuilder {
  readonly #hash = createHash('sha256');
  /** Adds the next piece. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }
  /** The digest of all pieces; call once. */
  finish(): Digest {
    return `sha256:${this.#hash.digest('hex')}` as Digest;
  }
}
