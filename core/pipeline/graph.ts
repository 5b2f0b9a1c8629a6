/** Stages as a graph: which writes what another reads, in which order they run, what is wrong with it. Pure. */
import { comparePaths, isWithin, parentOf } from '../model/repo-path.ts';

/** What the graph needs to know of a path. */
export interface PathRef {
  readonly path: string;
}

/** What the graph needs to know of a stage. */
export interface Node<Ref extends PathRef = PathRef> {
  readonly name: string;
  readonly deps: readonly Ref[];
  readonly outs: readonly Ref[];
  readonly metrics: readonly Ref[];
}

/** Stages and what connects them. */
export interface Graph {
  /** Every stage after those it reads from; otherwise in the order of the file. */
  readonly order: readonly string[];
  /** Stage → the stages it reads from, directly. */
  readonly upstream: ReadonlyMap<string, ReadonlySet<string>>;
  /** Stage → the stages that read from it, directly. */
  readonly downstream: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Two stages (or one) that write the same path, or one path inside another. */
export interface Overlap<Ref extends PathRef = PathRef> {
  readonly outer: { readonly stage: string; readonly ref: Ref };
  readonly inner: { readonly stage: string; readonly ref: Ref };
}

interface Written<Ref extends PathRef> {
  readonly stage: string;
  readonly ref: Ref;
}

/** Everything stages write, sorted by path. */
function listWritten<Ref extends PathRef>(nodes: readonly Node<Ref>[]): Written<Ref>[] {
  return nodes
    .flatMap(({ name, outs, metrics }) => [...outs, ...metrics].map((ref) => ({ stage: name, ref })))
    .sort((a, b) => comparePaths(a.ref.path, b.ref.path));
}

/** Finds every written path that is the same as, or inside, another one. */
export function findOverlaps<Ref extends PathRef>(nodes: readonly Node<Ref>[]): Overlap<Ref>[] {
  const overlaps: Overlap<Ref>[] = [];
  const seen = new Map<string, Written<Ref>>();
  for (const inner of listWritten(nodes)) {
    for (let path = inner.ref.path; path !== ''; path = parentOf(path)) {
      const outer = seen.get(path);
      if (outer !== undefined) {
        overlaps.push({ outer, inner });
        break;
      }
    }
    if (!seen.has(inner.ref.path)) seen.set(inner.ref.path, inner);
  }
  return overlaps;
}

/** Index of the first written path that is not below `text` in byte order. */
function lowerBound(written: readonly Written<PathRef>[], text: string): number {
  let low = 0;
  let high = written.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePaths(written[middle]!.ref.path, text) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** For each stage the stages that write what it reads: the path itself, one above it, or one inside it. */
function connect(nodes: readonly Node[]): Map<string, Set<string>> {
  const written = listWritten(nodes);
  const writers = new Map<string, string[]>();
  for (const { stage, ref } of written) writers.set(ref.path, [...(writers.get(ref.path) ?? []), stage]);
  const upstream = new Map<string, Set<string>>();
  for (const { name, deps } of nodes) {
    const from = new Set<string>();
    for (const { path: dep } of deps) {
      for (let path = dep; path !== ''; path = parentOf(path)) {
        for (const writer of writers.get(path) ?? []) from.add(writer);
      }
      for (let i = lowerBound(written, `${dep}/`); i < written.length; i++) {
        if (!isWithin(written[i]!.ref.path, dep)) break;
        from.add(written[i]!.stage);
      }
    }
    upstream.set(name, from);
  }
  return upstream;
}

/** The stages a stage reads from that have no place in the order yet, sought depth first. */
function orderOf(
  nodes: readonly Node[],
  upstream: ReadonlyMap<string, ReadonlySet<string>>,
): { order: string[]; cycles: string[][] } {
  const order: string[] = [];
  const cycles: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const rank = new Map(nodes.map((node, i) => [node.name, i]));
  const sorted = (names: ReadonlySet<string>) => [...names].sort((a, b) => rank.get(a)! - rank.get(b)!);
  for (const start of nodes) {
    if (state.has(start.name)) continue;
    // An own stack: a chain of thousands of stages must not exhaust the call stack.
    const stack = [{ name: start.name, rest: sorted(upstream.get(start.name)!) }];
    state.set(start.name, 'open');
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const next = top.rest.shift();
      if (next === undefined) {
        state.set(top.name, 'done');
        order.push(top.name);
        stack.pop();
      } else if (state.get(next) === 'open') {
        const from = stack.findIndex(({ name }) => name === next);
        // The stack runs against the data: who reads comes before who writes.
        cycles.push(
          stack
            .slice(from)
            .map(({ name }) => name)
            .reverse(),
        );
      } else if (!state.has(next)) {
        state.set(next, 'open');
        stack.push({ name: next, rest: sorted(upstream.get(next)!) });
      }
    }
  }
  return { order, cycles };
}

/**
 * Finds stages that wait for each other, one cycle per back edge: `[A, B]` when B reads from A and A from B.
 * A stage that reads what it writes is a cycle of one.
 */
export function findCycles(nodes: readonly Node[]): string[][] {
  return orderOf(nodes, connect(nodes)).cycles;
}

/** Connects stages. Call only when `findCycles` found none. */
export function buildGraph(nodes: readonly Node[]): Graph {
  const upstream = connect(nodes);
  const { order, cycles } = orderOf(nodes, upstream);
  if (cycles.length > 0) throw new Error(`stages in a cycle: ${cycles[0]!.join(', ')}`);
  const downstream = new Map<string, Set<string>>(nodes.map(({ name }) => [name, new Set()]));
  for (const [name, from] of upstream) for (const source of from) downstream.get(source)!.add(name);
  return { order, upstream, downstream };
}

/** Stages and everything that can be reached from them along the given direction. */
export function reach(
  names: Iterable<string>,
  direction: ReadonlyMap<string, ReadonlySet<string>>,
): Set<string> {
  const found = new Set<string>(names);
  for (const name of found) for (const next of direction.get(name) ?? []) found.add(next);
  return found;
}
