/**
 * The few lines of sh git runs for an event. They run the hook that was there before dv, then dv: the program
 * that wrote them, or else whatever `dv` is on PATH.
 */
import { askIndexed, followedNote, indexedFiles } from '../core/store/followed.ts';
import type { HookEvent } from './events.ts';

/** Raised when the text of shims changes in a way that matters to hooks already installed. */
const shimVersion = 2;

/** What marks a hook as ours, in its second line. */
const marker = '# dv-hook';

/** The ending of the name under which a hook that was there before is kept. */
export const keptSuffix = '.before-dv';

/** How to start the dv that writes a shim. */
export interface Launcher {
  /** Absolute path of the node program. */
  readonly node: string;
  /** Absolute path of dv's main script. */
  readonly main: string;
}

/** What a shim depends on. */
export interface ShimOptions {
  /** Left out of hooks that other people get too, as their machines have other paths. */
  readonly launcher?: Launcher;
  /** The shell that understands the hook kept beside this one, as words for sh (`/usr/bin/env bash`), when it is a shell script. */
  readonly keptShell?: string;
}

/** Whether a hook's text was written by dv, in any version. */
export function isShim(text: string): boolean {
  return text.split('\n', 2)[1]?.startsWith(`${marker} `) ?? false;
}

/** A word for sh that stands for exactly this text. */
export function quoteWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The text of a shim.
 *
 * A kept hook gets the same arguments and standard input. If it is a shell script, its shell reads it with `$0`
 * as it was, because hook managers find their own files by it.
 */
export function shimText(event: HookEvent, options: ShimOptions): string {
  const before = event.startsWith('pre-');
  const run =
    options.keptShell === undefined
      ? '"$kept" "$@"'
      : `${options.keptShell} -c '. "\${0%/*}/${event}${keptSuffix}"' "$0" "$@"`;
  const lines = [
    '#!/bin/sh',
    `${marker} ${shimVersion}: written by \`dv init\`, taken away by \`dv hook uninstall\`.`,
    `# A hook that was here before is kept in ${event}${keptSuffix}, and runs first.`,
    `kept="\${0%/*}/${event}${keptSuffix}"`,
    'status=0',
    // Both hooks read the list of refs.
    ...(event === 'pre-push' ? ['refs=$(cat)', `feed() { [ -z "$refs" ] || printf '%s\\n' "$refs"; }`] : []),
    `if [ -x "$kept" ]; then`,
    `  ${event === 'pre-push' ? `feed | ${run}` : run}`,
    before ? `  status=$?; [ "$status" -eq 0 ] || exit "$status"` : '  status=$?',
    'fi',
    ...nothingToDo(event),
    'run() {',
    ...(options.launcher === undefined
      ? []
      : [
          `  node=${quoteWord(options.launcher.node)} main=${quoteWord(options.launcher.main)}`,
          `  if [ -x "$node" ] && [ -f "$main" ]; then "$node" "$main" hook ${event} "$@"; return; fi`,
        ]),
    `  for dv in git-dv dv; do`,
    `    if command -v "$dv" >/dev/null 2>&1; then "$dv" hook ${event} "$@"; return; fi`,
    '  done',
    ...missing(event),
    '}',
    event === 'pre-push' ? 'feed | run "$@"' : 'run "$@"',
    `result=$?`,
    before ? `exit "$result"` : `[ "$status" -ne 0 ] && exit "$status"; exit "$result"`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * Ends the hook before dv is started, which takes fifty times as long as these lines. It has nothing to do where
 * git's index has the pointers it had when dv last followed them (core/store/followed.ts).
 */
function nothingToDo(event: HookEvent): string[] {
  const conditions = quickEnd[event];
  if (conditions === undefined) return [];
  const question = [...askIndexed, ...indexedFiles].map(quoteWord).join(' ');
  // As core/store/git.ts takes them away.
  const variables = ['LITERAL', 'GLOB', 'NOGLOB', 'ICASE']
    .map((kind) => `GIT_${kind}_PATHSPECS`)
    .concat('GIT_INTERNAL_SUPER_PREFIX')
    .join(' ');
  return [
    // In linked worktrees and submodules, .git is a file: `gitdir: <folder>`.
    `dir=\${GIT_DIR:-.git}`,
    `[ ! -f "$dir" ] || { IFS= read -r dir < "$dir"; dir=\${dir#gitdir: }; }`,
    // Without a note there is nothing to do only where dv has never put data.
    `followed() { { [ -f "$dir/${followedNote}" ] || [ ! -d "$dir/dv/index" ]; } &&`,
    `  [ "$(unset ${variables}; git ${question})" = "$(cat "$dir/${followedNote}" 2>/dev/null)" ]; }`,
    ...conditions,
  ];
}

/** A stage that asks for the event is dv's to look at. */
const noStages = (event: HookEvent) => `! grep -q ${event} stages.yaml 2>/dev/null`;

const quickEnd: Partial<Record<HookEvent, readonly string[]>> = {
  'post-index-change': [
    // git that dv itself has started, or a temporary index as git stash makes it.
    '[ -z "$DV_CALLS_GIT" ] || exit "$status"',
    'case "$GIT_INDEX_FILE" in ""|index|*/index) ;; *) exit "$status";; esac',
    // git-sparse-checkout(1) does not say that it updated the workspace.
    '[ "$1" = 1 ] || [ -f "$dir/info/sparse-checkout" ] || exit "$status"',
    'followed && exit "$status"',
  ],
  // A checkout of files can change pointers that the index has as before.
  'post-checkout': [`[ "$3" = 1 ] && ${noStages('post-checkout')} && followed && exit "$status"`],
  'post-merge': [`${noStages('post-merge')} && followed && exit "$status"`],
  'post-rewrite': [
    '[ "$1" != amend ] || exit "$status"',
    `${noStages('post-rewrite')} && followed && exit "$status"`,
  ],
};

/** What happens without dv: it matters only where there are pointers, and stops only a push. */
function missing(event: HookEvent): string[] {
  return [
    // A commit needs nothing of dv, and the other hooks tell once that it is not there.
    ...(event === 'pre-commit' || event === 'post-index-change' ? ['  return 0'] : missingData(event)),
  ];
}

function missingData(event: HookEvent): string[] {
  return [
    `  git ls-files --error-unmatch -- '*.dv' >/dev/null 2>&1 || return 0`,
    ...(event === 'pre-push'
      ? [
          `  case "$(git config dv.hooks.pre-push || git config --file .dvconfig dv.hooks.pre-push)" in off|false|no|0) return 0;; esac`,
          `  echo 'dv: not found, so the data cannot be pushed before its pointers: npm install -g git-dv, or git config dv.hooks.pre-push off' >&2`,
          '  return 1',
        ]
      : [`  echo 'dv: not found, so the data stays as it is: npm install -g git-dv' >&2`, '  return 0']),
  ];
}

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'mksh']);

/**
 * The shell of a hook that is a script for one, as words for sh, or undefined when it is any other program.
 * @param head the first bytes of the hook. Without a `#!` line git runs text with sh.
 */
export function shellOf(head: Buffer): string | undefined {
  if (head.includes(0)) return undefined;
  const text = head.toString('latin1');
  if (!text.startsWith('#!')) return '/bin/sh';
  const words = text
    .slice(2)
    .split('\n', 1)[0]!
    .trim()
    .split(/[ \t]+/);
  const program = words.find((word, i) => i === 0 || !word.startsWith('-')) ?? '';
  const named = program.endsWith('/env') ? words.slice(1).find((word) => !word.startsWith('-')) : program;
  const name = named?.slice(named.lastIndexOf('/') + 1) ?? '';
  return shells.has(name) ? words.map(quoteWord).join(' ') : undefined;
}
