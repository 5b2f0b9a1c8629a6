/** How events look. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { describeFailure } from '../../../cli/exit.ts';
import { clean } from '../../../cli/report/clean.ts';
import { jsonReporter } from '../../../cli/report/json.ts';
import { plainReporter } from '../../../cli/report/plain.ts';
import { formatSeconds, progressLine } from '../../../cli/report/progress-line.ts';
import { nearest } from '../../../cli/suggest.ts';
import { DvError } from '../../../core/errors.ts';
import type { Progress } from '../../../core/events.ts';

describe('clean', () => {
  test.each([
    ['plain text, ümläuts and 図 stay', 'plain text, ümläuts and 図 stay'],
    ['colour \x1b[1;31mred\x1b[0m', 'colour red'],
    ['title \x1b]0;owned\x07 end', 'title  end'],
    ['title \x1b]0;owned\x1b\\ end', 'title  end'],
    ['8-bit \x9b2J end', '8-bit  end'],
    ['cursor \x1b7\x1b(0 end', 'cursor  end'],
    ['unfinished \x1b[', 'unfinished '],
    ['back\x08space, bell\x07, nul\0', 'back\ufffdspace, bell\ufffd, nul\ufffd'],
    ['rtl \u202egnp.exe', 'rtl \ufffdgnp.exe'],
    ['isolate \u2066x\u2069', 'isolate \ufffdx\ufffd'],
    ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['windows\r\nline, alone \r', 'windows\nline, alone \ufffd'],
    ['half a pair \ud83d', 'half a pair \ufffd'],
    ['a whole one 🌱', 'a whole one 🌱'],
  ])('%j', (text, cleaned) => {
    expect(clean(text)).toBe(cleaned);
  });

  test('an unfinished title does not swallow the next line', () => {
    expect(clean('a \x1b]0;b\nc')).toBe('a \nc');
  });
});

const halfway: Progress = {
  type: 'progress',
  task: 'storing',
  files: 1250,
  totalFiles: 2500,
  bytes: 12_500_000,
  totalBytes: 25_000_000,
};

describe('the line of progress', () => {
  test('has task, bar, files, bytes, rate and time left', () => {
    expect(progressLine(halfway, 2000, 120)).toMatchInlineSnapshot(
      `"storing  [==========          ]  1,250 of 2,500 files  12.5 MB of 25.0 MB  6.3 MB/s  2 s left"`,
    );
  });

  test('leaves out what is not known', () => {
    expect(progressLine({ type: 'progress', task: 'reading', files: 3, bytes: 0 }, 900, 80)).toBe(
      'reading  3 files',
    );
  });

  test('is shorter than the terminal is wide', () => {
    for (let columns = 8; columns < 130; columns++)
      expect(progressLine(halfway, 2000, columns).length).toBeLessThan(columns);
    expect(progressLine(halfway, 2000, 60)).toBe('storing  [==========          ]  1,250 of 2,500 files');
  });

  test('cleans the name of the task', () => {
    expect(progressLine({ ...halfway, task: 'a\x1b[2Jb' }, 1000, 10)).toBe('ab');
  });

  test.each([
    [0.2, '1 s'],
    [59.5, '1 min 00 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 05 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

/** A reporter with a clock that is set by hand, and what it wrote. */
function world(options: { columns?: number; quiet?: boolean } = {}) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const reporter = plainReporter({
    write: (text) => void written.push(text),
    columns: options.columns,
    quiet: options.quiet ?? false,
    now: () => clock.ms,
  });
  return { reporter, clock, text: () => written.join('') };
}

describe('events as lines', () => {
  test('progress shows after half a second, at most ten times a second, and goes before a line', () => {
    const { reporter, clock, text } = world({ columns: 40 });
    reporter.report(halfway);
    clock.ms = 499;
    reporter.report(halfway);
    expect(text()).toBe('');
    clock.ms = 600;
    reporter.report(halfway);
    clock.ms = 650;
    reporter.report(halfway);
    const painted = '\r\x1b[Kstoring  [==========          ]';
    expect(text()).toBe(painted);
    reporter.report({ type: 'warning', message: 'look out', hint: 'mind the step' });
    expect(text()).toBe(`${painted}\r\x1b[Kdv: warning: look out\nhint: mind the step\n`);
    reporter.close();
    expect(text()).toBe(`${painted}\r\x1b[Kdv: warning: look out\nhint: mind the step\n`);
  });

  test('a new task waits again, and close erases', () => {
    const { reporter, clock, text } = world({ columns: 40 });
    reporter.report(halfway);
    clock.ms = 1000;
    reporter.report(halfway);
    reporter.report({ ...halfway, task: 'linking' });
    expect(text().match(/storing/g)).toHaveLength(1);
    expect(text()).not.toContain('linking');
    reporter.close();
    expect(text().endsWith('\r\x1b[K')).toBe(true);
  });

  test('nobody watching: no progress', () => {
    const { reporter, clock, text } = world();
    reporter.report(halfway);
    clock.ms = 5000;
    reporter.report(halfway);
    expect(text()).toBe('');
  });

  test('stages: command, reasons, output by line, outcome', () => {
    const { reporter, text } = world();
    reporter.report({
      type: 'stage-started',
      stage: 'train',
      command: 'step train',
      reasons: ['data/train changed'],
    });
    reporter.report({ type: 'stage-output', stage: 'train', stream: 'stdout', text: 'epoch 1\nepo' });
    reporter.report({ type: 'stage-output', stage: 'train', stream: 'stdout', text: 'ch 2\n10 %\r50 %\r' });
    reporter.report({ type: 'stage-output', stage: 'train', stream: 'stderr', text: '\x1b[31mlast' });
    reporter.report({
      type: 'stage-finished',
      stage: 'train',
      outcome: 'failed',
      seconds: 12.34,
      reasons: ['exit status 1'],
    });
    expect(text()).toMatchInlineSnapshot(`
      "train: step train
        because data/train changed
      train | epoch 1
      train | epoch 2
      train | last
      train: failed in 12.3 s: exit status 1
      "
    `);
  });

  test('quiet leaves warnings', () => {
    const { reporter, text } = world({ columns: 80, quiet: true });
    reporter.report({ type: 'stage-started', stage: 'a', command: 'b', reasons: [] });
    reporter.report({ type: 'warning', message: 'x' });
    expect(text()).toBe('dv: warning: x\n');
  });

  test('--json: one object per line, progress ten times a second, the last one always', () => {
    const written: string[] = [];
    const clock = { ms: 0 };
    const reporter = jsonReporter(
      (text) => void written.push(text),
      () => clock.ms,
    );
    reporter.report(halfway);
    clock.ms = 50;
    reporter.report(halfway);
    reporter.report({ ...halfway, files: 2500, bytes: 25_000_000 });
    reporter.report({ type: 'warning', message: 'two\nlines' });
    expect(written.map((line) => JSON.parse(line))).toEqual([
      halfway,
      { ...halfway, files: 2500, bytes: 25_000_000 },
      { type: 'warning', message: 'two\nlines' },
    ]);
    expect(written.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });
});

describe('failures', () => {
  test('a known one: message, hint, status; causes only when asked for', () => {
    const error = new DvError('path-not-tracked', { repoPath: 'a\x1b[2Jb' }, { cause: new Error('deep') });
    expect(describeFailure(error)).toMatchObject({
      status: 2,
      text: 'dv: dv does not track ab\nhint: dv add ab',
      document: { error: { code: 'path-not-tracked', details: { repoPath: 'a\x1b[2Jb' } } },
    });
    expect(describeFailure(error, { verbose: true }).text).toContain('because: Error: deep');
  });

  test('anything else is a bug, with its stack and what lies behind it', () => {
    const failure = describeFailure(new Error('broken', { cause: new Error('deep') }));
    expect(failure.status).toBe(70);
    expect(failure.text).toMatch(/^dv: a bug in dv: Error: broken\n {4}at /);
    expect(failure.text).toContain('because: Error: deep');
    expect(failure.document.error).toMatchObject({ code: 'bug', message: 'broken', hint: null });
    expect(describeFailure('thrown text').text).toBe('dv: a bug in dv: thrown text');
  });
});

describe('guesses', () => {
  const known = ['add', 'status', 'checkout', 'completion', 'init'];
  test.each([
    ['stauts', 'status'],
    ['stat', 'status'],
    ['ad', 'add'],
    ['chekout', 'checkout'],
    ['inti', 'init'],
    ['xyz', undefined],
    ['s', undefined],
  ])('%s → %s', (typed, guess) => {
    expect(nearest(typed, known)).toBe(guess);
  });
});

describe('where nobody watches', () => {
  afterEach(() => vi.useRealTimers());

  test('a line says every ten seconds how far long work is, and none after its end', () => {
    vi.useFakeTimers();
    let written = '';
    const reporter = plainReporter({
      write: (text) => {
        written += text;
      },
      columns: undefined,
      quiet: false,
      heartbeatMs: 10_000,
    });
    vi.advanceTimersByTime(10_500);
    reporter.report({ ...halfway, task: 'sending' });
    reporter.report({ ...halfway, task: 'sending', files: 1251 });
    vi.advanceTimersByTime(10_000);
    reporter.close();
    vi.advanceTimersByTime(60_000);
    expect(written).toMatchInlineSnapshot(`
      "dv: still working
      dv: still sending: 1,251 of 2,500 files, 12.5 MB of 25.0 MB
      "
    `);
  });

  test('on a terminal there is the line of progress instead', () => {
    vi.useFakeTimers();
    let written = '';
    const reporter = plainReporter({
      write: (text) => {
        written += text;
      },
      columns: 80,
      quiet: false,
      heartbeatMs: 10_000,
    });
    vi.advanceTimersByTime(60_000);
    reporter.close();
    expect(written).toBe('');
  });
});
