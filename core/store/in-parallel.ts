/** Runs many things, a few at a time. */

/**
 * Does something for each item, at most `limit` at once, and gives the results in order. After a failure
 * nothing new is started; it is thrown once everything started has ended.
 */
export async function inParallel<Item, Result>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item, position: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const iterator = items[Symbol.iterator]();
  let started = 0;
  let failed: { error: unknown } | undefined;
  const lane = async () => {
    while (failed === undefined) {
      const next = iterator.next();
      if (next.done) return;
      const position = started++;
      try {
        results[position] = await work(next.value, position);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
  if (failed !== undefined) throw (failed as { error: unknown }).error;
  return results;
}
