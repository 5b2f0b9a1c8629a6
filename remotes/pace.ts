/** How many requests are on their way at once: more as long as the server keeps up, half when it says it is busy. */

const first = 16;
const most = 64;

/**
 * A gate for the requests of one remote. Additive increase, multiplicative decrease, as TCP does it.
 * Source: Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989.
 */
export class Pace {
  #limit = first;
  #running = 0;
  /** Requests since the limit changed. */
  #since = 0;
  readonly #waiting: (() => void)[] = [];

  /** How many may be on their way now. */
  get limit(): number {
    return this.#limit;
  }

  /**
   * Makes one attempt as soon as there is room for it.
   * @param isBusy whether a failure says that the server cannot keep up.
   */
  async run<Result>(attempt: () => Promise<Result>, isBusy: (error: unknown) => boolean): Promise<Result> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      const result = await attempt();
      this.#grow();
      return result;
    } catch (error) {
      if (isBusy(error)) this.#shrink();
      throw error;
    } finally {
      this.#leave();
    }
  }

  /** One more after as many successes as may be on their way. */
  #grow(): void {
    if (++this.#since < this.#limit || this.#limit >= most) return;
    this.#since = 0;
    this.#limit++;
  }

  /** Half, once for all that were on their way together. */
  #shrink(): void {
    if (this.#since < 0) {
      this.#since++;
      return;
    }
    this.#limit = Math.max(1, this.#limit >> 1);
    this.#since = -this.#running + 1;
  }

  /** Hands the place on, to nobody while there are more than may be. */
  #leave(): void {
    this.#running--;
    while (this.#running < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running++;
      next();
    }
  }
}
