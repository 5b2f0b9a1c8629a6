/** Which objects of a remote are needed, from the data that refs, roots and run cache entries name. */
import { DvError, isDvError } from '../../errors.ts';
import { type Digest, digestFromHex, hexOf } from '../../model/digest.ts';
import { visitListed } from '../../model/tree-digests.ts';
import { readObject } from '../../store/cache.ts';
import type { Repo } from '../../store/repo.ts';

/** Data by digest and kind. `unknown`: found in a text that cannot be read. */
export interface NeededData {
  readonly kind: 'file' | 'tree' | 'listing' | 'unknown';
  readonly digest: Digest;
  /** Where it is named, for messages. */
  readonly name: string;
}

/** Reads an object that the cache does not hold. */
export type ReadRemote = (digest: Digest) => Promise<Uint8Array | undefined>;

/** Objects that are needed; grows by `add`. */
export class Needed {
  readonly #repo: Repo;
  readonly #readRemote: ReadRemote;
  readonly #objects = new Set<string>();
  readonly #walked = new Set<Digest>();
  /** Listings that neither the cache nor the remote has: where they are named. */
  readonly unread = new Map<Digest, string>();

  constructor(repo: Repo, readRemote: ReadRemote) {
    this.#repo = repo;
    this.#readRemote = readRemote;
  }

  /** @param hex 64 hex digits. */
  has(hex: string): boolean {
    return this.#objects.has(hex);
  }

  /** Adds data and all that its listings name. */
  async add(data: readonly NeededData[], signal: AbortSignal | undefined): Promise<void> {
    for (const each of data) {
      signal?.throwIfAborted();
      this.#objects.add(hexOf(each.digest));
      if (each.kind !== 'file') await this.#walk(each, each.digest);
    }
  }

  async #walk(data: NeededData, digest: Digest): Promise<void> {
    if (this.#walked.has(digest)) return;
    this.#walked.add(digest);
    this.#objects.add(hexOf(digest));
    const bytes = await this.#read(digest);
    if (bytes === undefined) {
      if (data.kind === 'tree') this.unread.set(digest, data.name);
      return;
    }
    const start = Buffer.from(bytes.subarray(0, 14)).toString('latin1');
    if (data.kind === 'unknown' && !start.startsWith('dv-tree')) return;
    const listed: string[] = [];
    visitListed(bytes, `tree ${digest}`, (hex) => listed.push(hex));
    if (start !== 'dv-tree-index ') for (const hex of listed) this.#objects.add(hex);
    else for (const hex of listed) await this.#walk({ ...data, kind: 'tree' }, digestFromHex(hex)!);
  }

  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    try {
      return readObject(this.#repo, digest);
    } catch (error) {
      if (!isDvError(error, 'object-missing') && !isDvError(error, 'object-damaged')) throw error;
      return this.#readRemote(digest);
    }
  }
}

/** Stops where what a folder needs cannot be known. @throws {DvError} data-missing */
export function refuseUnread({ unread }: Needed, remoteUrl: string): void {
  if (unread.size === 0) return;
  throw new DvError('data-missing', {
    paths: [...new Set(unread.values())],
    where: `the cache, nor on ${remoteUrl}: what these folders need there cannot be known, and nothing was removed`,
    hint: 'push them from where their data is; if it is lost: dv gc --remote --skip-broken',
  });
}
