/** The terminal while the view is open: the alternate screen, lines painted where they changed, and the way back. */
import { writeSync } from 'node:fs';

/** Where to write. */
export interface ScreenOutput {
  write(text: string): void;
  /** Writes at once, also while the process ends. */
  writeNow(text: string): void;
}

// xterm's control sequences: 1049 alternate screen, 25 cursor, 7 wrapping at the edge (off: a terminal that
// thinks a character wider than we do must not break the lines below), 2026 synchronised update.
const enter = '\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l\x1b[?7l';
// Cleared before leaving: after a resize some terminals keep lines of the alternate screen otherwise.
const leave = '\x1b[H\x1b[2J\x1b[?7h\x1b[?1049l\x1b[?25h';

/** A screen. `enter` first; `leave` gives the terminal back as it was and may be called again. */
export class Screen {
  readonly #output: ScreenOutput;
  #painted: readonly string[] = [];
  #width = 0;
  #isOpen = false;

  constructor(output: ScreenOutput) {
    this.#output = output;
  }

  enter(): void {
    this.#isOpen = true;
    this.#painted = [];
    this.#output.write(enter);
  }

  /** Shows lines, writing only those that changed; all of them after the width changed. */
  paint(lines: readonly string[], width: number): void {
    if (!this.#isOpen) return;
    const isNew = width !== this.#width;
    const before = isNew ? [] : this.#painted;
    let text = isNew ? '\x1b[2J' : '';
    for (let i = 0; i < Math.max(lines.length, before.length); i++) {
      // Cleared first: clearing behind a line that fills the screen would take its last character.
      const line = lines[i] ?? '';
      if (line !== before[i]) text += `\x1b[${i + 1};1H\x1b[2K${line}`;
    }
    this.#painted = lines;
    this.#width = width;
    if (text !== '') this.#output.write(`\x1b[?2026h${text}\x1b[?2026l`);
  }

  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#output.writeNow(leave);
  }
}

/** Writes to a terminal's stream. */
export function terminalOutput(stream: NodeJS.WriteStream & { fd: number }): ScreenOutput {
  return {
    write: (text) => void stream.write(text),
    writeNow: (text) => void writeSync(stream.fd, text),
  };
}
