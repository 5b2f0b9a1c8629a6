import { DvError } from '../../core/errors.ts';
import { requirePipeline } from '../../core/ops/repro.ts';
import { describeGraph, drawDot, drawMermaid, drawText } from '../../core/pipeline/draw.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand<{ mermaid: boolean; dot: boolean }>({
  usage: 'dag',
  summary: 'show how stages depend on each other',
  examples: [
    ['dv dag', 'each stage with what it reads and writes, in the order they run'],
    ['dv dag --mermaid', 'a flowchart that GitHub shows as a picture'],
    ['dv dag --dot | dot -Tsvg > dag.svg', 'a picture by Graphviz'],
  ],
  exits: [10],
  options: (yargs) =>
    yargs
      .option('mermaid', { describe: 'as a Mermaid flowchart', type: 'boolean', default: false })
      .option('dot', { describe: 'as a Graphviz graph', type: 'boolean', default: false }),
  async run({ mermaid, dot }, context) {
    if (mermaid && dot)
      throw new DvError('usage', { message: 'dag: either --mermaid or --dot', hint: 'dv dag --help' });
    const { stages, graph } = await requirePipeline(context.repo());
    const value = describeGraph(stages, graph);
    const text = mermaid ? drawMermaid(value) : dot ? drawDot(value) : drawText(value);
    return { value, text: text || 'stages.yaml has no stages' };
  },
});
