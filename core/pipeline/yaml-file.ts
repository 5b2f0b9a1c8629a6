/** YAML text → plain values, with the place of every key, and every syntax problem. Loads the library on first use. */
import type { Document, Node } from 'yaml';
import type { FileProblem } from '../errors.ts';
import type { Position } from './stage.ts';

/** A key or index on the way to a value. */
export type PathPart = string | number;

/** A YAML file that was understood. */
export interface YamlFile {
  /** Maps, lists, texts, numbers, booleans and null; null when the file is empty. */
  readonly value: unknown;
  /** Where a value stands: at its key in a map, at its first character in a list, else the nearest thing above it. */
  locate(path: readonly PathPart[]): Position;
}

/** How to name a place inside a file: `stages.train.outs[0]`. */
export function formatPath(path: readonly PathPart[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('');
}

const conflictPattern = /^(<{7}|={7}|>{7}|\|{7})( |$)/;

/**
 * Parses YAML 1.2, one document, with anchors and merge keys.
 * @param file how to name it in problems.
 * @returns the file, or its problems: conflict markers first, as everything else follows from them.
 */
export async function parseYaml(
  text: string,
  file: string,
): Promise<{ ok: true; yaml: YamlFile } | { ok: false; problems: FileProblem[] }> {
  const conflicts = text
    .split('\n')
    .flatMap((line, i) => (line.startsWith('<<<<<<< ') && conflictPattern.test(line) ? [i + 1] : []));
  if (conflicts.length > 0) {
    return {
      ok: false,
      problems: conflicts.map((line) => ({
        file,
        line,
        message: 'git left a merge conflict here: choose one side and remove the markers',
      })),
    };
  }
  const { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document: Document.Parsed = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    return {
      ok: false,
      problems: faults.map((fault) => ({ file, ...at(fault.pos[0]), message: lowerFirst(fault.message) })),
    };
  }
  const follow = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const startOf = (node: unknown): number | undefined =>
    isNode(node) ? ((node as Node).range?.[0] ?? undefined) : undefined;
  const locate = (path: readonly PathPart[]): Position => {
    let node: unknown = document.contents;
    let offset = startOf(node) ?? 0;
    for (const part of path) {
      node = follow(node);
      if (isMap(node)) {
        const pair = node.items.find(
          ({ key }) => (isScalar(key) ? String(key.value) : String(key)) === String(part),
        );
        if (pair === undefined) break;
        offset = startOf(pair.key) ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        const item = node.items[Number(part)];
        if (item === undefined) break;
        offset = startOf(item) ?? offset;
        node = item;
      } else break;
    }
    return at(offset);
  };
  try {
    return { ok: true, yaml: { value: document.toJS() as unknown, locate } };
  } catch (error) {
    // Too many or unresolvable aliases are found only here.
    if (!(error instanceof ReferenceError)) throw error;
    return { ok: false, problems: [{ file, message: lowerFirst(error.message) }] };
  }
}

const lowerFirst = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);
