/** The graph of stages as text: for people, for Mermaid, for Graphviz, and as plain values. Pure. */
import { isWithin } from '../model/repo-path.ts';
import type { Graph } from './graph.ts';
import { describeProgram, type Stage } from './stage.ts';

/** One stage of a drawn graph. */
export interface DrawnStage {
  readonly name: string;
  readonly command: string;
  readonly deps: readonly string[];
  readonly outs: readonly string[];
  readonly metrics: readonly string[];
  /** The stages it reads from. */
  readonly after: readonly string[];
}

/** What goes from where to where. */
export interface Edge {
  /** The stage that writes the path; null when none does. */
  readonly from: string | null;
  /** The stage that reads the path; null when none does. */
  readonly to: string | null;
  /** The path as its reader names it, else as its writer does. */
  readonly path: string;
}

/** A graph as plain values; stages in the order they run. */
export interface DrawnGraph {
  readonly stages: readonly DrawnStage[];
  readonly edges: readonly Edge[];
}

/** Takes a graph apart. */
export function describeGraph(stages: ReadonlyMap<string, Stage>, graph: Graph): DrawnGraph {
  const paths = (list: Stage['deps']) => list.map(({ path }) => path);
  const drawn = graph.order.map((name): DrawnStage => {
    const stage = stages.get(name)!;
    return {
      name,
      command: describeProgram(stage.program),
      deps: paths(stage.deps),
      outs: paths(stage.outs),
      metrics: paths(stage.metrics),
      after: graph.order.filter((other) => graph.upstream.get(name)!.has(other)),
    };
  });
  const byName = new Map(drawn.map((stage) => [stage.name, stage]));
  const related = (a: string, b: string) => isWithin(a, b) || isWithin(b, a);
  const written = ({ outs, metrics }: DrawnStage) => [...outs, ...metrics];
  const edges: Edge[] = [];
  for (const stage of drawn) {
    for (const path of stage.deps) {
      const writers = stage.after.filter((name) =>
        written(byName.get(name)!).some((out) => related(out, path)),
      );
      for (const from of writers.length === 0 ? [null] : writers) edges.push({ from, to: stage.name, path });
    }
  }
  for (const stage of drawn) {
    const readers = drawn.filter(({ after }) => after.includes(stage.name));
    for (const path of written(stage)) {
      if (!readers.some(({ deps }) => deps.some((dep) => related(dep, path))))
        edges.push({ from: stage.name, to: null, path });
    }
  }
  return { stages: drawn, edges };
}

/** For people: each stage with what it reads (and who writes that) and what it writes. */
export function drawText({ stages, edges }: DrawnGraph): string {
  const lines: string[] = [];
  for (const { name, command, deps, outs, metrics } of stages) {
    lines.push(`${name}  (${command.split('\n')[0]})`);
    for (const path of deps) {
      const from = edges.filter((edge) => edge.to === name && edge.path === path && edge.from !== null);
      const writers = from.length === 0 ? '' : `  from ${from.map((edge) => edge.from).join(', ')}`;
      lines.push(`  ← ${path}${writers}`);
    }
    for (const path of outs) lines.push(`  → ${path}`);
    for (const path of metrics) lines.push(`  → ${path}  (metrics)`);
  }
  return lines.join('\n');
}

/** Ids for stages and for the paths at the ends of the graph. */
function nodesOf({ stages, edges }: DrawnGraph) {
  const stageIds = new Map(stages.map(({ name }, i) => [name, `s${i}`]));
  const ends = edges.flatMap(({ from, to, path }) => (from === null || to === null ? [path] : []));
  const pathIds = new Map([...new Set(ends)].map((path, i) => [path, `p${i}`]));
  return { stageIds, pathIds };
}

/** A flowchart for Mermaid (mermaid.js.org, "Flowcharts"), as GitHub shows it. */
export function drawMermaid(graph: DrawnGraph): string {
  const { stageIds, pathIds } = nodesOf(graph);
  const label = (text: string) =>
    `"${text.replace(/[#"<>&`\\\n]/g, (character) => `#${character.charCodeAt(0)};`)}"`;
  const lines = ['flowchart TD'];
  for (const [name, id] of stageIds) lines.push(`  ${id}[${label(name)}]`);
  for (const [path, id] of pathIds) lines.push(`  ${id}[(${label(path)})]`);
  for (const { from, to, path } of graph.edges) {
    if (from !== null && to !== null)
      lines.push(`  ${stageIds.get(from)} -->|${label(path)}| ${stageIds.get(to)}`);
    else if (to !== null) lines.push(`  ${pathIds.get(path)} --> ${stageIds.get(to)}`);
    else lines.push(`  ${stageIds.get(from!)} --> ${pathIds.get(path)}`);
  }
  return lines.join('\n');
}

/** A graph for Graphviz (graphviz.org, "DOT Language"). */
export function drawDot(graph: DrawnGraph): string {
  const { stageIds, pathIds } = nodesOf(graph);
  const text = (value: string) => `"${value.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n')}"`;
  const lines = ['digraph stages {'];
  for (const [name, id] of stageIds) lines.push(`  ${id} [shape=box, label=${text(name)}];`);
  for (const [path, id] of pathIds) lines.push(`  ${id} [shape=cylinder, label=${text(path)}];`);
  for (const { from, to, path } of graph.edges) {
    if (from !== null && to !== null)
      lines.push(`  ${stageIds.get(from)} -> ${stageIds.get(to)} [label=${text(path)}];`);
    else if (to !== null) lines.push(`  ${pathIds.get(path)} -> ${stageIds.get(to)};`);
    else lines.push(`  ${stageIds.get(from!)} -> ${pathIds.get(path)};`);
  }
  return [...lines, '}'].join('\n');
}
