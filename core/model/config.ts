/**
 * dv's settings, written in git's own config syntax: `.dvconfig` (tracked by git, so anybody may have
 * written it) below `git config dv.*` below `DV_*` environment variables.
 * How the syntax is read: git-config.ts.
 */
import { DvError, type FileProblem } from '../errors.ts';
import { ageForms, parseAge } from './age.ts';
import type { ConfigEntry } from './git-config.ts';
import { quote } from './quote.ts';

/** A remote's settings. */
export interface RemoteConfig {
  readonly name: string;
  /** `s3://bucket/prefix`, `gs://bucket/prefix`, a folder, or `file:///folder`. */
  readonly url: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  /** S3: how what is written is encrypted at rest: `AES256`, `aws:kms` or `aws:kms:dsse`. */
  readonly sse?: string;
  /** The key for that: of AWS KMS (id, alias or ARN), or Google's `projects/…/cryptoKeys/…`. */
  readonly kmsKeyId?: string;
  /** The class of storage for what is written, e.g. `STANDARD_IA`, `NEARLINE`. */
  readonly storageClass?: string;
  /** S3: whether to address the bucket in the path; without it, as the endpoint asks for. */
  readonly pathStyle?: boolean;
  /** Whether to send no credentials at all, as to a public bucket. */
  readonly anonymous?: boolean;
  /** S3: whether this user pays for requests to a bucket whose owner does not. */
  readonly requesterPays?: boolean;
  /** GCS: the project that is billed, likewise. */
  readonly userProject?: string;
  /** Whether only a tracked file names the endpoint, so that credentials must not follow it unasked. */
  readonly endpointFromRepository: boolean;
}

/** How a cached object is put into the workspace. */
export type LinkMode = 'reflink' | 'copy' | 'hardlink' | 'symlink';

/** All settings, checked and complete. */
export interface Config {
  readonly remotes: ReadonlyMap<string, RemoteConfig>;
  /** The remote commands use when none is named. */
  readonly defaultRemote: string | undefined;
  /** Where objects are kept instead of inside the git directory. */
  readonly cacheDir: string | undefined;
  /** Tried in order. */
  readonly link: readonly LinkMode[];
  /** So many new objects or more are kept together in a pack, where files are copies; fewer become a file each. */
  readonly unpackLimit: number;
  /** How many things to do at once; undefined leaves it to each command. */
  readonly jobs: number | undefined;
  /** Whether commands stage the pointers they write in git's index. */
  readonly autostage: boolean;
  /** Permission bits that files of the cache have at least, from git's own core.sharedRepository; undefined: as the umask says. */
  readonly sharedPermissions: number | undefined;
  /** Hooks by event name, where switched on or off. */
  readonly hooks: ReadonlyMap<string, boolean>;
  readonly gc: GcConfig;
  /** How long a command waits for another one that holds the lock. Milliseconds. */
  readonly lockTimeoutMs: number;
}

/** How long what nothing needs is kept. Milliseconds; `Infinity` for ever. */
export interface GcConfig {
  /** Objects of the cache. */
  readonly pruneExpireMs: number;
  /** What a remote's gc has found unneeded. */
  readonly remoteGraceMs: number;
}

const dayMs = 86_400_000;
const defaultGc: GcConfig = { pruneExpireMs: 14 * dayMs, remoteGraceMs: 7 * dayMs };

const linkModes: readonly string[] = ['reflink', 'copy', 'hardlink', 'symlink'];
const hookEvents: readonly string[] = [
  'post-checkout',
  'post-merge',
  'post-rewrite',
  'post-index-change',
  'pre-commit',
  'pre-push',
];
type RemoteField = Exclude<keyof RemoteConfig, 'name' | 'endpointFromRepository'>;

/** Says what is wrong with a value, if anything is. */
type Check = (value: string) => string | undefined;

const expects =
  (pattern: RegExp, what: string): Check =>
  (value) =>
    pattern.test(value) ? undefined : `expected ${what}, found ${quote(value)}`;
const isSwitch: Check = (value) =>
  parseBoolean(value) === undefined ? `expected true or false, found ${quote(value)}` : undefined;

/** Settings of a remote, and what each takes. */
const remoteFields: Readonly<Record<RemoteField, Check>> = {
  url: () => undefined,
  endpoint: (value) =>
    /^https?:\/\//i.test(value) && URL.canParse(value)
      ? undefined
      : 'expected a URL that begins with https:// or http://',
  // A region becomes part of a host name, and must not be able to change which host that is.
  region: expects(/^[A-Za-z0-9-]{1,63}$/, 'a region such as eu-central-1'),
  profile: () => undefined,
  sse: expects(/^(AES256|aws:kms|aws:kms:dsse)$/, 'AES256, aws:kms or aws:kms:dsse'),
  kmsKeyId: expects(/^[A-Za-z0-9_:/.-]{1,2048}$/, 'the id, alias or ARN of a key'),
  storageClass: expects(/^[A-Z][A-Z0-9_]{0,63}$/, 'a storage class such as STANDARD_IA'),
  pathStyle: isSwitch,
  anonymous: isSwitch,
  requesterPays: isSwitch,
  userProject: expects(/^[a-z0-9:.-]{1,128}$/, 'the id of a project'),
};
const remoteFieldNames = Object.keys(remoteFields) as RemoteField[];
/** A stranger's file must not decide what somebody pays for. */
const paidFields: readonly RemoteField[] = ['requesterPays', 'userProject'];
const mostJobs = 1024;

/** Where a setting came from; later ones win. */
export interface ConfigSource {
  /** How to name the source in errors. */
  readonly file: string;
  /** Whether the entries come from `.dvconfig`, which is not trusted with everything. */
  readonly tracked: boolean;
  readonly entries: readonly ConfigEntry[];
}

/**
 * Puts the sources together. Keys dv does not know are an error in `.dvconfig`; elsewhere, as in git, they are
 * somebody else's.
 * @throws {DvError} invalid-file with every problem of every source.
 */
export function buildConfig(sources: readonly ConfigSource[]): Config {
  const draft = new ConfigDraft();
  const problems: FileProblem[] = [];
  for (const { file, tracked, entries } of sources) {
    for (const entry of entries) {
      const message = (tracked ? trackedProblem(entry) : undefined) ?? draft.set(entry, tracked);
      if (message === undefined) continue;
      problems.push({ file, ...(entry.line > 0 ? { line: entry.line } : {}), at: entry.key, message });
    }
  }
  if (problems.length > 0) throw new DvError('invalid-file', { problems });
  return draft.finish();
}

/** What git-config(1) says of core.sharedRepository; a value that git would refuse is left to git. */
function parseShared(value: string): number | undefined {
  if (/^(group|true|yes|on|1)$/i.test(value)) return 0o660;
  if (/^(all|world|everybody|2)$/i.test(value)) return 0o664;
  return /^0[0-7]{3}$/.test(value) ? Number.parseInt(value, 8) & 0o666 : undefined;
}

/** Splits `dv.remote.<name>.<field>`; the name may hold dots. */
function splitRemoteKey(key: string): { name: string; field: RemoteField } | undefined {
  if (!key.startsWith('dv.remote.')) return undefined;
  const dot = key.lastIndexOf('.');
  const field = remoteFieldNames.find((each) => each.toLowerCase() === key.slice(dot + 1));
  return field === undefined || dot < 'dv.remote.'.length
    ? undefined
    : { name: key.slice('dv.remote.'.length, dot), field };
}

const trackedKeys = new Set([
  'dv.defaultremote',
  'dv.jobs',
  'dv.autostage',
  'dv.cache.link',
  ...hookEvents.map((event) => `dv.hooks.${event}`),
]);

/** What `.dvconfig` may not say, because anybody who can push could have written it. */
function trackedProblem({ key, value }: ConfigEntry): string | undefined {
  if (!key.startsWith('dv.')) return 'expected settings in sections [dv …] only';
  const remote = splitRemoteKey(key);
  if (remote !== undefined && /^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(value)) return secretProblem;
  if (remote !== undefined && paidFields.includes(remote.field)) {
    return `a tracked file may not decide what you pay for: use git config dv.remote.${remote.name}.${remote.field}`;
  }
  if (remote !== undefined || trackedKeys.has(key)) return undefined;
  if (/secret|password|token|credential|key/.test(key.slice(key.lastIndexOf('.')))) return secretProblem;
  if (key === 'dv.cache.dir') {
    return 'a tracked file may not choose where on this machine data is written: use git config dv.cache.dir';
  }
  return `is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.${remoteFieldNames.filter((field) => !paidFields.includes(field)).join('|')})`;
}

const secretProblem =
  'a secret does not belong in a tracked file: use git config, a profile or the environment';

interface RemoteDraft extends Partial<Record<RemoteField, string>> {
  endpointFromRepository: boolean;
}

/** Settings while their sources are read, a later value in place of an earlier one. */
class ConfigDraft {
  readonly #remotes = new Map<string, RemoteDraft>();
  readonly #hooks = new Map<string, boolean>();
  #defaultRemote: string | undefined;
  #cacheDir: string | undefined;
  #link: readonly LinkMode[] = ['reflink', 'copy'];
  #unpackLimit = 100;
  #jobs: number | undefined;
  #autostage = true;
  #sharedPermissions: number | undefined;
  #gc = defaultGc;
  #lockTimeoutMs = 30_000;

  /** Takes one entry, and says what is wrong with its value if it cannot. */
  set(entry: ConfigEntry, tracked: boolean): string | undefined {
    const { key, value } = entry;
    const remote = splitRemoteKey(key);
    if (remote !== undefined) return this.#setRemote(remote, entry, tracked);
    if (key.startsWith('dv.hooks.')) return this.#setHook(key.slice('dv.hooks.'.length), value);
    switch (key) {
      case 'dv.defaultremote':
        if (entry.valueless) return 'expected the name of a remote';
        this.#defaultRemote = value === '' ? undefined : value;
        return undefined;
      case 'dv.cache.dir':
        if (entry.valueless) return 'expected a folder';
        this.#cacheDir = value === '' ? undefined : value;
        return undefined;
      case 'dv.cache.link':
        return this.#setLink(value);
      case 'dv.cache.unpacklimit':
        if (value !== 'off' && !/^[1-9][0-9]{0,8}$/.test(value))
          return `expected a whole number from 1 on, or off, found ${quote(value)}`;
        this.#unpackLimit = value === 'off' ? Number.POSITIVE_INFINITY : Number(value);
        return undefined;
      case 'dv.jobs':
        if (!/^[1-9][0-9]{0,3}$/.test(value) || Number(value) > mostJobs) {
          return `expected a whole number from 1 to ${mostJobs}, found ${quote(value)}`;
        }
        this.#jobs = Number(value);
        return undefined;
      case 'core.sharedrepository':
        this.#sharedPermissions = parseShared(value);
        return undefined;
      case 'dv.autostage': {
        const autostage = parseBoolean(value);
        if (autostage === undefined) return `expected true or false, found ${quote(value)}`;
        this.#autostage = autostage;
        return undefined;
      }
      case 'dv.locktimeout':
        if (!/^[0-9]{1,5}$/.test(value))
          return `expected a whole number of seconds up to 99999, found ${quote(value)}`;
        this.#lockTimeoutMs = Number(value) * 1000;
        return undefined;
      case 'dv.gc.pruneexpire':
      case 'dv.gc.remotegrace': {
        const age = parseAge(value);
        if (entry.valueless || age === undefined)
          return `expected an age (${ageForms}), found ${quote(value)}`;
        const field = key === 'dv.gc.pruneexpire' ? 'pruneExpireMs' : 'remoteGraceMs';
        this.#gc = { ...this.#gc, [field]: age };
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #setRemote(
    { name, field }: { name: string; field: RemoteField },
    { value, valueless }: ConfigEntry,
    tracked: boolean,
  ): string | undefined {
    // Names become folders of the local state.
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)) {
      return `expected a remote's name of letters, digits, - and _, found ${quote(name)}`;
    }
    if (valueless) return 'expected a value';
    const problem = value === '' ? undefined : remoteFields[field](value);
    if (problem !== undefined) return problem;
    const known = this.#remotes.get(name) ?? { endpointFromRepository: false };
    // An empty value takes back what a source before this one said.
    if (value === '') delete known[field];
    else known[field] = value;
    if (field === 'endpoint') known.endpointFromRepository = tracked && value !== '';
    this.#remotes.set(name, known);
    return undefined;
  }

  #setHook(event: string, value: string): string | undefined {
    if (!hookEvents.includes(event)) return undefined;
    const on = parseBoolean(value);
    if (on === undefined) return `expected on or off, found ${quote(value)}`;
    this.#hooks.set(event, on);
    return undefined;
  }

  #setLink(value: string): string | undefined {
    const modes = value.split(',').map((mode) => mode.trim());
    if (!modes.every((mode) => linkModes.includes(mode))) {
      return `expected a list of ${linkModes.join(', ')}, found ${quote(value)}`;
    }
    this.#link = modes as LinkMode[];
    return undefined;
  }

  /** The settings as they stand now. */
  finish(): Config {
    const remotes = new Map<string, RemoteConfig>();
    for (const [name, { url, pathStyle, anonymous, requesterPays, ...texts }] of this.#remotes) {
      const switches = switchedOn({ pathStyle, anonymous, requesterPays });
      if (url !== undefined) remotes.set(name, { name, url, ...texts, ...switches });
    }
    return {
      remotes,
      defaultRemote: this.#defaultRemote ?? (remotes.size === 1 ? [...remotes.keys()][0] : undefined),
      cacheDir: this.#cacheDir,
      link: this.#link,
      unpackLimit: this.#unpackLimit,
      jobs: this.#jobs,
      autostage: this.#autostage,
      sharedPermissions: this.#sharedPermissions,
      hooks: this.#hooks,
      gc: this.#gc,
      lockTimeoutMs: this.#lockTimeoutMs,
    };
  }
}

/** Switches with what their texts say; those nobody spoke of are left out. */
function switchedOn<Name extends string>(
  texts: Record<Name, string | undefined>,
): Partial<Record<Name, boolean>> {
  const switches: Partial<Record<Name, boolean>> = {};
  for (const name of Object.keys(texts) as Name[]) {
    const on = texts[name] === undefined ? undefined : parseBoolean(texts[name]);
    if (on !== undefined) switches[name] = on;
  }
  return switches;
}

/** git's words for a switch; git-config(1), "Values". */
function parseBoolean(text: string): boolean | undefined {
  if (/^(true|yes|on|1)$/i.test(text)) return true;
  if (/^(false|no|off|0|)$/i.test(text)) return false;
  return undefined;
}
