/** What a run of the model test has around it: chance from a seed, names, contents, and commands that are killed. */
import type { Model } from './model.ts';
import type { World } from './world.ts';

/** Names that may be tracked; those that end in `.bin` are single files. */
export const names = [
  'a/alpha',
  'b/beta',
  'c/gamma',
  'f/delta',
  'd/one.bin',
  'e/two.bin',
  'g/three.bin',
] as const;

/** Whether a tracked path is a single file. */
export const isFile = (path: string) => path.endsWith('.bin');
export const branchNames = ['main', 'one', 'two', 'three', 'four'];
export const fileNames = ['p', 'q', 'r', 'sub/s', 'sub/t', 'deep/er/u', 'v w'];

/** Chance, from a seed. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Mulberry32: 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(items.length)];
  }
}

/** One run's surroundings. */
export interface Run {
  readonly model: Model;
  readonly world: World;
  readonly chance: Chance;
  /** Counts contents, so that each can be told from the others. */
  contents: number;
  /** Whether data may be recorded without its bytes; then nothing is pushed, and no cache is lost. */
  readonly withoutBytes: boolean;
}

/** Something a user may do, with the words for it; undefined when it is not possible now. */
export type Operation = (run: Run) => { readonly words: string; do(): Promise<void> } | undefined;

/**
 * A content nobody has had, or one out of a few, so that files with equal bytes come about. Those that begin with `x` are
 * executable; a pointer to a single file does not say whether it is.
 */
export function newContent(run: Run, path: string): string {
  const { chance } = run;
  const executable = !isFile(path) && chance.below(6) === 0 ? 'x ' : '';
  if (chance.below(5) === 0) return `${executable}${['same', 'other'][chance.below(2)]}`;
  return `${executable}content ${++run.contents}${chance.below(30) === 0 ? ' '.repeat(70_000) : ''}`;
}

/** One time in so many, a dv command is killed somewhere and said again; otherwise it runs in this process. */
export async function killed(
  run: Run,
  args: readonly string[],
  also: readonly number[] = [],
): Promise<boolean> {
  const { chance, world } = run;
  if (chance.below(12) !== 0) return false;
  await world.dv(args, { at: 1 + chance.below(60), middle: chance.below(3) === 0 });
  const again = await world.dv(args);
  if (again.status !== 0 && !also.includes(again.status)) {
    throw new Error(
      `dv ${args.join(' ')}, killed and said again, ended with ${again.status}: ${again.stderr}`,
    );
  }
  return true;
}
