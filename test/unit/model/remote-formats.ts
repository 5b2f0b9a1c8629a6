/** Values that tests of the remote's files share, generated and fixed. */
import fc from 'fast-check';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import type { Blob, PackListing } from '../../../core/model/idx.ts';
import type { PackedObject } from '../../../core/model/pack.ts';
import { blobMinBytes, blobPlace, type Encoding, type Place } from '../../../core/model/place.ts';
import { parseRepoPath, type RepoPath } from '../../../core/model/repo-path.ts';
import type { DataRef } from '../../../core/model/snapshot.ts';

export const hex64 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
export const digest = hex64.map((hex) => `sha256:${hex}` as Digest);
export const encoding = fc.constantFrom<Encoding>(0, 1);
const length = fc.integer({ min: 0, max: blobMinBytes - 1 });

/** Objects as they lie in a pack, without gaps. */
export const packed = fc
  .uniqueArray(fc.record({ digest, length, encoding }), {
    maxLength: 20,
    selector: (object) => object.digest,
  })
  .map((objects) => {
    let offset = 0;
    return objects.map((object): PackedObject => {
      const placed = { ...object, offset };
      offset += object.length;
      return placed;
    });
  });

export const packListings: fc.Arbitrary<PackListing[]> = fc
  .uniqueArray(fc.record({ name: hex64, objects: packed, tail: fc.integer({ min: 0, max: 1000 }) }), {
    maxLength: 6,
    selector: (pack) => pack.name,
  })
  .map((packs) =>
    packs
      .filter((pack) => pack.objects.length > 0)
      .map(({ name, objects, tail }) => ({
        name,
        objects,
        sizeBytes: objects.reduce((sum, object) => sum + object.length, tail),
      })),
  );

export const blobs: fc.Arbitrary<Blob[]> = fc.uniqueArray(
  fc.record({ digest, sizeBytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }),
  { maxLength: 5, selector: (blob) => blob.digest },
);

export const place: fc.Arbitrary<Place> = fc.oneof(
  fc.constant(blobPlace),
  fc.record({
    pack: fc.constantFrom('a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)),
    offset: fc.integer({ min: 0, max: 0xffffffff }),
    length,
    encoding,
  }),
);

const repoPath = fc
  .array(fc.constantFrom('a', 'B', 'é', '%', '\n', '\r', ' ', '.', '😀', '-'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''))
  .filter((text) => parseRepoPath(text) !== undefined)
  .map((text) => text as RepoPath);
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

export const dataRef: fc.Arbitrary<DataRef> = fc.record({
  path: repoPath,
  pointer: fc.oneof(
    fc.record({ kind: fc.constant('file' as const), digest, bytes: count }),
    fc.record({ kind: fc.constant('tree' as const), digest, files: count, bytes: count }),
  ),
});

/** Digests that are the same on every machine. */
export const named = (name: string) => digestOf(name);
