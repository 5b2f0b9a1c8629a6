/** Which files of a revision hold metrics and params, and what is in one. */
import { flatten, largestFileBytes, parseJson, type Value } from './values.ts';

/** What is compared. */
export type Kind = 'metrics' | 'params';

/** The file with parameters. */
export const paramsFile = 'params.yaml';

/** Whether a path holds metrics by its place: any JSON or YAML file below a folder called `metrics`. */
export function isMetricsPath(path: string): boolean {
  return /(?:^|\/)metrics\/.*\.(?:json|ya?ml)$/s.test(path);
}

/** Whether the values of a file can be read, told from its name: stages may call other files metrics too. */
export function isReadable(path: string): boolean {
  return /\.(?:json|ya?ml)$/.test(path);
}

/** Whether a path holds what is compared, whatever stages.lock says. */
export function isWanted(kind: Kind, path: string): boolean {
  return kind === 'metrics' ? isMetricsPath(path) : path === paramsFile;
}

/** Values of a file, or why there are none. */
export type Parsed = { readonly values: ReadonlyMap<string, Value> } | { readonly problem: string };

/** Reads a metrics or params file. YAML's library is loaded with the first YAML file. */
export async function parseFile(kind: Kind, path: string, bytes: Uint8Array): Promise<Parsed> {
  if (bytes.length > largestFileBytes) {
    const size = (bytes.length / (1 << 20)).toFixed(1);
    return { problem: `is ${size} MiB: a ${kind} file has 1 MiB at most` };
  }
  const text = new TextDecoder().decode(bytes);
  try {
    const parsed: unknown = path.endsWith('.json') ? parseJson(text) : (await import('yaml')).parse(text);
    return { values: flatten(parsed, kind === 'metrics' ? 'numbers' : 'everything') };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const conflict = /^(?:<{7}|>{7}) /m.test(text);
    return { problem: conflict ? 'git left a merge conflict here' : (error.message.split('\n')[0] ?? '') };
  }
}
