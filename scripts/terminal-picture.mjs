// A terminal screen with colours → a picture: what `tmux capture-pane -p -e` prints on standard input, an SVG that needs
// nothing else on standard output. Every character has its own place on a grid of cells, so columns stay aligned in
// whatever monospaced font the reader has; a character takes one cell. The argument is the title of the window.
//
// docs/view.svg was made like this, after `npm run demo`, with the folder of its env.sh as $demo:
//
//   command='dv metrics diff data/v1-raw data/v2-clean data/v3-augmented'
//   tmux -u new-session -d -s view -x 104 -y 29 "unset CI; TERM=xterm-256color; . $demo/env.sh; $command"
//   tmux send-keys -t view j j j j j j j Tab k k k k k k k l
//   tmux capture-pane -t view -p -e | node scripts/terminal-picture.mjs "$command" > docs/view.svg
//   tmux send-keys -t view q
import { text } from 'node:stream/consumers';

const [cellWidth, lineHeight, padding, barHeight] = [9, 18, 18, 38];
const [foreground, background] = ['#d1d7e0', '#151b23'];
/** Black, red, green, yellow, blue, magenta, cyan, white; then the same, bright. */
const colours = [
  '#3d444d #ff7b72 #57d364 #e3b341 #6cb6ff #d2a8ff #56d4dd #b1bac4',
  '#656c76 #ffa198 #7ee787 #f2cc60 #96d0ff #e2c5ff #b3f0ff #ffffff',
].flatMap((eight) => eight.split(' '));
const plain = { bold: false, dim: false, reverse: false, ink: undefined, paper: undefined };

/** The style after one SGR code (ECMA-48, and 90 to 107 for bright colours). */
function styled(style, code) {
  const colour = colours[(code % 10) + (code >= 90 ? 8 : 0)];
  if (code === 0) return plain;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 7 || code === 27) return { ...style, reverse: code === 7 };
  if (code === 39) return { ...style, ink: undefined };
  if (code === 49) return { ...style, paper: undefined };
  if (/^(3|9)[0-7]$/.test(code)) return { ...style, ink: colour };
  if (/^(4|10)[0-7]$/.test(code)) return { ...style, paper: colour };
  throw new Error(`no picture of SGR code ${code}`);
}

/** Lines of runs: text in one style, and the cell it starts at. A style lasts over the end of a line. */
function readScreen(screen) {
  let style = plain;
  return screen
    .trimEnd()
    .split('\n')
    .map((line) => {
      const runs = [];
      let column = 0;
      for (const [, codes, characters] of line.matchAll(/\x1b\[([\d;]*)m|([^\x1b]+|\x1b)/g)) {
        if (characters === '\x1b')
          throw new Error(`no picture of the escape sequence in ${JSON.stringify(line)}`);
        if (characters === undefined) style = codes.split(';').map(Number).reduce(styled, style);
        else {
          runs.push({ ...style, column, characters: [...characters] });
          column += runs.at(-1).characters.length;
        }
      }
      return runs;
    });
}

const escaped = (string) => string.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** The run's background where it has one, and its characters; spaces are left out. */
function drawRun({ bold, dim, reverse, ink = foreground, paper = background, column, characters }, top) {
  const [front, back] = reverse ? [paper, ink] : [ink, paper];
  const x = (i) => padding + (column + i) * cellWidth;
  const width = characters.length * cellWidth;
  const box = `<rect x="${x(0)}" y="${top}" width="${width}" height="${lineHeight}" fill="${back}"/>`;
  const seen = characters.flatMap((character, i) => (character === ' ' ? [] : [[x(i), escaped(character)]]));
  const look = [
    front === foreground ? '' : ` fill="${front}"`,
    bold ? ' font-weight="bold"' : '',
    dim ? ' opacity=".6"' : '',
  ].join('');
  const places = seen.map(([place]) => place).join(' ');
  const signs = seen.map(([, sign]) => sign).join('');
  const words = `<text x="${places}" y="${top + 13.5}"${look}>${signs}</text>`;
  return (back === background ? '' : box) + (seen.length === 0 ? '' : words);
}

const lines = readScreen(await text(process.stdin));
const columns = Math.max(0, ...lines.flat().map((run) => run.column + run.characters.length));
const [width, height] = [columns * cellWidth + 2 * padding, lines.length * lineHeight + barHeight + padding];
const title = escaped(process.argv[2] ?? 'terminal');
const fonts = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
const buttons = ['#ff5f57', '#febc2e', '#28c840'].map(
  (fill, i) => `<circle cx="${padding + 6 + i * 20}" cy="16" r="6" fill="${fill}"/>`,
);
const rows = lines.map((runs, i) => runs.map((run) => drawRun(run, barHeight + i * lineHeight)).join(''));
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" \
height="${height}" font-family="${fonts}" font-size="15" fill="${foreground}" role="img"><title>${title}</title>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10" fill="${background}" stroke="#656c76"/>
${buttons.join('')}<text x="${width / 2}" y="21" font-size="13" text-anchor="middle" opacity=".75">${title}</text>
${rows.filter((row) => row !== '').join('\n')}
</svg>
`);
