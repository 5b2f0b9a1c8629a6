/**
 * Maps items with several of them under way at once, and yields the results in the order of the items. No
 * more than `atOnce` results wait, whatever the consumer's pace.
 * @param signal when aborted, nothing new is started and the signal's reason is thrown.
 * @throws what `map` throws, for the first such item in order; those under way are waited for.
 */
export async function* mapOrdered<Item, Result>(
  items: Iterable<Item>,
  { atOnce, signal }: { atOnce: number; signal: AbortSignal },
  map: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  try {
    for (const item of items) {
      signal.throwIfAborted();
      const result = map(item);
      // Its failure is reported when its turn comes; until then it is not an unhandled one.
      result.catch(() => {});
      underWay.push(result);
      if (underWay.length >= atOnce) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
  }
}
