/**
 * dv's settings, written in git's own config syntax: `.dvconfig` (tracked by git, so anybody may have
 * written it) below `git config dv.*` below `DV_*` environment variables.
 * Syntax: git-config(1), section "CONFIGURATION FILE".
 */
import { DvError, type FileProblem } from '../errors.ts';

/** One `key = value` of a config file; section and variable are lower case, the subsection as written. */
export interface ConfigEntry {
  /** `section.variable` or `section.subsection.variable`. */
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** A remote's settings. */
export interface RemoteConfig {
  readonly name: string;
  /** `s3://bucket/prefix`, `gs://bucket/prefix`, a folder, or `file:///folder`. */
  readonly url: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
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
  /** How many things to do at once; undefined leaves it to each command. */
  readonly jobs: number | undefined;
  /** Whether commands stage the pointers they write in git's index. */
  readonly autostage: boolean;
  /** Hooks by event name, where switched on or off. */
  readonly hooks: ReadonlyMap<string, boolean>;
}

const linkModes: readonly string[] = ['reflink', 'copy', 'hardlink', 'symlink'];

/** Parses git's config syntax. Includes are not followed. @throws {DvError} invalid-file */
export function parseGitConfig(text: string, file: string): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  const source = text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n');
  let at = 0;
  let line = 1;
  let section = '';
  const fail = (message: string): never => {
    throw new DvError('invalid-file', { problems: [{ file, line, message }] });
  };
  const skipToLineEnd = () => {
    while (at < source.length && source[at] !== '\n') at++;
  };

  const parseSection = () => {
    const match = /^\[([-.A-Za-z0-9]+)(?:[ \t]+"((?:[^"\\\n]|\\.)*)")?\]/.exec(source.slice(at, at + 4096));
    if (match === null) return fail('expected `[section]` or `[section "subsection"]`');
    at += match[0].length;
    const subsection = match[2]?.replace(/\\(.)/g, '$1');
    section = match[1]!.toLowerCase() + (subsection === undefined ? '' : `.${subsection}`);
  };

  const parseValue = (): string => {
    let value = '';
    let trimTo = 0;
    let quoted = false;
    for (; at < source.length; at++) {
      const character = source[at]!;
      if (character === '\n') {
        if (quoted) fail('expected a closing quote');
        break;
      }
      if (character === '"') {
        quoted = !quoted;
        trimTo = value.length;
      } else if (character === '\\') {
        const next = source[++at];
        if (next === '\n') line++;
        else {
          const escaped =
            next === undefined ? undefined : { n: '\n', t: '\t', b: '\b', '\\': '\\', '"': '"' }[next];
          if (escaped === undefined) fail(`\\${next ?? ''} is no escape git knows`);
          value += escaped;
          trimTo = value.length;
        }
      } else if (!quoted && (character === '#' || character === ';')) {
        skipToLineEnd();
        break;
      } else {
        value += character;
        if (quoted || (character !== ' ' && character !== '\t')) trimTo = value.length;
      }
    }
    return value.slice(0, trimTo);
  };

  while (at < source.length) {
    const character = source[at]!;
    if (character === '\n') {
      line++;
      at++;
    } else if (character === ' ' || character === '\t') at++;
    else if (character === '#' || character === ';') skipToLineEnd();
    else if (character === '[') parseSection();
    else {
      const name = /^[A-Za-z][-A-Za-z0-9]*/.exec(source.slice(at, at + 256))?.[0];
      if (name === undefined)
        fail(`expected \`[section]\` or \`key = value\`, found ${JSON.stringify(character)}`);
      if (section === '') fail(`${name} stands before any [section]`);
      at += name!.length;
      while (source[at] === ' ' || source[at] === '\t') at++;
      const startLine = line;
      let value = 'true';
      if (source[at] === '=') {
        at++;
        while (source[at] === ' ' || source[at] === '\t') at++;
        value = parseValue();
      } else if (at < source.length && !'\n#;'.includes(source[at]!)) fail(`expected \`=\` after ${name}`);
      entries.push({ key: `${section}.${name!.toLowerCase()}`, value, line: startLine });
    }
  }
  return entries;
}

const trackedKeys =
  /^dv\.(defaultremote|jobs|autostage|cache\.link|hooks\.[a-z-]+|remote\.[^.]+\.(url|endpoint|region|profile))$/;

/** What `.dvconfig` may not say, because anybody who can push could have written it. */
function trackedProblem(entry: ConfigEntry): string | undefined {
  if (trackedKeys.test(entry.key)) return undefined;
  if (/secret|password|token|credential|key/i.test(entry.key)) {
    return 'a secret does not belong in a tracked file: use git config, a profile or the environment';
  }
  if (entry.key === 'dv.cache.dir') {
    return 'a tracked file may not choose where on this machine data is written: use git config dv.cache.dir';
  }
  return 'is no setting dv knows in .dvconfig (defaultRemote, jobs, autostage, cache.link, hooks.<event>, remote.<name>.url|endpoint|region|profile)';
}

/** Where a setting came from; later ones win. */
export interface ConfigSource {
  /** How to name the source in errors. */
  readonly file: string;
  /** Whether the entries come from `.dvconfig`, which is not trusted with everything. */
  readonly tracked: boolean;
  readonly entries: readonly ConfigEntry[];
}

function parseBoolean(text: string): boolean | undefined {
  if (/^(true|yes|on|1)$/i.test(text)) return true;
  if (/^(false|no|off|0|)$/i.test(text)) return false;
  return undefined;
}

/**
 * Puts the sources together.
 * @throws {DvError} invalid-file with every problem of every source.
 */
export function buildConfig(sources: readonly ConfigSource[]): Config {
  const problems: FileProblem[] = [];
  const remotes = new Map<
    string,
    { url?: string; endpoint?: string; region?: string; profile?: string; endpointFromRepository: boolean }
  >();
  const hooks = new Map<string, boolean>();
  let defaultRemote: string | undefined;
  let cacheDir: string | undefined;
  let link: LinkMode[] = ['reflink', 'copy'];
  let jobs: number | undefined;
  let autostage = true;

  for (const source of sources) {
    for (const entry of source.entries) {
      if (!entry.key.startsWith('dv.')) {
        if (source.tracked)
          problems.push({
            file: source.file,
            line: entry.line,
            at: entry.key,
            message: 'expected settings in sections [dv …] only',
          });
        continue;
      }
      const complain = (message: string) =>
        problems.push({ file: source.file, line: entry.line, at: entry.key, message });
      const refused = source.tracked ? trackedProblem(entry) : undefined;
      if (refused !== undefined) {
        complain(refused);
        continue;
      }
      const remote = /^dv\.remote\.(.+)\.(url|endpoint|region|profile)$/.exec(entry.key);
      const hook = /^dv\.hooks\.([a-z-]+)$/.exec(entry.key);
      if (remote !== null) {
        const name = remote[1]!;
        const field = remote[2] as 'url' | 'endpoint' | 'region' | 'profile';
        const known = remotes.get(name) ?? { endpointFromRepository: false };
        known[field] = entry.value;
        if (field === 'endpoint') known.endpointFromRepository = source.tracked;
        remotes.set(name, known);
      } else if (hook !== null) {
        const value = parseBoolean(entry.value);
        if (value === undefined) complain(`expected on or off, found ${JSON.stringify(entry.value)}`);
        else hooks.set(hook[1]!, value);
      } else if (entry.key === 'dv.defaultremote') defaultRemote = entry.value;
      else if (entry.key === 'dv.cache.dir') cacheDir = entry.value;
      else if (entry.key === 'dv.cache.link') {
        const modes = entry.value.split(',').map((mode) => mode.trim());
        if (modes.length === 0 || modes.some((mode) => !linkModes.includes(mode))) {
          complain(`expected a list of ${linkModes.join(', ')}, found ${JSON.stringify(entry.value)}`);
        } else link = modes as LinkMode[];
      } else if (entry.key === 'dv.jobs') {
        const value = Number(entry.value);
        if (!Number.isSafeInteger(value) || value < 1)
          complain(`expected a whole number from 1, found ${JSON.stringify(entry.value)}`);
        else jobs = value;
      } else if (entry.key === 'dv.autostage') {
        const value = parseBoolean(entry.value);
        if (value === undefined) complain(`expected true or false, found ${JSON.stringify(entry.value)}`);
        else autostage = value;
      }
    }
  }

  const complete = new Map<string, RemoteConfig>();
  for (const [name, remote] of remotes) {
    if (remote.url === undefined || remote.url === '') continue;
    complete.set(name, { ...remote, name, url: remote.url });
  }
  if (problems.length > 0) throw new DvError('invalid-file', { problems });
  return {
    remotes: complete,
    defaultRemote: defaultRemote ?? (complete.size === 1 ? [...complete.keys()][0] : undefined),
    cacheDir,
    link,
    jobs,
    autostage,
    hooks,
  };
}
