/** JSON values with one encoding each, as they stand in stages.lock and go into fingerprints. */
import { comparePaths } from '../model/repo-path.ts';

/** A value of JSON. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Whether a value is a map, rather than a list, a text, a number or nothing. */
export function isJsonMap(value: unknown): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// JSON leaves these as they are, YAML does not allow some of them, and nobody could see them.
const invisible = /[\x7f-\x9f\u2028\u2029\ufeff]/g;

/** A text in quotes; JSON and YAML read it the same. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    invisible,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Encodes a value on one line: keys sorted by their UTF-8 bytes, no spaces. */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return JSON.stringify(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value as { readonly [key: string]: JsonValue });
  entries.sort(([a], [b]) => comparePaths(a, b));
  return `{${entries.map(([key, item]) => `${quote(key)}:${canonicalJson(item)}`).join(',')}}`;
}

/** Says what keeps a value from being JSON, or gives undefined when it is. Dates, NaN and the like are not. */
export function jsonProblem(value: unknown): string | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${value} is no finite number`;
  if (Array.isArray(value))
    return value.reduce<string | undefined>((found, item) => found ?? jsonProblem(item), undefined);
  if (typeof value === 'object')
    return Object.values(value).reduce<string | undefined>(
      (found, item) => found ?? jsonProblem(item),
      undefined,
    );
  return `a ${typeof value} cannot be kept`;
}
