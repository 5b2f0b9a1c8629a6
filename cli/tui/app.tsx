/** Keys and state of the view. Ink reads the keys and keeps the state; the lines are painted by `onLines`. */
import { useApp, useInput } from 'ink';
import { useEffect, useLayoutEffect, useReducer } from 'react';
import { keysOf } from './keys.ts';
import { linesOf, settled } from './lines.ts';
import type { Line } from './spans.ts';
import { initialState, press, type Size, type State, type View } from './state.ts';

/** What the view needs from its surroundings. */
export interface AppProps {
  readonly view: View;
  /** Whether rows that are equal everywhere are hidden at first. */
  readonly changedOnly: boolean;
  /** The terminal's size, now and after each change. Gives back how to stop listening. */
  readonly size: () => Size;
  readonly onResize: (listener: () => void) => () => void;
  readonly onLines: (lines: readonly Line[], size: Size) => void;
  /** Ends the view when aborted. */
  readonly signal?: AbortSignal;
}

interface Moment {
  readonly state: State;
  readonly size: Size;
}

/** The view as a component; it renders nothing itself. */
export function App({ view, changedOnly, size, onResize, onLines, signal }: AppProps) {
  const { exit } = useApp();
  const reduce = (moment: Moment, action: { key: string } | { size: Size }): Moment => {
    if ('size' in action) {
      return { state: settled(view, moment.state, action.size), size: action.size };
    }
    const next = press(view, moment.state, action.key, moment.size);
    return { state: settled(view, next, moment.size), size: moment.size };
  };
  const begin = (): Moment => {
    const now = size();
    return { state: settled(view, initialState(view, now, changedOnly), now), size: now };
  };
  const [moment, dispatch] = useReducer(reduce, undefined, begin);

  useEffect(() => onResize(() => dispatch({ size: size() })), [onResize, size]);
  useEffect(() => {
    if (signal === undefined) return;
    const stop = () => exit();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    return () => signal.removeEventListener('abort', stop);
  }, [signal, exit]);
  useInput((input, inkKey) => {
    // A key behind `/` in one chunk is typed into the filter, though React has not rendered in between.
    let typing = moment.state.typing;
    for (const key of keysOf(input, inkKey)) {
      if (key === 'ctrl-c' || (key === 'q' && !typing && !moment.state.help)) {
        exit();
        return;
      }
      if (key === '/' && !moment.state.help) typing = true;
      else if (key === 'return' || key === 'escape') typing = false;
      dispatch({ key });
    }
  });
  useLayoutEffect(() => {
    onLines(linesOf(view, moment.state, moment.size), moment.size);
  }, [view, moment, onLines]);
  return null;
}
