/** Reads objects from where a remote has them: in ranges of packs, or whole. */
import { type Digest, digestOf } from '../../model/digest.ts';
import { decodeStored, type Place } from '../../model/place.ts';
import type { CacheWriter } from '../../store/cache-writer.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { blobKey, packKey } from '../../store/remote-layout.ts';
import { ByteBudget } from './byte-budget.ts';

/** Ranges are joined over gaps of up to this many bytes: reading them costs less than another request. */
export const joinGapBytes = 256 << 10;
/** A range is at most this long, unless one object is. */
export const rangeBytes = 8 << 20;
/** Ranges and large objects on their way at once, as far as memory allows. */
const rangesAtOnce = 16;
/** Bytes in memory together: what has been asked for and is not yet written. */
const memoryBytes = 96 << 20;
/** Large objects are asked for in pieces of this many bytes, at least so many of them ahead. */
const pieceBytes = 8 << 20;
const leastAhead = 4;
/** Small objects of so many bytes are settled in the cache together: a pull that is cut keeps all but the last of these. */
const waveBytes = 512 << 20;

/** An object to receive. */
export interface Wanted {
  readonly digest: Digest;
  /** What the listing that names it says; of a listing itself, 0: nobody says. */
  readonly sizeBytes: number;
  readonly place: Place;
}

/** Part of a pack to ask for at once, and what is wanted of it. */
export interface Range {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly objects: readonly Wanted[];
}

/** Cuts what is wanted of packs into ranges: in order of place, joined over small gaps. */
export function planRanges(wanted: readonly Wanted[]): Range[] {
  const byPack = new Map<string, Wanted[]>();
  for (const object of wanted) {
    const { pack } = object.place;
    if (pack === undefined) continue;
    const others = byPack.get(pack);
    if (others === undefined) byPack.set(pack, [object]);
    else others.push(object);
  }
  const ranges: Range[] = [];
  for (const [pack, objects] of byPack) {
    objects.sort((a, b) => a.place.offset - b.place.offset);
    let first = 0;
    let start = objects[0]!.place.offset;
    let end = start;
    objects.forEach((object, i) => {
      const { offset, length } = object.place;
      if (i > first && (offset - end > joinGapBytes || offset + length - start > rangeBytes)) {
        ranges.push({ pack, offset: start, length: end - start, objects: objects.slice(first, i) });
        first = i;
        start = offset;
        end = offset;
      }
      end = Math.max(end, offset + length);
    });
    ranges.push({ pack, offset: start, length: end - start, objects: objects.slice(first) });
  }
  return ranges;
}

/** Reads an object of a few megabytes into memory from the first of its places that has it whole. */
export async function readPlaced(
  remote: Remote,
  places: readonly Place[],
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  for (const { pack, offset, length, encoding } of places) {
    const stored =
      pack === undefined
        ? await remote.get(blobKey(digest), { signal })
        : await remote.getRange(packKey(pack), offset, length, { signal });
    const bytes = stored === undefined ? undefined : decodeStored(stored, encoding);
    if (bytes !== undefined && digestOf(bytes) === digest) return bytes;
  }
  return undefined;
}

/** What receiving needs. */
export interface ReceiveOptions {
  readonly remote: Remote;
  readonly writer: CacheWriter;
  /** Whether small objects stay together in packs of the cache; by default each becomes a file. */
  readonly pack?: boolean;
  /** Called as objects arrive. */
  readonly advance: (files: number, bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Receives objects into the cache.
 * @returns those whose place does not hold their bytes.
 * @throws {DvError} disk-full, not-writable, remote-*
 */
export async function receive(wanted: readonly Wanted[], options: ReceiveOptions): Promise<Wanted[]> {
  const failed: Wanted[] = [];
  const memory = new ByteBudget(memoryBytes);
  const ranges = planRanges(wanted);
  for (let at = 0; at < ranges.length; ) {
    let end = at;
    for (
      let bytes = 0;
      end < ranges.length && (end === at || bytes + ranges[end]!.length <= waveBytes);
      end++
    ) {
      bytes += ranges[end]!.length;
    }
    await inParallel(ranges.slice(at, end), rangesAtOnce, async (range) => {
      options.signal?.throwIfAborted();
      failed.push(...(await memory.hold(range.length, () => receiveRange(range, options))));
    });
    await options.writer.commit();
    at = end;
  }
  const blobs = wanted.filter(({ place }) => place.pack === undefined);
  const piecesAhead = Math.max(leastAhead, Math.floor(memoryBytes / pieceBytes / blobs.length));
  const spaces: SharedArrayBuffer[] = [];
  await inParallel(blobs, rangesAtOnce, async (blob) => {
    options.signal?.throwIfAborted();
    const most = piecesAhead * pieceBytes;
    await memory.hold(Math.min(blob.sizeBytes || most, most), async () => {
      if (!(await receiveBlob(blob, { ...options, piecesAhead, spaces }))) failed.push(blob);
    });
  });
  return failed;
}

async function receiveRange(range: Range, options: ReceiveOptions): Promise<Wanted[]> {
  const { remote, writer, signal } = options;
  const bytes =
    range.length === 0
      ? new Uint8Array(0)
      : await remote.getRange(packKey(range.pack), range.offset, range.length, { signal });
  if (bytes === undefined) return [...range.objects];
  const part = {
    bytes,
    digests: range.objects.map((object) => object.digest),
    offsets: range.objects.map((object) => object.place.offset - range.offset),
    lengths: range.objects.map((object) => object.place.length),
    encodings: range.objects.map((object) => object.place.encoding),
  };
  const result = await writer.unpack(part, options.pack === true);
  options.advance(range.objects.length - result.damaged.length, result.bytes);
  if (result.damaged.length === 0) return [];
  const damaged = new Set(result.damaged);
  return range.objects.filter((object) => damaged.has(object.digest));
}

/**
 * Receives a large object piece by piece; `false` when it is not there or not whole.
 * @param options `piecesAhead` bounds its pieces in memory; `spaces` is memory of pieces to use again, shared with the threads that write them.
 */
async function receiveBlob(
  { digest, ...wanted }: Wanted,
  options: ReceiveOptions & { piecesAhead: number; spaces: SharedArrayBuffer[] },
): Promise<boolean> {
  const { remote, writer, signal, piecesAhead, spaces } = options;
  const key = blobKey(digest);
  const sizeBytes = wanted.sizeBytes > 0 ? wanted.sizeBytes : (await remote.head(key, { signal }))?.sizeBytes;
  if (sizeBytes === undefined) return false;
  let gone = false;
  const pieces = async function* () {
    const asked: { piece: Promise<Uint8Array | undefined>; space: SharedArrayBuffer }[] = [];
    let next = 0;
    const ask = () => {
      if (next >= sizeBytes) return;
      const space = spaces.pop() ?? new SharedArrayBuffer(pieceBytes);
      const into = new Uint8Array(space, 0, Math.min(pieceBytes, sizeBytes - next));
      const piece = remote.getRange(key, next, into.length, { signal, into });
      // A piece that fails is met in its turn; until then it is no unhandled rejection.
      piece.catch(() => {});
      asked.push({ piece, space });
      next += into.length;
    };
    try {
      while (asked.length < piecesAhead && next < sizeBytes) ask();
      for (let first = asked.shift(); first !== undefined; first = asked.shift()) {
        const bytes = await first.piece;
        if (bytes === undefined) {
          gone = true;
          return;
        }
        yield bytes;
        spaces.push(first.space);
        options.advance(0, bytes.length);
        ask();
      }
    } finally {
      // Until the last has come they take memory.
      await Promise.allSettled(asked.map(({ piece }) => piece));
    }
  };
  const whole = await writer.receive(digest, pieces());
  if (whole && !gone) options.advance(1, 0);
  return whole && !gone;
}
