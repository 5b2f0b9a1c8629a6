import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DvError } from '../../../core/errors.ts';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import { formatIdx, idxNameOf, packListings as listingsOf, parseIdx } from '../../../core/model/idx.ts';
import {
  footerLength,
  formatPackFooter,
  type PackedObject,
  packFooterBytes,
  parsePackFooter,
} from '../../../core/model/pack.ts';
import { blobPlace, columnsOf, decodeStored, encodeStored, placeAt } from '../../../core/model/place.ts';
import { PlaceTable } from '../../../core/model/place-table.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import {
  formatSnapshotRoot,
  formatTreeRoot,
  parseSnapshotRoot,
  parseTreeRoot,
} from '../../../core/model/root.ts';
import { makeSnapshot, parseSnapshot } from '../../../core/model/snapshot.ts';
import { blobs, dataRef, digest, named, packed, packListings, place } from './remote-formats.ts';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/remote/${name}`, import.meta.url));

/** Every file with one byte changed, cut off or added, as an error or a value; never a crash of another kind. */
function mutations(bytes: Buffer, parse: (bytes: Buffer) => unknown): { refused: number; accepted: number } {
  const outcome = { refused: 0, accepted: 0 };
  const attempt = (changed: Buffer) => {
    try {
      parse(changed);
      outcome.accepted++;
    } catch (error) {
      expect((error as DvError).code).toMatch(/^(invalid-file|newer-format)$/);
      outcome.refused++;
    }
  };
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i] = changed[i]! ^ 0x81;
    attempt(changed);
    attempt(bytes.subarray(0, i));
  }
  attempt(Buffer.concat([bytes, Buffer.alloc(1)]));
  return outcome;
}

const objects: PackedObject[] = [
  { digest: named('one'), offset: 0, length: 3, encoding: 0 },
  { digest: named('two'), offset: 3, length: 100, encoding: 1 },
];
const nonce = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const packName = 'ab'.repeat(32);
const snapshot = makeSnapshot([
  { path: 'data/train' as RepoPath, pointer: { kind: 'tree', digest: named('tree'), files: 2, bytes: 103 } },
  { path: 'big 100%.bin' as RepoPath, pointer: { kind: 'file', digest: named('blob'), bytes: 9_000_000 } },
  { path: 'data/one.txt' as RepoPath, pointer: { kind: 'file', digest: named('one'), bytes: 3 } },
]);

describe('the bytes are pinned', () => {
  test('pack footer', () => {
    expect(formatPackFooter(objects, nonce).equals(fixture('footer.bin'))).toBe(true);
    expect(parsePackFooter(fixture('footer.bin'), 103 + packFooterBytes(2), 'pack')).toEqual(objects);
  });

  test('idx', () => {
    const bytes = formatIdx(
      [{ name: packName, sizeBytes: 205, objects }],
      [{ digest: named('blob'), sizeBytes: 9_000_000 }],
    );
    expect(bytes.equals(fixture('example.idx'))).toBe(true);
    expect(idxNameOf(bytes)).toBe(digestOf(fixture('example.idx')).slice(7));
  });

  test('root of a tree', () => {
    const places = columnsOf([
      { pack: packName, offset: 0, length: 3, encoding: 0 },
      { pack: packName, offset: 3, length: 100, encoding: 1 },
      blobPlace,
    ]);
    const bytes = formatTreeRoot({ tree: named('tree'), own: [named('tree')], places });
    expect(bytes.equals(fixture('tree.root'))).toBe(true);
  });

  test('snapshot and its root', () => {
    expect(snapshot.text).toBe(fixture('snapshot.txt').toString());
    const places = columnsOf([blobPlace, { pack: packName, offset: 0, length: 3, encoding: 0 }]);
    expect(formatSnapshotRoot({ snapshot, places }).equals(fixture('snapshot.root'))).toBe(true);
  });
});

describe('round trips', () => {
  test('pack footer', () => {
    fc.assert(
      fc.property(packed, fc.uint8Array({ minLength: 16, maxLength: 16 }), (list, random) => {
        const footer = formatPackFooter(list, random);
        expect(footer.length).toBe(packFooterBytes(list.length));
        expect(footerLength(footer.subarray(-28), 'pack')).toBe(footer.length);
        const size = list.reduce((sum, object) => sum + object.length, footer.length);
        expect(parsePackFooter(footer, size, 'pack')).toEqual(list);
      }),
    );
  });

  test('idx, whatever the order it is given in', () => {
    fc.assert(
      fc.property(packListings, blobs, (packs, big) => {
        const bytes = formatIdx(packs, big);
        expect(formatIdx([...packs].reverse(), [...big].reverse()).equals(bytes)).toBe(true);
        const idx = parseIdx(bytes, 'idx');
        expect(listingsOf(idx)).toEqual([...packs].sort((a, b) => (a.name < b.name ? -1 : 1)));
        expect(idx.blobs).toEqual([...big].sort((a, b) => (a.digest < b.digest ? -1 : 1)));
      }),
    );
  });

  test('root of a tree', () => {
    fc.assert(
      fc.property(
        fc.array(digest, { minLength: 1, maxLength: 4 }),
        fc.array(place, { maxLength: 30 }),
        fc.array(place, { minLength: 4, maxLength: 4 }),
        (own, entries, ownPlaces) => {
          const all = [...ownPlaces.slice(0, own.length), ...entries];
          const root = parseTreeRoot(
            formatTreeRoot({ tree: own[0]!, own, places: columnsOf(all) }),
            own[0]!,
            'root',
          );
          expect(root.own).toEqual(own);
          expect(all.map((_, i) => placeAt(root.places, i))).toEqual(all);
        },
      ),
    );
  });

  test('snapshot and its root', () => {
    fc.assert(
      fc.property(
        fc.array(dataRef, { maxLength: 12 }),
        fc.array(place, { minLength: 12, maxLength: 12 }),
        (refs, places) => {
          const made = makeSnapshot(refs);
          expect(makeSnapshot([...refs].reverse()).text).toBe(made.text);
          expect(parseSnapshot(made.text, 'snapshot')).toEqual(made);
          const used = places.slice(0, made.refs.filter((ref) => ref.pointer.kind === 'file').length);
          const root = parseSnapshotRoot(
            formatSnapshotRoot({ snapshot: made, places: columnsOf(used) }),
            made.digest,
            'root',
          );
          expect(root.snapshot).toEqual(made);
          expect(used.map((_, i) => placeAt(root.places, i))).toEqual(used);
        },
      ),
    );
  });

  test('stored bytes, deflated only where that saves a quarter', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(20), (bytes, repeat) => {
        const value = Buffer.concat(Array.from({ length: repeat }, () => Buffer.from(bytes)));
        const { stored, encoding } = encodeStored(value);
        expect(stored.length).toBeLessThanOrEqual(encoding === 1 ? value.length * 0.75 : value.length);
        expect(Buffer.from(decodeStored(stored, encoding)!).equals(value)).toBe(true);
      }),
    );
  });
});

describe('what is not exactly right is refused', () => {
  test('roots notice every changed byte', () => {
    expect(
      mutations(fixture('tree.root'), (bytes) => parseTreeRoot(bytes, named('tree'), 'root')).accepted,
    ).toBe(0);
    expect(
      mutations(fixture('snapshot.root'), (bytes) => parseSnapshotRoot(bytes, snapshot.digest, 'root'))
        .accepted,
    ).toBe(0);
  });

  test('idx and pack footers are noticed by their names; whatever their bytes, they parse or are refused', () => {
    expect(mutations(fixture('example.idx'), (bytes) => parseIdx(bytes, 'idx')).refused).toBeGreaterThan(
      fixture('example.idx').length,
    );
    expect(
      mutations(fixture('footer.bin'), (bytes) => parsePackFooter(bytes, 103 + packFooterBytes(2), 'pack'))
        .refused,
    ).toBeGreaterThan(fixture('footer.bin').length);
  });

  test('any bytes at all are refused or parsed, never worse', () => {
    const magics = ['dv-idx-1', 'dv-tree1', 'dv-snap1', ''];
    fc.assert(
      fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 200 }), (magic, rest) => {
        const bytes = Buffer.concat([Buffer.from(magic), rest]);
        for (const parse of [
          () => parseIdx(bytes, 'x'),
          () => parseTreeRoot(bytes, named('tree'), 'x'),
          () => parseSnapshotRoot(bytes, named('tree'), 'x'),
          () => parsePackFooter(bytes, bytes.length, 'x'),
        ]) {
          try {
            parse();
          } catch (error) {
            expect((error as DvError).code).toMatch(/^(invalid-file|newer-format)$/);
          }
        }
      }),
    );
  });

  const withVersion2 = (bytes: Buffer) => {
    const changed = Buffer.from(bytes);
    changed[7] = 0x32;
    return changed;
  };
  test('newer formats are told from damage', () => {
    expect(() => parseIdx(withVersion2(fixture('example.idx')), 'idx')).toThrow(
      expect.objectContaining({ code: 'newer-format' }),
    );
    const footer = fixture('footer.bin');
    footer[footer.length - 1] = 0x32;
    expect(() => parsePackFooter(footer, 205, 'pack')).toThrow(
      expect.objectContaining({ code: 'newer-format' }),
    );
    expect(() => parseSnapshot('dv-snapshot 2\n', 'x')).toThrow(
      expect.objectContaining({ code: 'newer-format' }),
    );
  });

  test('an idx with overlapping objects, an unknown encoding, too long an object, or unsorted packs', () => {
    const bad =
      (list: PackedObject[], sizeBytes = 10_000_000) =>
      () =>
        parseIdx(formatIdx([{ name: packName, sizeBytes, objects: list }], []), 'idx');
    expect(bad([{ ...objects[0]!, length: 50 }, objects[1]!])).toThrow('overlap');
    expect(bad(objects, 50)).toThrow('behind the end');
    expect(bad([{ ...objects[0]!, encoding: 2 as 0 }])).toThrow('unknown way');
    expect(bad([{ ...objects[0]!, length: 9_000_000 }])).toThrow('too long');
    const two = formatIdx(
      ['11', '22'].map((name) => ({ name: name.repeat(32), sizeBytes: 3, objects: [objects[0]!] })),
      [],
    );
    const swapped = Buffer.concat([
      two.subarray(0, 20),
      two.subarray(52, 84),
      two.subarray(20, 52),
      two.subarray(84),
    ]);
    expect(() => parseIdx(swapped, 'idx')).toThrow('ascending');
  });

  test.each([
    ['', 'expected `dv-snapshot 1`'],
    ['dv-snapshot 1', 'expected `dv-snapshot 1`'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 b\nfile ${'a'.repeat(64)} 1 a\n`, 'out of order'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 a\nfile ${'a'.repeat(64)} 1 a\n`, 'out of order'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 ../a\n`, 'not allowed'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 .GIT/a\n`, 'not allowed'],
    [`dv-snapshot 1\nfile ${'A'.repeat(64)} 1 a\n`, 'expected `tree'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 01 a\n`, 'expected `tree'],
    [`dv-snapshot 1\ntree ${'a'.repeat(64)} 1 a\n`, 'expected `tree'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 a%2F\n`, 'escapes'],
    [`dv-snapshot 1\nfile ${'a'.repeat(64)} 1 a`, 'newline at the end'],
    ['dv-snapshot 1\n\n', 'expected `tree'],
  ])('the listing %j', (text, problem) => {
    expect(() => parseSnapshot(text, 'snapshot')).toThrow(problem);
  });

  test('a deflated object that would grow without end', () => {
    const bomb = encodeStored(Buffer.alloc(40 << 20));
    expect(bomb.encoding).toBe(1);
    expect(decodeStored(bomb.stored, 1)).toBeUndefined();
    expect(decodeStored(Buffer.from('no deflate stream'), 1)).toBeUndefined();
  });
});

describe('place table', () => {
  test('finds what any idx lists, at all its places, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(packListings, blobs), { maxLength: 4 }), digest, (indexes, other) => {
        const table = new PlaceTable();
        const expected = new Map<Digest, number>();
        for (const [packs, big] of indexes) {
          table.add(parseIdx(formatIdx(packs, big), 'idx'));
          for (const object of packs.flatMap((pack) => pack.objects)) {
            expected.set(object.digest, (expected.get(object.digest) ?? 0) + 1);
          }
        }
        const large = new Set(indexes.flatMap(([, big]) => big.map((blob) => blob.digest)));
        for (const [found, times] of expected) {
          expect(table.has(found)).toBe(true);
          expect(table.places(found)).toHaveLength(times + (large.has(found) ? 1 : 0));
        }
        for (const found of large) expect(table.places(found)).toContainEqual(blobPlace);
        if (!expected.has(other) && !large.has(other)) expect(table.find(other)).toBeUndefined();
      }),
    );
  });

  test('50,000 objects are read in well under 50 ms', () => {
    const many: PackedObject[] = Array.from({ length: 50_000 }, (_, i) => ({
      digest: named(`object ${i}`),
      offset: i * 100,
      length: 100,
      encoding: 0,
    }));
    const bytes = formatIdx([{ name: packName, sizeBytes: 6_000_000, objects: many }], []);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      const table = new PlaceTable();
      table.add(parseIdx(bytes, 'idx'));
      expect(table.find(many[49_999]!.digest)?.offset).toBe(4_999_900);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(50);
    const places = columnsOf(
      many.map(({ offset, length, encoding }) => ({ pack: packName, offset, length, encoding })),
    );
    const root = formatTreeRoot({
      tree: named('tree'),
      own: [named('tree')],
      places: columnsOf([blobPlace, ...many.map((_, i) => placeAt(places, i))]),
    });
    const rootTimes = Array.from({ length: 5 }, () => {
      const start = performance.now();
      parseTreeRoot(root, named('tree'), 'root');
      return performance.now() - start;
    });
    expect(Math.min(...rootTimes)).toBeLessThan(50);
  });
});
