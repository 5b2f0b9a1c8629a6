/** Classes are compared by name and order: a label is an index. */

/** Names what is in one list of classes and not in another, or that their order differs; undefined when equal. */
export function classDifference(wanted: readonly string[], found: readonly string[]): string | undefined {
  const missing = wanted.filter((name) => !found.includes(name));
  const unknown = found.filter((name) => !wanted.includes(name));
  if (missing.length > 0 || unknown.length > 0)
    return [
      ...(missing.length > 0 ? [`without ${missing.join(', ')}`] : []),
      ...(unknown.length > 0 ? [`with ${unknown.join(', ')}`] : []),
    ].join(' and ');
  if (wanted.join('\n') !== found.join('\n')) return `in another order: ${found.join(', ')}`;
  return undefined;
}
