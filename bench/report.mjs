// Medians as a Markdown table, and the place in docs/benchmarks.md that a run may replace.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, totalmem, type } from 'node:os';

/** The middle of a list, or the mean of its two middle values. */
function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const seconds = (value) => value.toFixed(value < 10 ? 2 : 1);

/**
 * A Markdown table with aligned columns.
 * @param results step → tool → seconds of each run.
 * @param names the columns, dv first.
 */
export function table(results, names) {
  const rows = [...results].map(([step, ofStep]) => {
    const dv = median(ofStep.get('dv') ?? [Number.NaN]);
    const cells = names.map((name) => {
      const list = ofStep.get(name);
      if (!list) return '–';
      const value = median(list);
      return name === 'dv' ? seconds(value) : `${seconds(value)} (${(value / dv).toFixed(1)})`;
    });
    return [step, ...cells, String(Math.max(...[...ofStep.values()].map((list) => list.length)))];
  });
  return aligned(['', ...names, 'runs'], rows);
}

/** Like `table`, of plain numbers: medians with so many decimals, no ratios. */
export function countTable(results, names, decimals) {
  const rows = [...results].map(([step, ofStep]) => [
    step,
    ...names.map((name) => {
      const list = ofStep.get(name);
      return list ? median(list).toFixed(decimals) : '–';
    }),
  ]);
  return aligned(['', ...names], rows);
}

function aligned(head, rows) {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Cores, memory, system and the file system of a folder, without the machine's name. */
export function machine(folder) {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB memory`;
  const name = existsSync('/etc/os-release')
    ? /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
    : undefined;
  // The number alone: what follows it may name a build of one provider.
  const kernel = `${type()} ${/^[\d.]*/.exec(release())[0]}`;
  const system = [name, kernel].filter(Boolean).join(', ');
  return `${availableParallelism()} cores, ${memory}, ${system}, file system ${fileSystem(folder)}`;
}

function fileSystem(folder) {
  try {
    const output = execFileSync('df', ['--output=fstype', folder], { encoding: 'utf8', stdio: 'pipe' });
    return output.trim().split('\n').at(-1);
  } catch {
    // df of systems other than Linux knows no such option.
    return 'unknown';
  }
}

/** Replaces what lies between the two marks of a section in a file, and nothing else. */
export function writeReport(file, section, report) {
  const [start, end] = ['start', 'end'].map((side) => `<!-- bench ${section}: ${side} -->`);
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${file} lacks the lines ${start} and ${end}`);
  writeFileSync(file, `${text.slice(0, from + start.length)}\n${report}\n${text.slice(to)}`);
}
