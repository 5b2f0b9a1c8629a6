/** Where the bytes of objects lie on a remote, and how they are stored there. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { BinaryReader, BinaryWriter } from './binary.ts';

/** Objects from this many bytes on are stored whole, as blobs; smaller ones in packs. */
export const blobMinBytes = 8 << 20;

/** How an object's bytes are stored in a pack: as they are, or as a raw deflate stream (RFC 1951). */
export type Encoding = 0 | 1;
export const storedRaw: Encoding = 0;
export const storedDeflated: Encoding = 1;

/** Where one object lies. */
export interface Place {
  /** Name of the pack (64 hex digits), or undefined when the object is a blob, found by its own digest. */
  readonly pack: string | undefined;
  /** First byte in the pack; 0 for a blob. */
  readonly offset: number;
  /** Stored bytes in the pack; 0 for a blob. */
  readonly length: number;
  readonly encoding: Encoding;
}

/** The place of every blob. */
export const blobPlace: Place = { pack: undefined, offset: 0, length: 0, encoding: storedRaw };

/** Where many objects lie, as columns: 13 bytes each. */
export interface PlaceColumns {
  /** Names of the packs, ascending. */
  readonly packs: readonly string[];
  /** Position in `packs`, or `noPack`. */
  readonly pack: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  readonly encoding: Uint8Array;
}

/** In place of a pack's position: the object is a blob. */
export const noPack = 0xffffffff;

/** One row of the columns. */
export function placeAt(columns: PlaceColumns, i: number): Place {
  const pack = columns.pack[i]!;
  if (pack === noPack) return blobPlace;
  return {
    pack: columns.packs[pack]!,
    offset: columns.offset[i]!,
    length: columns.length[i]!,
    encoding: columns.encoding[i] as Encoding,
  };
}

/** Turns places into columns. */
export function columnsOf(places: readonly Place[]): PlaceColumns {
  const packs = [...new Set(places.flatMap(({ pack }) => (pack === undefined ? [] : [pack])))].sort();
  const position = new Map(packs.map((name, i) => [name, i]));
  const count = places.length;
  const columns = {
    packs,
    pack: new Uint32Array(count),
    offset: new Uint32Array(count),
    length: new Uint32Array(count),
    encoding: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    const place = places[i]!;
    columns.pack[i] = place.pack === undefined ? noPack : position.get(place.pack)!;
    columns.offset[i] = place.offset;
    columns.length[i] = place.length;
    columns.encoding[i] = place.encoding;
  }
  return columns;
}

/** Writes columns: number of packs, their names, then pack, offset, length and encoding of every row. */
export function writePlaces(writer: BinaryWriter, columns: PlaceColumns): void {
  writer
    .u32(columns.packs.length)
    .names(columns.packs)
    .u32s(columns.pack)
    .u32s(columns.offset)
    .u32s(columns.length)
    .bytes(columns.encoding);
}

/** Reads `count` rows. Every length is below `blobMinBytes`, so that a lying file cannot make us ask for more. */
export function readPlaces(reader: BinaryReader, count: number): PlaceColumns {
  const packs = reader.sortedNames(reader.u32(), 'packs');
  const columns = {
    packs,
    pack: reader.u32s(count),
    offset: reader.u32s(count),
    length: reader.u32s(count),
    encoding: reader.u8s(count),
  };
  const used = new Uint8Array(packs.length);
  for (let i = 0; i < count; i++) {
    const pack = columns.pack[i]!;
    const { offset, length, encoding } = {
      offset: columns.offset[i]!,
      length: columns.length[i]!,
      encoding: columns.encoding[i]!,
    };
    if (pack === noPack) {
      if (offset !== 0 || length !== 0 || encoding !== 0) reader.fail('expected zeros for a blob');
    } else {
      if (pack >= packs.length) reader.fail('it names a pack that is not in its table');
      used[pack] = 1;
      checkStored(reader, length, encoding);
    }
  }
  if (used.includes(0)) reader.fail('it lists a pack that it does not use');
  return columns;
}

/** Refuses lengths and encodings no packed object can have. */
export function checkStored(reader: BinaryReader, length: number, encoding: number): void {
  if (length >= blobMinBytes) reader.fail('an object in a pack is too long');
  if (encoding !== storedRaw && encoding !== storedDeflated)
    reader.fail('an object is stored in an unknown way');
}

/** Stores an object's bytes deflated when that saves a quarter or more. Listings shrink by half, images do not. */
export function encodeStored(bytes: Uint8Array): { stored: Uint8Array; encoding: Encoding } {
  const stored = deflateRawSync(bytes, { level: 1 });
  return stored.length <= bytes.length * 0.75
    ? { stored, encoding: storedDeflated }
    : { stored: bytes, encoding: storedRaw };
}

/**
 * The object's bytes, not yet checked against its digest; undefined when they cannot be decoded.
 * Never gives more than a packed object may have, whatever the stream says.
 */
export function decodeStored(stored: Uint8Array, encoding: Encoding): Uint8Array | undefined {
  if (encoding === storedRaw) return stored;
  try {
    return inflateRawSync(stored, { maxOutputLength: blobMinBytes });
  } catch {
    return undefined;
  }
}
