/** Trees kept in a map, with a count of what is read. */
import { DvError } from '../../core/errors.ts';
import { type Digest, digestOf } from '../../core/model/digest.ts';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { encodeTree, type TreeEntry } from '../../core/model/tree.ts';
import { seededNumbers } from './arbitraries.ts';

/** Objects by digest. */
export class ObjectMap {
  readonly #objects = new Map<Digest, Uint8Array>();
  /** What was read, in order. */
  readonly reads: Digest[] = [];

  /** Keeps bytes under their digest. */
  put(bytes: Uint8Array | string): Digest {
    const digest = digestOf(bytes);
    this.#objects.set(digest, Buffer.from(bytes));
    return digest;
  }

  /** Keeps a tree and gives its digest. */
  async putTree(entries: readonly TreeEntry[]): Promise<Digest> {
    const encoded = await encodeTree(entries);
    for (const object of encoded.objects) this.put(object.bytes);
    return encoded.digest;
  }

  /** Gives an object's bytes, as `ReadObject` asks. */
  readonly read = (digest: Digest): Uint8Array => {
    this.reads.push(digest);
    const bytes = this.#objects.get(digest);
    if (bytes === undefined) throw new DvError('object-missing', { digest });
    return bytes;
  };
}

/** A listing of `count` images in folders of a thousand, the same for the same seed. */
export function seededListing(count: number, seed = 1): TreeEntry[] {
  const next = seededNumbers(seed);
  return Array.from({ length: count }, (_, i) => ({
    path: `class-${pad(Math.floor(i / 1000), 4)}/img-${pad(i, 7)}.png` as RepoPath,
    digest: digestOf(`${seed} ${i} ${next()}`),
    sizeBytes: next() % 20_000,
    mode: '-',
  }));
}

const pad = (number: number, width: number) => String(number).padStart(width, '0');
