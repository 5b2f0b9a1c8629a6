import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildGraph, findCycles, findOverlaps, type Node, reach } from '../../../core/pipeline/graph.ts';

/** A stage of plain paths. */
const node = (name: string, deps: string[], outs: string[], metrics: string[] = []): Node => ({
  name,
  deps: deps.map((path) => ({ path })),
  outs: outs.map((path) => ({ path })),
  metrics: metrics.map((path) => ({ path })),
});

/** The graph as lists that are easy to read. */
const show = (nodes: Node[]) => {
  const { order, upstream } = buildGraph(nodes);
  return order.map((name) => `${name}: ${[...upstream.get(name)!].sort().join(' ')}`.trim());
};

test('stages come after those that write what they read, otherwise in the order of the file', () => {
  expect(
    show([
      node('train', ['b/augmented'], ['b/model']),
      node('lint', ['code'], []),
      node('augment', ['data'], ['b/augmented']),
      node('score', ['b/model', 'data'], [], ['scores.json']),
    ]),
  ).toEqual(['augment:', 'train: augment', 'lint:', 'score: train']);
});

test('a dep inside an out and a dep above outs connect; names that only begin alike do not', () => {
  expect(
    show([
      node('a', [], ['out/a']),
      node('b', [], ['out/b']),
      node('inside', ['out/a/deep/file'], []),
      node('above', ['out'], []),
      node('alike', ['out/a-b', 'ou', 'out/bb'], []),
    ]),
  ).toEqual(['a:', 'b:', 'inside: a', 'above: a b', 'alike:']);
});

test('metrics connect like outs', () => {
  expect(show([node('report', ['m/scores.json'], []), node('score', [], [], ['m/scores.json'])])).toEqual([
    'score:',
    'report: score',
  ]);
});

test('a cycle is told in the direction of the data', () => {
  expect(findCycles([node('b', ['x'], ['y']), node('c', ['y'], ['z']), node('a', ['z'], ['x'])])).toEqual([
    ['c', 'a', 'b'],
  ]);
  expect(findCycles([node('self', ['x/in'], ['x'])])).toEqual([['self']]);
});

test('the same path, or one inside another, written twice is found once for each inner path', () => {
  const overlaps = findOverlaps([
    node('a', [], ['out', 'n']),
    node('b', [], ['out/x/y'], ['n']),
    node('c', [], ['out-z', 'o']),
  ]);
  expect(
    overlaps.map(({ outer, inner }) => `${outer.stage} ${outer.ref.path} > ${inner.stage} ${inner.ref.path}`),
  ).toEqual(['a n > b n', 'a out > b out/x/y']);
});

test('reach follows a direction to its ends', () => {
  const { upstream, downstream } = buildGraph([
    node('a', [], ['1']),
    node('b', ['1'], ['2']),
    node('c', ['2'], ['3']),
    node('d', ['1'], ['4']),
  ]);
  expect([...reach(['c'], upstream)].sort()).toEqual(['a', 'b', 'c']);
  expect([...reach(['b'], downstream)].sort()).toEqual(['b', 'c']);
});

test('any graph whose stages read only from earlier ones has an order that respects it', () => {
  const anyNodes = fc
    .array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
    .map((reads) =>
      reads.map((from, i) =>
        node(
          `s${i}`,
          from.filter((j) => j < i).map((j) => `o/${j}`),
          [`o/${i}`],
        ),
      ),
    )
    .chain((nodes) => fc.shuffledSubarray(nodes, { minLength: nodes.length }));
  fc.assert(
    fc.property(anyNodes, (nodes) => {
      const { order, upstream } = buildGraph(nodes);
      expect(new Set(order)).toEqual(new Set(nodes.map(({ name }) => name)));
      for (const [name, from] of upstream)
        for (const source of from) expect(order.indexOf(source)).toBeLessThan(order.indexOf(name));
    }),
  );
});

test('a chain of ten thousand stages is ordered quickly', () => {
  const nodes = Array.from({ length: 10_000 }, (_, i) =>
    node(`s${i}`, i > 0 ? [`o/${i - 1}`] : [], [`o/${i}`]),
  );
  const startedMs = performance.now();
  expect(buildGraph(nodes.toReversed()).order[9999]).toBe('s9999');
  expect(performance.now() - startedMs).toBeLessThan(2000);
});
