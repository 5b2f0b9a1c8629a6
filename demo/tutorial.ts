/** A tutorial that runs: prints what it is about to do, the commands as one would type them, and their output. */
import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Prints a heading. */
export function heading(text: string): void {
  console.log(`\n${paint('1', `# ${text}`)}`);
}

/** Prints an explanation. */
export function say(text: string): void {
  console.log(paint('2', text.replace(/^/gm, '  ')));
}

/** Runs commands in a folder as a user would type them. */
export class Shell {
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;

  /** @param binaries folder that holds `dv`, put first on PATH. */
  constructor(directory: string, binaries: string) {
    this.#directory = directory;
    this.#env = { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}` };
  }

  /** Prints and runs one command line; its output goes to the terminal. @throws when it fails */
  async run(line: string): Promise<void> {
    console.log(`\n${paint('36', `$ ${line}`)}`);
    await this.#spawn(line, 'inherit');
  }

  /** Runs a command line without printing it, and gives back its standard output. @throws when it fails */
  output(line: string): Promise<string> {
    return this.#spawn(line, 'pipe');
  }

  #spawn(line: string, stdout: 'inherit' | 'pipe'): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(line, {
        cwd: this.#directory,
        env: this.#env,
        shell: true,
        stdio: ['ignore', stdout, 'inherit'],
      });
      const pieces: Buffer[] = [];
      child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
      child.on('error', reject);
      child.on('close', (status, signal) => {
        if (status === 0) resolve(Buffer.concat(pieces).toString());
        else reject(new Error(`\`${line}\` ended with ${signal ?? `status ${status}`}`));
      });
    });
  }
}
