/** Words for what `dv verify` found and healed. */
import { shortDigest } from '../../core/model/digest.ts';
import type { BadObject, VerifyResult } from '../../core/ops/verify.ts';
import type { RemoteProblem, VerifyRemoteResult } from '../../core/ops/verify-remote.ts';
import { countOf, formatBytes, formatCount } from './words.ts';

const mostLines = 20;

function lineOf({ digest, problem, reason, paths, healedFrom }: BadObject): string {
  const where = paths.length === 0 ? 'not in the workspace' : paths.slice(0, 3).join(', ');
  const more = paths.length > 3 ? ` and ${formatCount(paths.length - 3)} more` : '';
  const how =
    healedFrom === undefined
      ? ''
      : `, healed from ${healedFrom === 'workspace' ? 'the workspace' : healedFrom}`;
  const why = reason === undefined ? '' : ` (${reason})`;
  return `  ${problem.padEnd(10)}  ${where}${more}  (sha256:${shortDigest(digest)}…)${why}${how}`;
}

/** What a person reads. */
export function verifyLines(result: VerifyResult, repair: boolean): string[] {
  const { bad, objects, bytes } = result;
  const open = bad.filter(({ healedFrom }) => healedFrom === undefined);
  const shown = [...open, ...bad.filter(({ healedFrom }) => healedFrom !== undefined)];
  const checked = `checked ${countOf(objects, 'object')} (${formatBytes(bytes)})`;
  if (bad.length === 0) return [`${checked}: all are whole`];
  const healed = bad.length - open.length;
  return [
    ...shown.slice(0, mostLines).map(lineOf),
    ...(shown.length > mostLines ? [`  … and ${formatCount(shown.length - mostLines)} more`] : []),
    ...result.unasked.map(({ remote, reason }) => `${remote} could not be asked: ${reason}`),
    `${checked}: ${[
      ...(open.length > 0 ? [`${formatCount(open.length)} bad`] : []),
      ...(healed > 0 ? [`${formatCount(healed)} healed`] : []),
    ].join(', ')}`,
    ...(open.length === 0
      ? []
      : repair
        ? ['what is still bad is neither in the workspace nor on a remote that could be asked']
        : ['dv verify --repair heals from the workspace or a remote']),
  ];
}

/** The exit status: 3 when something is damaged, 12 when something is only missing, 0 when all is whole or healed. */
export function verifyExit({ bad }: VerifyResult): number {
  const open = bad.filter(({ healedFrom }) => healedFrom === undefined);
  if (open.length === 0) return 0;
  return open.every(({ problem }) => problem === 'missing') ? 12 : 3;
}

function problemLine({ key, digest, problem, paths }: RemoteProblem): string {
  const what = key ?? (digest === undefined ? '' : `sha256:${shortDigest(digest)}…, which no idx lists`);
  const used = paths.length === 0 ? '' : `, used by ${paths.slice(0, 3).join(', ')}`;
  const more = paths.length > 3 ? ` and ${formatCount(paths.length - 3)} more` : '';
  return `  ${problem.padEnd(8)}  ${what}${used}${more}`;
}

/** What a person reads about a remote. */
export function verifyRemoteLines(
  result: VerifyRemoteResult,
  how: { repair: boolean; deep: boolean },
): string[] {
  const { problems, open, objects, bytes, remote } = result;
  const checked = `${how.deep ? 'read' : 'looked for'} ${countOf(objects, 'object')} (${formatBytes(bytes)}) at ${remote}`;
  if (problems.length === 0) return [`${checked}: all are ${how.deep ? 'whole' : 'there'}`];
  const shown = open.length > 0 ? open : problems;
  return [
    ...shown.slice(0, mostLines).map(problemLine),
    ...(shown.length > mostLines ? [`  … and ${formatCount(shown.length - mostLines)} more`] : []),
    `${checked}: ${countOf(problems.length, 'problem')}${how.repair ? `, ${formatCount(problems.length - open.length)} healed from the cache` : ''}`,
    ...(open.length === 0
      ? []
      : how.repair
        ? ['the rest is not in this cache: dv verify --remote --repair where the data is']
        : ['dv verify --remote --repair puts again what this cache has']),
  ];
}

/** The exit status: 3 when something is damaged, 12 when something is only missing, 0 when all is well or healed. */
export function verifyRemoteExit({ open }: VerifyRemoteResult): number {
  if (open.length === 0) return 0;
  return open.every(({ problem }) => problem === 'missing') ? 12 : 3;
}
