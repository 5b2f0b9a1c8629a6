import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { DvError, isDvError } from '../../core/errors.ts';
import { baseName, parseRepoPath, pathProblem, type RepoPath } from '../../core/model/repo-path.ts';
import { type GetRequest, type GetSource, get } from '../../core/ops/get.ts';
import { type Repo, toRepoPath } from '../../core/store/repo.ts';
import { defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { countOf, formatBytes } from '../report/words.ts';

interface Options {
  paths: string[];
  repo: string | undefined;
  rev: string | undefined;
  out: string | undefined;
}

/** A source that is open, with what ends it. */
interface OpenSource extends AsyncDisposable {
  readonly source: GetSource;
  readonly paths: readonly RepoPath[];
}

/** The repository the user stands in; undefined outside of any. */
function ownRepo(context: Context): Repo | undefined {
  try {
    return context.repo();
  } catch (error) {
    if (isDvError(error, 'not-a-repository') || isDvError(error, 'bare-repository')) return undefined;
    throw error;
  }
}

/** A revision of the repository the user stands in; paths are relative to where that is. */
async function openOwn({ paths, rev = 'HEAD' }: Options, context: Context): Promise<OpenSource> {
  const repo = context.repo();
  const { openHistory } = await import('../../core/store/history.ts');
  const asked = paths.map((path) => toRepoPath(repo, context.cwd, path));
  const history = await openHistory(repo);
  const { id: commit } = await history.resolve(rev).catch(async (error: unknown) => {
    await history.close();
    throw error;
  });
  const source: GetSource = {
    history,
    commit,
    name: rev,
    caches: [],
    openRemote: () => context.openRemote(),
  };
  return { source, paths: asked, [Symbol.asyncDispose]: () => history.close() };
}

/** A revision of another repository; paths are from its top. */
async function openOther(options: Options, url: string, context: Context): Promise<OpenSource> {
  const { openOtherRepository, neutralEnvironment } = await import('../../core/store/other-repository.ts');
  const { configAt, trustedEndpoints, trustRemote } = await import('../../core/ops/other-remote.ts');
  const { openGit } = await import('../../core/store/git.ts');
  const paths = options.paths.map((typed) => {
    const path = typed.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
    const parsed = parseRepoPath(path);
    if (parsed === undefined)
      throw new DvError('path-invalid', { path: typed, reason: pathProblem(path) ?? 'it is not valid' });
    return parsed;
  });
  const { cwd, env, signal } = context;
  const other = await openOtherRepository({ url, revision: options.rev, cwd, env, signal });
  const { history, commit, local, caches } = other;
  const name = url.replace(/\/\/[^/@\s]*@/, '//');
  const source: GetSource = {
    history,
    commit: commit.id,
    name: options.rev === undefined ? name : `${name} at ${options.rev}`,
    caches,
    async openRemote() {
      const { openRemote, remoteKind, selectRemote } = await import('../../remotes/open.ts');
      const recorded = await configAt(history, commit.id, name);
      const config = recorded.remotes.size === 0 && local !== undefined ? local.config : recorded;
      const remote = selectRemote(config);
      const here = remoteKind(remote.url) === 'directory' && !/^(file:|~\/)/i.test(remote.url);
      if (here && !isAbsolute(remote.url) && local === undefined) {
        const reason = `it is relative to a clone of ${name}, which is not here`;
        throw new DvError('remote-url', { url: remote.url, reason, hint: `dv clone ${name}` });
      }
      const trusted = trustedEndpoints(openGit(cwd, neutralEnvironment(env)));
      return openRemote(trustRemote(remote, trusted), local?.root ?? cwd);
    },
  };
  return { source, paths, [Symbol.asyncDispose]: () => other[Symbol.asyncDispose]() };
}

/** Where each path goes: into an existing folder, as `cp` does, or to a new name. @throws {DvError} usage */
function placeTargets(paths: readonly RepoPath[], out: string | undefined, cwd: string): GetRequest[] {
  const folder = out === undefined ? cwd : resolve(cwd, out);
  const isFolder =
    out === undefined ||
    paths.length > 1 ||
    out.endsWith('/') ||
    statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const requests = paths.map((path) => ({ path, target: isFolder ? join(folder, baseName(path)) : folder }));
  const twice = requests.find(({ target }, i) => requests.findIndex((each) => each.target === target) < i);
  if (twice !== undefined)
    throw new DvError('usage', { message: `get: two of the paths would become ${twice.target}` });
  return requests;
}

/** The cache of the repository the user stands in, or one that goes when the command ends, beside what it makes. */
async function withCache<Result>(
  context: Context,
  beside: string,
  work: (cache: Repo) => Promise<Result>,
): Promise<Result> {
  const own = ownRepo(context);
  if (own !== undefined) return work(own);
  const { temporaryName } = await import('../../core/store/atomic.ts');
  const { buildConfig } = await import('../../core/model/config.ts');
  const { openGit } = await import('../../core/store/git.ts');
  mkdirSync(beside, { recursive: true });
  const root = join(beside, `.${temporaryName()}.dvtmp`);
  mkdirSync(root);
  try {
    return await work({
      root,
      gitDir: root,
      commonDir: root,
      dvDir: join(root, 'dv'),
      indexDir: join(root, 'index'),
      objectsDir: join(root, 'objects'),
      temporaryDir: join(root, 'tmp'),
      config: buildConfig([]),
      git: openGit(root, context.env),
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export const command = defineCommand<Options>({
  usage: 'get <paths..>',
  summary: 'copy files of any revision, or of another repository, without checking it out',
  examples: [
    ['dv get --rev v1.0 data/train --out /tmp/train-v1', 'a tracked folder as a tag had it'],
    ['dv get --repo git@example.org:team/cats.git data/labels.csv', 'one file of another repository'],
    [
      'dv get --repo ../cats --rev data/v2 data/train/tabby models/params.yaml',
      'part of a folder, and a file of git',
    ],
  ],
  exits: [3, 4, 10, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', {
        describe:
          'tracked paths, files or folders in them, stage outputs, or files of git; with --repo from its top',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .option('repo', {
        describe: 'another repository: a folder, or a URL as git takes it',
        type: 'string',
        requiresArg: true,
      })
      .option('rev', { describe: 'a revision; HEAD by default', type: 'string', requiresArg: true })
      .option('out', {
        describe: 'where to put it: a new name, or a folder; by default the last part of the path, here',
        type: 'string',
        requiresArg: true,
      }),
  async run(options, context) {
    await using opened =
      options.repo === undefined
        ? await openOwn(options, context)
        : await openOther(options, options.repo, context);
    const requests = placeTargets(opened.paths, options.out, context.cwd);
    const result = await withCache(context, dirname(requests[0]!.target), (cache) =>
      get(requests, { source: opened.source, cache, report: context.report, signal: context.signal }),
    );
    const lines = result.got.map(
      ({ path, target, files, bytes }) =>
        `${path} → ${target}  ${countOf(files, 'file')}, ${formatBytes(bytes)}`,
    );
    if (result.fetched.files > 0)
      lines.push(
        `${countOf(result.fetched.files, 'file')} (${formatBytes(result.fetched.bytes)}) came from the remote`,
      );
    return { value: result, text: lines.join('\n') };
  },
});
