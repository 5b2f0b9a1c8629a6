/** The text files a person would write for the demo: the pipeline and its parameters. */

/** How much training. */
export interface DemoTraining {
  readonly epochs: number;
  /** Most images after augmentation, all classes together. */
  readonly total: number;
}

/** `params.yaml`: what one turns. */
export const paramsYaml = ({ epochs, total }: DemoTraining) => `train:
  epochs: ${epochs}
  learningRate: 0.001
augment:
  total: ${total}
`;

/** `stages.yaml`: from scans to a score. With `augmented`, the training set goes through `augment` first. */
export const stagesYaml = ({ augmented }: { augmented: boolean }) => `version: 1
stages:
${
  augmented
    ? `  augment:
    uses: augment
    with:
      from: data/train
      to: build/augmented
      total: \${augment.total}
      rotate: 20
      zoom: [0.85, 1.15]
      crop: 0.05
      brightness: 0.15
      seed: 1
`
    : ''
}  records:
    uses: convert
    with: { from: ${augmented ? 'build/augmented' : 'data/train'}, to: build/train }
  test-records:
    uses: convert
    with: { from: data/test, to: build/test }
  train:
    uses: train
    with:
      data: build/train
      out: build/model
      model: resnet50
      until: conv2_block3_out
      size: [32, 32]
      epochs: \${train.epochs}
      batch: 32
      learningRate: \${train.learningRate}
      seed: 1
  evaluate:
    uses: evaluate
    with: { model: build/model, data: build/test, out: build/evaluation, metrics: metrics/evaluate.json }
`;
