/** A metrics or params file's content as flat values: nested keys are joined by dots. */

/** One value of a table. Text is for params; a metric is a number (NaN when training diverged). */
export type Value = number | string;

/** Files above this are no metrics: DESIGN keeps them small because git keeps every version. */
export const largestFileBytes = 1 << 20;

/** Deeper nesting than any sensible file has. */
const deepest = 32;

/**
 * Flattens parsed JSON or YAML.
 * @param keep `numbers`: metrics; text, lists (curves, confusion matrices) and booleans are left out.
 * `everything`: params; lists and booleans become text.
 * @returns values by dotted key, in the file's order. A key that occurs twice keeps its first value.
 */
export function flatten(parsed: unknown, keep: 'numbers' | 'everything'): Map<string, Value> {
  const flat = new Map<string, Value>();
  const put = (key: string, value: Value) => {
    if (!flat.has(key)) flat.set(key, value);
  };
  const visit = (value: unknown, key: string, depth: number) => {
    if (typeof value === 'number' || typeof value === 'bigint') put(key, Number(value));
    else if (
      value !== null &&
      typeof value === 'object' &&
      !Array.isArray(value) &&
      !(value instanceof Date)
    ) {
      if (depth === deepest) return;
      for (const [name, below] of Object.entries(value))
        visit(below, key === '' ? name : `${key}.${name}`, depth + 1);
    } else if (keep === 'everything' && value !== undefined && key !== '') {
      put(key, typeof value === 'string' ? value : JSON.stringify(value));
    }
  };
  visit(parsed, '', 0);
  return flat;
}

/**
 * Parses JSON as Python writes it: bare `NaN`, `Infinity` and `-Infinity` are numbers too.
 * @throws {SyntaxError}
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const names = {
      NaN: Number.NaN,
      Infinity: Number.POSITIVE_INFINITY,
      '-Infinity': Number.NEGATIVE_INFINITY,
    };
    // A marker no file has by accident; strings are matched first, so that words inside them stay.
    const marker = '\u0000dv number ';
    let replaced = false;
    const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (part) => {
      if (part.startsWith('"')) return part;
      replaced = true;
      return JSON.stringify(marker + part);
    });
    if (!replaced) throw error;
    return JSON.parse(quoted, (_, value) =>
      typeof value === 'string' && value.startsWith(marker)
        ? names[value.slice(marker.length) as keyof typeof names]
        : value,
    );
  }
}
