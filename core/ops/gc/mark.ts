/** Marks what is needed: every object that some data stands for, listings read from the cache. */
import { setImmediate as breathe } from 'node:timers/promises';
import { DvError, isDvError } from '../../errors.ts';
import { type Digest, digestFromHex, hexOf } from '../../model/digest.ts';
import { visitListed } from '../../model/tree-digests.ts';
import { type Cache, readObject } from '../../store/cache.ts';
import type { ObjectList } from '../../store/object-list.ts';
import { type DataRoot, type Keeper, keepers } from './data-roots.ts';

/** Reads a listing the cache does not hold; undefined when nobody has it. */
export type ReadElsewhere = (digest: Digest) => Promise<Uint8Array | undefined>;

/** Which objects are needed, and by whom. */
export class Marks {
  readonly #list: ObjectList;
  readonly #cache: Cache;
  readonly #elsewhere: ReadElsewhere;
  /** Per object: 0, or 1 + the position of the first keeper that needs it. */
  readonly #marks: Uint8Array;
  /** Listings whose entries are marked already, for this keeper or a more telling one. */
  readonly #walked = new Set<Digest>();
  readonly #listings = new Set<Digest>();
  /** Listings nobody has: what they name is not known. Digest → where it is used. */
  readonly absent = new Map<Digest, string>();

  constructor(list: ObjectList, cache: Cache, elsewhere: ReadElsewhere) {
    this.#list = list;
    this.#cache = cache;
    this.#elsewhere = elsewhere;
    this.#marks = new Uint8Array(list.length);
  }

  /** Who needs an object; undefined when nobody does. */
  keeperOf(row: number): Keeper | undefined {
    return keepers[this.#marks[row]! - 1];
  }

  #mark(hex: string, keeper: number): void {
    const row = this.#list.row(hex);
    if (row !== undefined && this.#marks[row] === 0) this.#marks[row] = keeper + 1;
  }

  /**
   * Marks all that some roots need.
   * @throws {DvError} objects-damaged naming what a damaged listing is used by: what it lists cannot be known.
   */
  async add(roots: readonly DataRoot[], signal?: AbortSignal): Promise<void> {
    const ordered = [...roots].sort((a, b) => keepers.indexOf(a.keeper) - keepers.indexOf(b.keeper));
    for (const root of ordered) {
      const keeper = keepers.indexOf(root.keeper);
      this.#mark(hexOf(root.digest), keeper);
      if (root.kind === 'tree' || root.kind === 'unknown')
        await this.#addListing(root, root.digest, keeper, signal);
      else if (root.kind === 'listing') await this.#addOwn(root, keeper);
    }
  }

  async #addListing(
    root: DataRoot,
    digest: Digest,
    keeper: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#walked.has(digest)) return;
    this.#walked.add(digest);
    await breathe();
    signal?.throwIfAborted();
    const bytes = await this.#read(root, digest);
    if (bytes === undefined) return;
    const leaves: Digest[] = [];
    const index = isIndexOfLeaves(bytes);
    visitListed(bytes, `tree ${digest}`, (hex) => {
      this.#mark(hex, keeper);
      if (index) leaves.push(digestFromHex(Buffer.from(hex).toString('latin1'))!);
    });
    for (const leaf of leaves) await this.#addListing({ ...root, kind: 'tree' }, leaf, keeper, signal);
  }

  /** Marks a listing and its leaves, and nothing that they list. */
  async #addOwn(root: DataRoot, keeper: number): Promise<void> {
    if (this.#walked.has(root.digest) || this.#listings.has(root.digest)) return;
    this.#listings.add(root.digest);
    const bytes =
      this.#list.row(hexOf(root.digest)) === undefined ? undefined : await this.#read(root, root.digest);
    if (bytes !== undefined && isIndexOfLeaves(bytes))
      visitListed(bytes, `tree ${root.digest}`, (hex) => this.#mark(hex, keeper));
  }

  async #read(root: DataRoot, digest: Digest): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = readObject(this.#cache, digest);
    } catch (error) {
      if (isDvError(error, 'object-damaged'))
        throw new DvError('objects-damaged', { paths: [root.name], where: 'the cache' }, { cause: error });
      if (!isDvError(error, 'object-missing')) throw error;
      bytes = await this.#elsewhere(digest);
    }
    if (bytes === undefined) {
      if (root.kind !== 'unknown') this.absent.set(digest, root.name);
      return undefined;
    }
    return root.kind !== 'unknown' || isListing(bytes) ? bytes : undefined;
  }
}

const startOf = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 14)).toString('latin1');
const isIndexOfLeaves = (bytes: Uint8Array) => startOf(bytes) === 'dv-tree-index ';
const isListing = (bytes: Uint8Array) => startOf(bytes).startsWith('dv-tree');
