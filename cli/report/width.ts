/** Text in columns: how wide it is on a terminal, cut to a width, padded to a width. */

/** How many cells a text takes on a terminal. */
export type Measure = (text: string) => number;

// Besides ASCII, the marks our own tables are made of: all one cell wide.
const oneCellEach = new Set([...'▲▼—…●▸▾▴→←±−×·│█∞'].map((mark) => mark.charCodeAt(0)));

/** Whether `simpleWidth` measures a text rightly. */
export function isSimple(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 || code > 0x7e) && !oneCellEach.has(code)) return false;
  }
  return true;
}

/** The width of a text of one-cell characters. */
export const simpleWidth: Measure = (text) => text.length;

/**
 * A measure for these texts: string-width is loaded only when one of them has characters that may be wider than
 * a cell or narrower.
 */
export async function loadMeasure(texts: Iterable<string>): Promise<Measure> {
  for (const text of texts) {
    if (!isSimple(text)) return remembering((await import('string-width')).default);
  }
  return simpleWidth;
}

/** A measure that takes the short way for simple texts and remembers the others. */
export function remembering(measure: Measure): Measure {
  const known = new Map<string, number>();
  return (text) => {
    if (isSimple(text)) return text.length;
    let width = known.get(text);
    if (width === undefined) {
      width = measure(text);
      if (known.size > 20_000) known.clear();
      known.set(text, width);
    }
    return width;
  };
}

let segmenter: Intl.Segmenter | undefined;

/** The graphemes of a text: what a reader sees as its characters. */
export function* graphemes(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter();
  for (const { segment } of segmenter.segment(text)) yield segment;
}

/** Cuts a text to a width, between graphemes; `…` says that something is missing. */
export function truncate(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  if (width < 1) return '';
  let cut = '';
  let used = 0;
  for (const segment of graphemes(text)) {
    const next = measure(segment);
    if (used + next > width - 1) break;
    cut += segment;
    used += next;
  }
  return `${cut}…`;
}

/** Cuts a text from its middle, so that a name's beginning and end stay. */
export function truncateMiddle(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  if (width < 5) return truncate(text, width, measure);
  const segments = [...graphemes(text)];
  const endWidth = Math.floor((width - 1) / 2);
  let end = '';
  for (let i = segments.length - 1; i >= 0; i--) {
    const longer = segments[i]! + end;
    if (measure(longer) > endWidth) break;
    end = longer;
  }
  const start = truncate(text, width - measure(end), measure);
  return `${start.slice(0, -1)}…${end}`;
}

/** Exactly a width of cells: cut, or padded on the right (or, for numbers, on the left). */
export function toWidth(
  text: string,
  width: number,
  measure: Measure,
  align: 'left' | 'right' = 'left',
): string {
  const cut = truncate(text, width, measure);
  const padding = ' '.repeat(Math.max(0, width - measure(cut)));
  return align === 'left' ? cut + padding : padding + cut;
}
