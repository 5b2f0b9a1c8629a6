import { beforeAll, expect, test } from 'vitest';
import {
  type DrawnGraph,
  describeGraph,
  drawDot,
  drawMermaid,
  drawText,
} from '../../../core/pipeline/draw.ts';
import { buildGraph } from '../../../core/pipeline/graph.ts';
import { parseStages } from '../../../core/pipeline/stages-file.ts';

const text = `version: 1
stages:
  score:
    cmd: score "it"
    deps: [build/model/weights, data/val]
    metrics: [scores.json]
  train:
    cmd: |
      prepare
      train
    deps: [build/records, code]
    outs: [build/model]
  convert:
    uses: convert
    with: { from: data/raw, to: build/records }
`;

let graph: DrawnGraph;
beforeAll(async () => {
  const stages = await parseStages({ file: 'stages.yaml', text });
  graph = describeGraph(new Map(stages.map((stage) => [stage.name, stage])), buildGraph(stages));
});

test('as values: stages in the order they run, and what goes where', () => {
  expect(graph.stages.map(({ name, after }) => [name, after])).toEqual([
    ['convert', []],
    ['train', ['convert']],
    ['score', ['train']],
  ]);
  expect(graph.edges).toEqual([
    { from: null, to: 'convert', path: 'data/raw' },
    { from: 'convert', to: 'train', path: 'build/records' },
    { from: null, to: 'train', path: 'code' },
    { from: 'train', to: 'score', path: 'build/model/weights' },
    { from: null, to: 'score', path: 'data/val' },
    { from: 'score', to: null, path: 'scores.json' },
  ]);
});

test('as text', () => {
  expect(drawText(graph)).toMatchInlineSnapshot(`
    "convert  (step convert)
      ← data/raw
      → build/records
    train  (prepare)
      ← build/records  from convert
      ← code
      → build/model
    score  (score "it")
      ← build/model/weights  from train
      ← data/val
      → scores.json  (metrics)"
  `);
});

test('as Mermaid', () => {
  expect(drawMermaid(graph)).toMatchInlineSnapshot(`
    "flowchart TD
      s0["convert"]
      s1["train"]
      s2["score"]
      p0[("data/raw")]
      p1[("code")]
      p2[("data/val")]
      p3[("scores.json")]
      p0 --> s0
      s0 -->|"build/records"| s1
      p1 --> s1
      s1 -->|"build/model/weights"| s2
      p2 --> s2
      s2 --> p3"
  `);
});

test('as DOT', () => {
  expect(drawDot(graph)).toMatchInlineSnapshot(`
    "digraph stages {
      s0 [shape=box, label="convert"];
      s1 [shape=box, label="train"];
      s2 [shape=box, label="score"];
      p0 [shape=cylinder, label="data/raw"];
      p1 [shape=cylinder, label="code"];
      p2 [shape=cylinder, label="data/val"];
      p3 [shape=cylinder, label="scores.json"];
      p0 -> s0;
      s0 -> s1 [label="build/records"];
      p1 -> s1;
      s1 -> s2 [label="build/model/weights"];
      p2 -> s2;
      s2 -> p3;
    }"
  `);
});

test('names cannot break out of their labels', () => {
  const odd: DrawnGraph = {
    stages: [{ name: 'a', command: 'x', deps: ['"]; x'], outs: [], metrics: [], after: [] }],
    edges: [{ from: null, to: 'a', path: '"]; \\x<b>' }],
  };
  expect(drawMermaid(odd)).toContain('p0[("#34;]; #92;x#60;b#62;")]');
  expect(drawDot(odd)).toContain('label="\\"]; \\\\x<b>"');
});
