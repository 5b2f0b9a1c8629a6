/** What `dv repro` would do, from values alone: which stages, in which order, what is stale and why. Pure. */
import { DvError } from '../errors.ts';
import { type Graph, reach } from './graph.ts';
import type { StagesLock } from './lock-file.ts';
import type { Stage } from './stage.ts';
import { type Found, judgeStage } from './staleness.ts';

/** How a stage stands. */
export type StageState = 'fresh' | 'stale' | 'never-run' | 'frozen';

/** One stage of a plan. */
export interface PlannedStage {
  readonly name: string;
  readonly state: StageState;
  /** Why it is not fresh, most important first. */
  readonly reasons: readonly string[];
  /**
   * Whether nothing but stages before it makes it stale: when these write what they wrote before, it stays
   * fresh after all.
   */
  readonly waits: boolean;
}

/** What to bring up to date. */
export interface Selection {
  /** Stages named by the user; none means all. */
  readonly stages: readonly string[];
  /** Also what reads from the named stages. */
  readonly downstream: boolean;
}

/** The stages to look at, in the order to run them. @throws {DvError} unknown-stage */
export function selectStages(graph: Graph, selection: Selection): string[] {
  const unknown = selection.stages.find((name) => !graph.upstream.has(name));
  if (unknown !== undefined) throw new DvError('unknown-stage', { stage: unknown, known: [...graph.order] });
  if (selection.stages.length === 0) return [...graph.order];
  const named = selection.downstream ? reach(selection.stages, graph.downstream) : selection.stages;
  const wanted = reach(named, graph.upstream);
  return graph.order.filter((name) => wanted.has(name));
}

/** What a plan is made from. */
export interface PlanInput {
  readonly stages: ReadonlyMap<string, Stage>;
  readonly graph: Graph;
  readonly lock: StagesLock;
  /** The stages to plan, in order, as `selectStages` gives them. */
  readonly selected: readonly string[];
  /** Stages to run whether or not they are stale. */
  readonly forced: ReadonlySet<string>;
  /** What is at a path of the workspace now. */
  readonly found: Found;
  readonly env: NodeJS.ProcessEnv;
}

/** Plans. Nothing is run, so that what a stale stage will write is not known: what reads it `waits`. */
export function planRepro(input: PlanInput): PlannedStage[] {
  const planned = new Map<string, PlannedStage>();
  for (const name of input.selected) {
    const stage = input.stages.get(name)!;
    const entry = input.lock.get(name);
    const { inputReasons, outputReasons, missing } = judgeStage(stage, entry, input.found, input.env);
    const before = [...input.graph.upstream.get(name)!].filter((upstream) => {
      const state = planned.get(upstream)?.state;
      return state === 'stale' || state === 'never-run';
    });
    const own = [
      ...(stage.always ? ['always'] : []),
      ...(input.forced.has(name) ? ['forced'] : []),
      // What is missing because the stage that writes it is about to run is no reason of its own.
      ...inputReasons.filter(
        (reason) => before.length === 0 || !missing.some((path) => reason === `dep ${path} is missing`),
      ),
      ...outputReasons,
    ];
    const reasons = [...own, ...before.map((upstream) => `after ${upstream}, which is stale`)];
    const state: StageState = stage.frozen
      ? 'frozen'
      : reasons.length === 0
        ? 'fresh'
        : entry === undefined
          ? 'never-run'
          : 'stale';
    planned.set(name, {
      name,
      state,
      reasons: stage.frozen ? [] : reasons,
      waits: !stage.frozen && own.length === 0 && before.length > 0,
    });
  }
  return [...planned.values()];
}
