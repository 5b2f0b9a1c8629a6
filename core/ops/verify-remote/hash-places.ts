/** Downloading objects from where a remote has them, to hash them and nothing else. */
import type { Report } from '../../events.ts';
import { DigestBuilder, digestOf } from '../../model/digest.ts';
import { decodeStored, type Place } from '../../model/place.ts';
import { inParallel } from '../../store/in-parallel.ts';
import type { Remote } from '../../store/remote.ts';
import { blobKey, packKey } from '../../store/remote-layout.ts';
import { planRanges } from '../transfer/receive.ts';
import type { WantedObject } from './wanted.ts';

/** Downloads on their way at once, each of at most 8 MiB. */
const readsAtOnce = 4;
const pieceBytes = 8 << 20;

/** An object and the place to look at. */
export interface PlacedObject extends WantedObject {
  readonly place: Place;
}

/** The objects whose places do not hold their bytes. */
export async function hashPlaces(
  remote: Remote,
  objects: readonly PlacedObject[],
  { report, signal }: { report: Report; signal: AbortSignal | undefined },
): Promise<PlacedObject[]> {
  const bad: PlacedObject[] = [];
  const totalBytes = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let files = 0;
  let bytes = 0;
  const note = (object: PlacedObject, good: boolean) => {
    if (!good) bad.push(object);
    files++;
    bytes += object.sizeBytes;
    report({ type: 'progress', task: 'checking', files, totalFiles: objects.length, bytes, totalBytes });
  };
  const byDigest = new Map(objects.map((object) => [object.digest, object]));
  await inParallel(planRanges(objects), readsAtOnce, async (range) => {
    signal?.throwIfAborted();
    const got =
      range.length === 0
        ? new Uint8Array(0)
        : await remote.getRange(packKey(range.pack), range.offset, range.length, { signal });
    for (const { digest, place } of range.objects) {
      const start = place.offset - range.offset;
      const stored = got?.subarray(start, start + place.length);
      const decoded = stored?.length === place.length ? decodeStored(stored, place.encoding) : undefined;
      note(byDigest.get(digest)!, decoded !== undefined && digestOf(decoded) === digest);
    }
  });
  for (const object of objects.filter(({ place }) => place.pack === undefined)) {
    const hash = new DigestBuilder();
    let whole = true;
    for (let at = 0; at < object.sizeBytes && whole; at += pieceBytes) {
      signal?.throwIfAborted();
      const length = Math.min(pieceBytes, object.sizeBytes - at);
      const piece = await remote.getRange(blobKey(object.digest), at, length, { signal });
      whole = piece?.length === length;
      if (piece !== undefined) hash.update(piece);
    }
    note(object, whole && hash.finish() === object.digest);
  }
  return bad;
}
