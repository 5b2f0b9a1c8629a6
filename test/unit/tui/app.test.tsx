import { EventEmitter } from 'node:events';
import { render } from 'ink-testing-library';
import { describe, expect, it } from 'vitest';
import { App } from '../../../cli/tui/app.tsx';
import { type Line, toText } from '../../../cli/tui/spans.ts';
import { createView, type Size } from '../../../cli/tui/state.ts';
import { now, threeBranches } from './world.ts';

/** A view on a terminal of which the test is the person. */
function open(signal?: AbortSignal) {
  let size: Size = { width: 80, height: 24 };
  let screen = '';
  const terminal = new EventEmitter();
  const app = render(
    <App
      view={createView(threeBranches(), 'dv metrics diff', now)}
      changedOnly
      size={() => size}
      onResize={(listener) => {
        terminal.on('resize', listener);
        return () => terminal.off('resize', listener);
      }}
      onLines={(lines: readonly Line[]) => {
        screen = lines.map((line) => toText(line).trimEnd()).join('\n');
      }}
      {...(signal === undefined ? {} : { signal })}
    />,
  );
  /** Waits until what the view shows is as the test says. */
  const sees = async (what: RegExp | string) => {
    await expect.poll(() => screen).toMatch(what);
  };
  return {
    sees,
    type: (keys: string) => app.stdin.write(keys),
    resize(to: Size) {
      size = to;
      terminal.emit('resize');
    },
    listeners: () => terminal.listenerCount('resize'),
    unmount: app.unmount,
  };
}

describe('the view on a terminal', () => {
  it('follows keys, also several at once, and the size', async () => {
    const view = open();
    await view.sees(/^dv metrics diff {3}3 revisions/);
    view.type('jj\t');
    await view.sees(/▾ classes f1 \(10\)/);
    view.type('\x1b[B\x1b[B\x1b[C');
    await view.sees('classes.1.f1 of data/v3-augmented');
    view.type('/los');
    await view.sees(/\/los {3}1 row/);
    view.type('q\r');
    await view.sees('no row has "losq" in its name');
    view.type('\x1b');
    await view.sees(/accuracy/);
    view.resize({ width: 60, height: 10 });
    await view.sees(/^.{40,60}\n/);
    view.unmount();
  });
  it.each(['q', '\x03', 'jjq', 'j\x03'])('ends on %j', async (keys) => {
    const view = open();
    await view.sees('accuracy');
    view.type(keys);
    await expect.poll(view.listeners).toBe(0);
  });
  it('ends when it is told to', async () => {
    const control = new AbortController();
    const view = open(control.signal);
    await view.sees('accuracy');
    control.abort();
    await expect.poll(view.listeners).toBe(0);
  });
  it('types q into the filter, and closes the keys with it', async () => {
    const view = open();
    await view.sees('accuracy');
    view.type('/q');
    await view.sees(/\/q {3}0 rows/);
    view.type('\x1b');
    await view.sees('accuracy');
    view.type('?');
    await view.sees('any key goes back');
    view.type('q');
    await view.sees('accuracy');
    expect(view.listeners()).toBe(1);
    view.unmount();
  });
});
