/**
 * Chooses how many threads to use by the clock. A second thread halves the time of a step on a processor that is
 * free, and doubles it on one that other programs use, because the threads wait for each other some hundred
 * times per step. As results do not depend on the number, it can change at any time.
 */

/** Steps timed before a choice, alternately on all threads and on one. */
const trials = 6;
/** Steps that a choice holds for. */
const period = 120;

/** Runs steps on as many threads as has been fastest lately. */
export class ThreadChoice {
  readonly #most: number;
  readonly #limit: (threads: number) => void;
  readonly #now: () => number;
  /** Shortest time of a step on all threads and on one, in milliseconds. */
  #times: [all: number, one: number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  /** Steps since the trials began. */
  #step = 0;

  /**
   * @param most threads there are.
   * @param limit sets how many are used.
   * @param now a clock in milliseconds.
   */
  constructor(most: number, limit: (threads: number) => void, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#limit = limit;
    this.#now = now;
  }

  /** Runs one step of many that take about as long. */
  run<Result>(step: () => Result): Result {
    if (this.#most === 1) return step();
    if (this.#step === trials) this.#limit(this.#times[0] <= this.#times[1] ? this.#most : 1);
    if (this.#step === trials + period) {
      this.#step = 0;
      this.#times = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    }
    const trial = this.#step < trials ? this.#step % 2 : undefined;
    if (trial !== undefined) this.#limit(trial === 0 ? this.#most : 1);
    const started = this.#now();
    const result = step();
    if (trial !== undefined) this.#times[trial] = Math.min(this.#times[trial]!, this.#now() - started);
    this.#step++;
    return result;
  }
}
