import { relative, resolve } from 'node:path';
import { DvError } from '../../core/errors.ts';
import { withoutSecrets } from '../../core/model/redact.ts';
import { addRemote, removeRemote, setDefaultRemote } from '../../core/ops/remote.ts';
import { checkRemote } from '../../core/ops/remote-check.ts';
import { parseBucketUrl, refuseSecrets } from '../../remotes/address.ts';
import { remoteKind } from '../../remotes/open.ts';
import { type CommandResult, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';

interface Options {
  action: Action;
  name: string | undefined;
  url: string | undefined;
  endpoint: string | undefined;
  region: string | undefined;
  profile: string | undefined;
  local: boolean;
}

const actions = ['add', 'list', 'remove', 'set-default', 'check'] as const;
type Action = (typeof actions)[number];

export const command = defineCommand<Options>({
  usage: 'remote <action> [name] [url]',
  summary: 'where data is pushed to: add, list, remove, set-default, check',
  examples: [
    ['dv remote add origin s3://bucket/folder', 'writes it to .dvconfig, for everybody'],
    ['dv remote add nas /mnt/nas/data --local', 'for this clone only'],
    ['dv remote add minio s3://data --endpoint https://minio.example.org', 'S3 of another maker'],
    ['git config dv.remote.origin.requesterPays true', 'other settings of a remote: docs/format.md'],
    ['dv remote check', 'writes, reads, lists and deletes a probe, and names the missing permission'],
  ],
  exits: [10, 13, 14],
  options: (yargs) =>
    yargs
      .positional('action', { describe: 'what to do', choices: actions, demandOption: true })
      .positional('name', { describe: 'the remote; check takes the default one', type: 'string' })
      .positional('url', { describe: 's3://bucket/folder, gs://bucket/folder, or a folder', type: 'string' })
      .option('endpoint', {
        describe: 'URL of the server, if it is not the cloud’s own',
        type: 'string',
        requiresArg: true,
      })
      .option('region', { describe: 'region of an S3 bucket', type: 'string', requiresArg: true })
      .option('profile', {
        describe: 'profile of the cloud’s own settings on this machine',
        type: 'string',
        requiresArg: true,
      })
      .option('local', {
        describe: 'write to this clone’s git config, not to .dvconfig',
        type: 'boolean',
        default: false,
      }),
  async run(options, context) {
    switch (options.action) {
      case 'add':
        return add(options, context);
      case 'list':
        return list(context);
      case 'remove': {
        const name = required(options.name, 'dv remote remove <name>');
        removeRemote(context.repo(), name);
        return { value: { removed: name }, text: `forgot ${name}; what it holds stays` };
      }
      case 'set-default': {
        const name = required(options.name, 'dv remote set-default <name>');
        setDefaultRemote(context.repo(), name, options.local);
        return { value: { defaultRemote: name }, text: `${name} is the default remote` };
      }
      case 'check':
        return check(options.name, context);
    }
  },
});

function required(value: string | undefined, hint: string): string {
  if (value === undefined) throw new DvError('usage', { message: 'remote: something is missing', hint });
  return value;
}

function add(options: Options, context: Context): CommandResult {
  const repo = context.repo();
  const hint = 'dv remote add <name> <url>';
  const name = required(options.name, hint);
  const typed = required(options.url, hint);
  const kind = remoteKind(typed);
  if (kind !== 'directory') parseBucketUrl(typed);
  if (options.endpoint !== undefined) refuseSecrets(options.endpoint);
  // A relative folder is typed from where the user stands, and kept from the repository's top.
  const isRelative = kind === 'directory' && !/^(\/|~\/|[A-Za-z]:|file:)/.test(typed);
  const url = isRelative ? relative(repo.root, resolve(context.cwd, typed)) || '.' : typed;
  const { endpoint, region, profile, local } = options;
  addRemote(repo, {
    name,
    url,
    local,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  });
  return {
    value: { name, url, local },
    text: `added ${name}: ${url}${local ? ' (this clone only)' : ' (in .dvconfig; commit it)'}`,
  };
}

function list(context: Context): CommandResult {
  const { remotes, defaultRemote } = context.repo().config;
  const rows = [...remotes.values()].map(({ name, url, endpoint }) => ({
    name,
    url: withoutSecrets(url),
    endpoint: endpoint === undefined ? null : withoutSecrets(endpoint),
    default: name === defaultRemote,
  }));
  const width = Math.max(0, ...rows.map((row) => row.name.length));
  return {
    value: { remotes: rows },
    text:
      rows.length === 0
        ? 'no remotes; dv remote add origin s3://bucket/folder (or gs://bucket/folder, or a folder)'
        : rows
            .map(
              (row) =>
                `${row.default ? '*' : ' '} ${row.name.padEnd(width)}  ${row.url}${row.endpoint === null ? '' : `  at ${row.endpoint}`}`,
            )
            .join('\n'),
  };
}

async function check(name: string | undefined, context: Context): Promise<CommandResult> {
  const remote = await context.openRemote(name);
  try {
    const result = await checkRemote(remote, context.signal);
    const lines = result.steps.map(({ what, milliseconds, problem }) =>
      problem === undefined
        ? `  ok      ${what.padEnd(10)}  ${milliseconds} ms`
        : `  failed  ${what.padEnd(10)}  ${problem.message}`,
    );
    const failed = result.steps.filter((step) => step.problem !== undefined);
    return {
      value: {
        remote: result.remote,
        hasData: result.hasData,
        steps: result.steps.map(({ what, milliseconds, problem }) => ({
          what,
          milliseconds,
          problem: problem?.message ?? null,
        })),
      },
      text: [
        failed.length === 0
          ? `${result.remote} works${result.hasData ? '' : '; nothing has been pushed to it yet'}`
          : `${result.remote} does not do everything dv needs`,
        ...lines,
      ].join('\n'),
      ...(failed.length > 0 ? { exit: 13 } : {}),
    };
  } finally {
    await remote.close();
  }
}
