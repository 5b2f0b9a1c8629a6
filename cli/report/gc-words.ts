/** Words for what `dv gc` found and did. */
import { formatAge } from '../../core/model/age.ts';
import type { Amount, GcResult } from '../../core/ops/gc.ts';
import type { KeyAmount, RemoteGcResult } from '../../core/ops/remote-gc.ts';
import { countOf, formatBytes, formatCount } from './words.ts';

const keeperWords: readonly [keyof GcResult['kept'], string][] = [
  ['workspace', 'needed by a workspace'],
  ['index', 'needed by what is staged in git'],
  ['refs', 'needed by branches, tags and other refs'],
  ['reflogs', 'needed by reflogs, stashes, or a merge or rebase under way'],
  ['runs', 'outputs of recent stage runs'],
];

/** Lines of right-aligned counts and sizes with what they are. */
function table(rows: readonly (readonly [Amount, string])[]): string[] {
  const cells = rows.map(
    ([{ objects, bytes }, what]) => [formatCount(objects), formatBytes(bytes), what] as const,
  );
  const width = (column: 0 | 1) => Math.max(...cells.map((row) => row[column].length));
  return cells.map(
    ([count, size, what]) => `  ${count.padStart(width(0))}  ${size.padStart(width(1))}  ${what}`,
  );
}

/** What a person reads about a gc of the cache. */
export function gcLines(result: GcResult, olderThanMs: number): string[] {
  const { kept, removed, applied } = result;
  const young =
    olderThanMs === Number.POSITIVE_INFINITY ? 'of any age' : `younger than ${formatAge(olderThanMs)}`;
  const rows: (readonly [Amount, string])[] = [
    ...keeperWords.map(([reason, words]) => [kept[reason], words] as const),
    [kept.young, `needed by nothing, but ${young}`],
    [kept.onlyHere, 'needed by nothing, but no remote confirms to hold them'],
  ];
  const shown = rows.filter(([{ objects }]) => objects > 0);
  const extras = [
    ...(result.runs > 0 ? [`${countOf(result.runs, 'old run cache entry', 'old run cache entries')}`] : []),
    ...(result.temporaries > 0 ? [`${countOf(result.temporaries, 'half-written thing')}`] : []),
    ...(result.indexes > 0 ? [`${countOf(result.indexes, 'stat index', 'stat indexes')}`] : []),
  ];
  const goes = [
    ...(removed.objects > 0 || extras.length === 0
      ? [`${countOf(removed.objects, 'object')} (${formatBytes(removed.bytes)})`]
      : []),
    ...extras,
  ].join(', ');
  const nothing = removed.objects === 0 && extras.length === 0;
  return [
    ...(shown.length > 0 ? ['kept:', ...table(shown)] : []),
    ...result.unasked.map(({ remote, reason }) => `${remote} could not be asked what it holds: ${reason}`),
    ...(kept.onlyHere.objects > 0
      ? ['dv push --all sends what branches need; dv gc --yes --force removes what exists only here']
      : []),
    ...(result.shared
      ? [
          'other repositories may need what this one does not: the cache is shared (dv.cache.dir).',
          'name them: dv gc --used-by ../other; if there is none: --used-by .',
        ]
      : []),
    nothing
      ? 'nothing to remove'
      : applied
        ? `removed ${goes}`
        : `could go: ${goes}\nnothing was removed: this was a dry run; the same with --yes removes`,
  ];
}

/** What a person reads about a gc of a remote. */
export function remoteGcLines(result: RemoteGcResult, graceMs: number): string[] {
  const { roots, data, applied, remote } = result;
  const grace = formatAge(graceMs);
  const rows: (readonly [KeyAmount, string])[] = [
    [data.needed, 'packs and large files that refs or roots need'],
    [data.waiting, `needed by nothing, waiting for ${grace} to pass`],
    [roots.needed, 'roots of what refs need'],
    [roots.waiting, `roots no ref needs, waiting for ${grace} to pass`],
  ];
  const shown = rows.filter(([{ keys }]) => keys > 0);
  const keys = data.removed.keys + roots.removed.keys;
  const goes = `${countOf(data.removed.keys, 'pack or large file', 'packs and large files')} (${formatBytes(data.removed.bytes)}), ${countOf(roots.removed.keys, 'root')}`;
  return [
    ...(shown.length > 0
      ? [
          `kept at ${remote}:`,
          ...table(shown.map(([each, what]) => [{ objects: each.keys, bytes: each.bytes }, what])),
        ]
      : []),
    ...(data.unneededInside > 0
      ? [`${formatBytes(data.unneededInside)} inside needed packs are needed by nothing, and stay with them`]
      : []),
    keys === 0
      ? applied
        ? 'nothing to remove yet'
        : 'nothing could go yet'
      : applied
        ? `removed ${goes}`
        : `could go: ${goes}`,
    ...(applied
      ? []
      : [
          'nothing was changed: this was a dry run; dv gc --remote --yes notes what is needed by nothing, and removes what it noted long enough ago',
        ]),
  ];
}
