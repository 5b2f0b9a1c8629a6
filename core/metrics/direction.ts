/** Whether more of a metric is better, told from its name. */

/** Which way a metric improves; undefined where the name does not say. */
export type Better = 'higher' | 'lower' | undefined;

const lower =
  'loss losses error errors err mae mse rmse mape smape perplexity wer cer nll entropy crossentropy divergence kl ' +
  'brier ece fpr fnr fdr eer fid seconds time duration latency ms millis wrong mistakes missed failures failed ' +
  'misses invalid unreadable';
const higher =
  'accuracy acc f1 f2 fscore fbeta precision recall sensitivity specificity auc auroc auprc roc ap map ndcg mrr iou ' +
  'miou dice jaccard kappa mcc tpr tnr ppv npv bleu rouge meteor r2 score top1 top3 top5 psnr ssim throughput ' +
  'correct hits';
const words = new Map<string, Better>([
  ...lower.split(' ').map((word) => [word, 'lower'] as const),
  ...higher.split(' ').map((word) => [word, 'higher'] as const),
]);

/**
 * Which way a metric with this key improves: `test.macroF1` higher, `classes.cat.loss` lower, `epochs`
 * undefined. The last word that says anything decides; `…_per_second` is a rate, so higher.
 */
export function betterOf(key: string): Better {
  const parts = key
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '');
  if (parts.at(-2) === 'per') return 'higher';
  for (let i = parts.length - 1; i >= 0; i--) {
    const found = words.get(parts[i]!);
    if (found !== undefined) return found;
  }
  return undefined;
}
