/** Sets images aside to validate on. */
import { Random } from '../random.ts';

/** Two parts of a set. */
export interface Split<Item> {
  readonly training: Item[];
  readonly validation: Item[];
}

/**
 * Sets a share of each class aside, chosen by seed: the share of its images to the nearest, at least one of two,
 * and never all. Both parts keep the order of the set.
 * @param share 0..0.9.
 */
export function holdOut<Item extends { readonly label: number }>(
  items: readonly Item[],
  share: number,
  seed: number,
): Split<Item> {
  const byLabel = new Map<number, Item[]>();
  for (const item of items) {
    const sameLabel = byLabel.get(item.label);
    if (sameLabel) sameLabel.push(item);
    else byLabel.set(item.label, [item]);
  }
  const chosen = new Set<Item>();
  for (const [label, group] of byLabel) {
    const count = share === 0 ? 0 : Math.min(group.length - 1, Math.max(1, Math.round(group.length * share)));
    for (const item of new Random(seed, 'hold out', label).shuffled(group).slice(0, count)) chosen.add(item);
  }
  return {
    training: items.filter((item) => !chosen.has(item)),
    validation: items.filter((item) => chosen.has(item)),
  };
}
