/**
 * The catalogue of failures dv knows: one code each, with typed details, a message in the user's words and
 * the command to type next. What a failure means for the exit status is the terminal's business: cli/exit.ts.
 */

/** What a person reads about a failure. */
export interface ErrorText {
  /** What happened, to which path. */
  readonly message: string;
  /** The command to run next, or what to change. */
  readonly hint?: string;
}

/** One problem in a file the user wrote. */
export interface FileProblem {
  /** The file, as the user would name it. */
  readonly file: string;
  /** 1-based line, when known. */
  readonly line?: number;
  /** 1-based column, when known. */
  readonly column?: number;
  /** Where inside the file's structure, e.g. `stages.train.outs`; empty when it does not apply. */
  readonly at?: string;
  /** What is wrong, and what was expected. */
  readonly message: string;
}

/** Formats a problem as `file:line:column at: message`. */
export function formatProblem(problem: FileProblem): string {
  const position = [problem.file, problem.line, problem.column]
    .filter((part) => part !== undefined)
    .join(':');
  return `${position}${problem.at ? ` ${problem.at}` : ''}: ${problem.message}`;
}

const lines = (items: readonly string[], most = 20) =>
  [...items.slice(0, most), ...(items.length > most ? [`… and ${items.length - most} more`] : [])]
    .map((item) => `  ${item}`)
    .join('\n');

/** Every failure, by code. */
export const catalogue = {
  'not-a-repository': (d: { directory: string }) => ({
    message: `${d.directory} is not inside a git repository`,
    hint: 'git init && dv init',
  }),
  'bare-repository': (d: { directory: string }) => ({
    message: `${d.directory} is a bare git repository: it has no workspace to put data in`,
    hint: 'git worktree add <folder>, and run dv there',
  }),
  'git-missing': (d: { need: string }) => ({
    message: `${d.need} needs the git program, which is not on PATH`,
    hint: 'install git, or add it to PATH',
  }),
  'git-failed': (d: { command: string; status: number | null; output: string }) => ({
    message: `${d.command} ended with status ${d.status}: ${d.output.trim()}`,
  }),
  'clone-failed': (d: { url: string; status: number; output: string }) => ({
    message: `git could not clone ${d.url} (status ${d.status})${d.output.trim() === '' ? '' : `: ${d.output.trim()}`}`,
  }),
  'source-unreachable': (d: { url: string; output: string }) => ({
    message: `git could not read ${d.url}: ${d.output.trim()}`,
    hint: 'check the address and that you may read it: git ls-remote <url>',
  }),
  'git-feature': (d: { feature: string }) => ({
    message: `this repository uses ${d.feature}, which needs the git program`,
    hint: 'install git, or add it to PATH',
  }),
  'unknown-revision': (d: { revision: string }) => ({
    message: `${d.revision} is no branch, tag or commit of this repository`,
    hint: 'git branch --all',
  }),
  usage: (d: { message: string; hint?: string }) => ({
    message: d.message,
    ...(d.hint === undefined ? {} : { hint: d.hint }),
  }),
  'invalid-file': (d: { problems: readonly FileProblem[]; hint?: string }) => ({
    message: d.problems.map(formatProblem).join('\n'),
    ...(d.hint === undefined ? {} : { hint: d.hint }),
  }),
  'newer-format': (d: { what: string; version: string }) => ({
    message: `${d.what} has format version ${d.version}, which this dv does not know`,
    hint: 'npm install -g git-dv@latest',
  }),
  'path-missing': (d: { repoPath: string }) => ({
    message: `${d.repoPath} does not exist`,
  }),
  'path-exists': (d: { repoPath: string }) => ({
    message: `${d.repoPath} already exists`,
    hint: 'choose another name, or move it away first',
  }),
  'path-outside': (d: { path: string; root: string }) => ({
    message: `${d.path} is outside the repository ${d.root}`,
  }),
  'path-invalid': (d: { path: string; reason: string }) => ({
    message: `${JSON.stringify(d.path)} cannot be tracked: ${d.reason}`,
  }),
  'path-tracked-by-git': (d: { repoPath: string; example: string }) => ({
    message: `${d.example} is tracked by git; a file belongs either to git or to dv`,
    hint: `git rm -r --cached ${d.repoPath} && dv add ${d.repoPath}`,
  }),
  'path-inside-tracked': (d: { repoPath: string; tracked: string }) => ({
    message: `${d.repoPath} is inside ${d.tracked}, which dv already tracks as one`,
    hint: `dv add ${d.tracked}`,
  }),
  'path-contains-tracked': (d: { repoPath: string; tracked: string }) => ({
    message: `${d.repoPath} contains ${d.tracked}, which dv already tracks on its own`,
    hint: `dv add ${d.tracked}, or git rm --cached ${d.tracked}.dv first to track ${d.repoPath} as one`,
  }),
  'path-of-stage': (d: { repoPath: string; output: string }) => ({
    message: `${d.repoPath} overlaps ${d.output}, which a stage of stages.yaml writes; dv repro records it`,
    hint: 'take it out of the stage’s outs to track it by hand',
  }),
  'path-not-tracked': (d: { repoPath: string }) => ({
    message: `dv does not track ${d.repoPath}`,
    hint: `dv add ${d.repoPath}`,
  }),
  'path-part': (d: { repoPath: string; tracked: string }) => ({
    message: `${d.repoPath} is inside ${d.tracked}, which dv tracks as one: its workspace is all there or not at all`,
    hint: `dv fetch ${d.repoPath} && dv restore ${d.repoPath} brings that part alone; dv pull ${d.tracked} everything`,
  }),
  'path-not-recorded': (d: { repoPath: string; where: string }) => ({
    message: `${d.where} records nothing at ${d.repoPath}`,
    hint: `dv log -- ${d.repoPath}`,
  }),
  'target-exists': (d: { path: string }) => ({
    message: `${d.path} exists already; it was not replaced`,
    hint: 'name another place with --out, or move it away',
  }),
  'nothing-to-add': (d: { repoPath: string }) => ({
    message: `${d.repoPath} holds no files to track`,
    hint: 'put files in it, or look at .dvcignore',
  }),
  'unknown-object': (d: { digest: string }) => ({
    message: `the cache holds no object ${d.digest}`,
    hint: 'dv fetch --all brings what branches and tags record',
  }),
  'unsafe-link': (d: { repoPath: string; target: string }) => ({
    message: `${d.repoPath} is a link to ${d.target}, outside what is tracked`,
    hint: 'replace the link by the file it points to',
  }),
  'object-missing': (d: { digest: string; repoPath?: string }) => ({
    message: `${d.repoPath ? `${d.repoPath}: ` : ''}${d.digest} is not in the cache`,
    hint: 'dv pull',
  }),
  'object-damaged': (d: { digest: string; path: string }) => ({
    message: `${d.path} no longer holds the bytes of ${d.digest}; it was not used`,
    hint: 'dv verify --repair',
  }),
  'data-missing': (d: { paths: readonly string[]; where: string; hint?: string }) => ({
    message: `data of ${d.paths.length === 1 ? 'one path is' : `${d.paths.length} paths is`} not in ${d.where}:\n${lines(d.paths)}`,
    hint: d.hint ?? 'dv pull',
  }),
  'local-changes': (d: { paths: readonly string[]; hint?: string }) => ({
    message: `these files have changes dv has not recorded, and were kept:\n${lines(d.paths)}`,
    hint:
      d.hint ??
      'dv add to record them, or dv checkout --force to replace them (what is replaced is saved first)',
  }),
  'some-failed': (d: { verb: string; failures: readonly string[]; total: number }) => ({
    message: `${d.failures.length} of ${d.total} files could not be ${d.verb}:\n${lines(d.failures)}`,
  }),
  differs: (d: { what: string }) => ({ message: d.what }),
  locked: (d: { owner: string; lockPath: string }) => ({
    message: `another dv is writing here: ${d.owner}`,
    hint: `wait for it to end; if it is gone, remove ${d.lockPath}`,
  }),
  'disk-full': (d: { path: string }) => ({
    message: `no space left on the disk that holds ${d.path}; nothing was recorded`,
    hint: 'free some space and run the same command again',
  }),
  'not-writable': (d: { path: string }) => ({
    message: `${d.path} is not writable; nothing was recorded`,
    hint: `make it writable, or choose another cache: git config dv.cache.dir <folder>`,
  }),
  'hooks-not-writable': (d: { folder: string; reason: string }) => ({
    message: `git looks for hooks in ${d.folder}, where none can be written: ${d.reason}`,
    hint: 'git config --unset core.hooksPath, or dv init --no-hooks',
  }),
  'objects-damaged': (d: { paths: readonly string[]; where: string }) => ({
    message: `${d.where} holds damaged bytes for ${d.paths.length === 1 ? 'one path' : `${d.paths.length} paths`}; they were not used:\n${lines(d.paths)}`,
    hint: 'dv verify --repair',
  }),
  'no-remote': (_: Record<string, never>) => ({
    message: 'this repository names no remote to keep its data in',
    hint: 'dv remote add origin s3://bucket/folder (or gs://bucket/folder, or a folder)',
  }),
  'unknown-remote': (d: { name: string; known: readonly string[] }) => ({
    message: `there is no remote ${d.name}${d.known.length === 0 ? '' : `; there is ${d.known.join(', ')}`}`,
    hint: 'dv remote list',
  }),
  'remote-url': (d: { url: string; reason: string; hint?: string }) => ({
    message: `${d.url} cannot be used as a remote: ${d.reason}`,
    hint: d.hint ?? 'use s3://bucket/folder, gs://bucket/folder, file:///folder or a folder',
  }),
  'remote-endpoint': (d: { name: string; endpoint: string; hint?: string }) => ({
    message: `.dvconfig sends the data of remote ${d.name} to ${d.endpoint}; your credentials go there only after you have agreed once`,
    hint: d.hint ?? `git config dv.remote.${d.name}.endpoint ${d.endpoint}`,
  }),
  'remote-refused': (d: { remote: string; operation: string; permission?: string; reason: string }) => ({
    message: `${d.remote} refused to ${d.operation}: ${d.reason}${d.permission === undefined ? '' : ` (needs the permission ${d.permission})`}`,
    hint: 'dv remote check',
  }),
  'remote-unreachable': (d: { remote: string; reason: string }) => ({
    message: `${d.remote} could not be reached: ${d.reason}`,
    hint: 'check its address and the network, then run the same command again; what has arrived is kept',
  }),
  'remote-missing-bucket': (d: { remote: string; bucket: string }) => ({
    message: `${d.remote}: there is no bucket ${d.bucket}`,
    hint: 'create the bucket, or correct the URL: dv remote list',
  }),
  'remote-empty': (d: { remote: string }) => ({
    message: `there is no dv data at ${d.remote}`,
    hint: 'dv push where the data is; if it was pushed, check the address: dv remote list',
  }),
  'remote-busy': (d: { remote: string }) => ({
    message: `somebody is deleting garbage at ${d.remote}, and does not end`,
    hint: 'run the same command again; dv gc --remote ends what another left unfinished',
  }),
  'remote-full': (d: { remote: string }) => ({
    message: `no space left at ${d.remote}`,
    hint: 'free some space there and run the same command again; what has arrived is kept',
  }),
  'no-stages': (d: { file: string }) => ({
    message: `there is no ${d.file} at the top of this repository`,
    hint: 'write one: see docs/stages.md',
  }),
  'unknown-stage': (d: { stage: string; known: readonly string[] }) => ({
    message: `stages.yaml has no stage ${d.stage}`,
    hint: d.known.length === 0 ? 'dv dag' : `the stages are ${d.known.join(', ')}`,
  }),
  'dep-missing': (d: { deps: readonly { stage: string; repoPath: string; tracked: boolean }[] }) => ({
    message: d.deps
      .map(
        ({ stage, repoPath }) => `${repoPath}, which ${stage} reads, does not exist, and no stage writes it`,
      )
      .join('\n'),
    hint: d.deps.some(({ tracked }) => tracked)
      ? `dv checkout ${d.deps.find(({ tracked }) => tracked)!.repoPath}, or dv pull when it is not in the cache`
      : 'correct the path in stages.yaml, or put the file there',
  }),
  'stage-failed': (d: { stage: string; command: string; how: string; output: string }) => ({
    message: `${d.stage}: ${d.command} ${d.how}`,
    hint: `dv repro ${d.stage} tries again; stages.lock is as it was`,
  }),
  'stage-output': (d: { stage: string; problem: string }) => ({
    message: `${d.stage}: ${d.problem}`,
    hint: 'correct outs and metrics in stages.yaml, or the command',
  }),
  'stage-still-running': (d: { stage: string; group: number; notePath: string }) => ({
    message: `${d.stage} of an earlier dv repro still runs (process group ${d.group})`,
    hint: `wait for it to end, or end it; if it is something else, remove ${d.notePath}`,
  }),
  'step-failed': (d: { step: string; message: string; hint?: string | undefined }) => ({
    message: `${d.step}: ${d.message}`,
    ...(d.hint === undefined ? {} : { hint: d.hint }),
  }),
} satisfies Record<string, (details: never) => ErrorText>;

/** The name of a failure. */
export type DvErrorCode = keyof typeof catalogue;
/** What must be known to report a failure of this code. */
export type DvErrorDetails<Code extends DvErrorCode> = Parameters<(typeof catalogue)[Code]>[0];

/** A failure the user can understand and do something about. Anything else thrown is a bug in dv. */
export class DvError<Code extends DvErrorCode = DvErrorCode> extends Error {
  readonly code: Code;
  readonly details: DvErrorDetails<Code>;
  readonly hint: string | undefined;

  constructor(code: Code, details: DvErrorDetails<Code>, options?: { cause?: unknown }) {
    const text = (catalogue[code] as (details: DvErrorDetails<Code>) => ErrorText)(details);
    super(text.message, options);
    this.name = 'DvError';
    this.code = code;
    this.details = details;
    this.hint = text.hint;
  }
}

/** Whether an error is a dv failure, optionally of one code. */
export function isDvError<Code extends DvErrorCode = DvErrorCode>(
  error: unknown,
  code?: Code,
): error is DvError<Code> {
  return error instanceof DvError && (code === undefined || error.code === code);
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Why something failed, for a list of files: a system's error without the path it was given, which may be none of the user's. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return systemCode(error) === undefined
    ? error.message
    : (/^[A-Z0-9]+: [^,]+/.exec(error.message)?.[0] ?? error.message);
}
