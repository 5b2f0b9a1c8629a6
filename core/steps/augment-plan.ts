/** Which images `augment` keeps and which variants it adds: values only, nothing is read. */
import { byBytes, type ImageFile } from './class-folders.ts';
import { Random } from './random.ts';

/** One variant to make. */
export interface PlannedVariant {
  /** 1 for the source's first variant, and so on; part of what its randomness is drawn from. */
  readonly number: number;
  /** Path of the variant, relative to the output folder. */
  readonly path: string;
}

/** What becomes of one original that is kept. */
export interface PlannedSource {
  /** Path of the original, in the input and in the output folder. */
  readonly path: string;
  readonly variants: readonly PlannedVariant[];
}

/** What `augment` is going to write. */
export interface AugmentPlan {
  /** In order of class and path. */
  readonly sources: readonly PlannedSource[];
  /** How many originals were left out because there are more than the cap. */
  readonly leftOut: number;
  /** How many variants are added. */
  readonly added: number;
}

/**
 * How many images each class is to have in the end.
 *
 * Balanced: the same number for all. That is total/classes; but originals are not thrown away while they fit, so
 * where a class has more than that, the others share what it leaves. Not balanced: the classes keep their proportions.
 * @param counts originals per class, at least 1 each.
 * @param total at least the number of classes.
 * @returns a target per class, at least 1 each, `total` at most in all. Less than the count where originals must go.
 */
export function classTargets(
  counts: readonly number[],
  { total, balance }: { total: number; balance: boolean },
): number[] {
  const originals = counts.reduce((sum, count) => sum + count, 0);
  if (!balance) {
    const targets = counts.map((count) => Math.max(1, Math.floor((count * total) / originals)));
    // Classes rounded up to their one image may have broken the cap; the largest give way.
    let excess = targets.reduce((sum, target) => sum + target, 0) - total;
    for (; excess > 0; excess--) targets[targets.indexOf(Math.max(...targets))]! -= 1;
    return targets;
  }
  if (originals > total) return counts.map(() => Math.floor(total / counts.length));
  // The highest level to which all smaller classes can be filled: take out the larger ones until it is stable.
  let left = total;
  let open = counts.length;
  for (const count of [...counts].sort((a, b) => b - a)) {
    if (count * open <= left) break;
    left -= count;
    open--;
  }
  const level = open === 0 ? 0 : Math.floor(left / open);
  return counts.map((count) => Math.max(count, level));
}

/**
 * Plans the output. Each decision is drawn from the seed and the names it is about, so that one image more or less
 * changes as little as possible in the rest.
 * @param files the readable originals, every class with at least one.
 */
export function planAugment(
  files: readonly ImageFile[],
  { total, balance, seed }: { total: number; balance: boolean; seed: number },
): AugmentPlan {
  const byClass = new Map<string, ImageFile[]>();
  for (const file of files) {
    const others = byClass.get(file.className);
    if (others) others.push(file);
    else byClass.set(file.className, [file]);
  }
  const classes = [...byClass.keys()].sort(byBytes);
  const counts = classes.map((name) => byClass.get(name)!.length);
  const targets = classTargets(counts, { total, balance });
  const sources: PlannedSource[] = [];
  const taken = new Set(files.map((file) => file.path.toLowerCase()));
  let added = 0;
  for (const [index, className] of classes.entries()) {
    const target = targets[index]!;
    /** The class's originals in the order of a draw per name: the first are kept, and get variants first. */
    const drawn = byClass
      .get(className)!
      .map(({ path }) => ({ path, draw: new Random(seed, 'order', path).next() }))
      .sort((a, b) => a.draw - b.draw || byBytes(a.path, b.path))
      .slice(0, target);
    const missing = target - drawn.length;
    added += missing;
    const planned = drawn.map(({ path }, rank) => {
      const variants = Math.floor(missing / drawn.length) + (rank < missing % drawn.length ? 1 : 0);
      return { path, variants };
    });
    // Names are given in order of path: which of two equal stems comes first must not depend on the draw.
    for (const { path, variants } of planned.sort((a, b) => byBytes(a.path, b.path)))
      sources.push({ path, variants: nameVariants(path, variants, taken) });
  }
  return { sources, leftOut: files.length - sources.length, added };
}

/** Names for the variants of a source: `<stem>-aug-0001.png`, counting on where a name is taken. */
function nameVariants(path: string, count: number, taken: Set<string>): PlannedVariant[] {
  const stem = path.replace(/(?<=[^/])\.[^./]+$/, '');
  const variants: PlannedVariant[] = [];
  for (let suffix = 1; variants.length < count; suffix++) {
    const name = `${stem}-aug-${String(suffix).padStart(4, '0')}.png`;
    // Compared in lower case, for file systems that do not tell the cases apart.
    if (taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    variants.push({ number: variants.length + 1, path: name });
  }
  return variants;
}
