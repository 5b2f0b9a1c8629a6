/** Parameters: values of params.yaml that stages list, or have put into their command with `${key}`. */
import { DvError } from '../errors.ts';
import { isJsonMap, type JsonValue, jsonProblem } from './json.ts';
import { parseYaml } from './yaml-file.ts';

/** The values of params.yaml, by their first key. */
export type Params = Readonly<Record<string, unknown>>;

/**
 * Reads params.yaml.
 * @param file how to name it in problems.
 * @throws {DvError} invalid-file
 */
export async function parseParams(text: string, file: string): Promise<Params> {
  const parsed = await parseYaml(text, file);
  if (!parsed.ok) throw new DvError('invalid-file', { problems: parsed.problems });
  const { value } = parsed.yaml;
  if (value === null || value === undefined) return {};
  if (isJsonMap(value)) return value;
  throw new DvError('invalid-file', {
    problems: [{ file, line: 1, message: 'expected a map of parameters, e.g. `seed: 1`' }],
  });
}

/** What a key stands for, or why it stands for nothing. */
export type LookedUp = { readonly value: JsonValue } | { readonly problem: string };

/**
 * Finds a parameter.
 * @param key dotted: `train.epochs`. A key that names a map stands for all that is in it.
 */
export function lookUp(params: Params, key: string, file: string): LookedUp {
  let value: unknown = params;
  for (const part of key.split('.')) {
    if (!isJsonMap(value) || !Object.hasOwn(value, part)) return { problem: `${file} has no ${key}` };
    value = value[part];
  }
  const problem = jsonProblem(value);
  return problem === undefined ? { value: value as JsonValue } : { problem: `${key} in ${file}: ${problem}` };
}

/** A text with its parameters put in. */
export interface Filled {
  readonly text: string;
  /** The parameters that were put in, with their values. */
  readonly used: ReadonlyMap<string, JsonValue>;
  readonly problems: readonly string[];
}

// `$${` stands for `${`. What is no dotted key (`${x:-1}`, `${#x}`) is the shell's and stays.
const reference = /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)\}/g;

/** Puts parameters into a text. Texts, numbers and booleans go in as they are written; nothing is quoted. */
export function fill(text: string, find: (key: string) => LookedUp): Filled {
  const used = new Map<string, JsonValue>();
  const problems: string[] = [];
  const filled = text.replace(reference, (_, escaped: string | undefined, key: string) => {
    if (escaped !== undefined) return '${';
    const found = find(key);
    if ('problem' in found) {
      problems.push(`${found.problem}; for the shell's own variable write $${key} or $\${${key}}`);
      return '';
    }
    used.set(key, found.value);
    if (typeof found.value === 'object') {
      problems.push(
        `${key} is ${found.value === null ? 'empty' : 'a list or a map'}, which cannot be put into a text`,
      );
      return '';
    }
    return String(found.value);
  });
  return { text: filled, used, problems };
}

/** The key of a text that is one `${key}` and nothing else, or undefined. */
export function wholeReference(text: string): string | undefined {
  return /^\$\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)\}$/.exec(text)?.[1];
}
