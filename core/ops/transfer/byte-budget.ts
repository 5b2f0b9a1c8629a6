/** Bounds the memory of transfers: who wants bytes in memory waits until so many are free. */
export class ByteBudget {
  #free: number;
  readonly #total: number;
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  /** @param bytes how many may be in memory together; what is larger by itself gets all of them. */
  constructor(bytes: number) {
    this.#total = bytes;
    this.#free = bytes;
  }

  /** Does something for which so many bytes have to be in memory. In the order of asking. */
  async hold<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    const release = await this.take(bytes);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Takes bytes, and gives what gives them back. */
  async take(bytes: number): Promise<() => void> {
    const wanted = Math.min(bytes, this.#total);
    if (this.#waiting.length > 0 || this.#free < wanted) {
      await new Promise<void>((resolve) => this.#waiting.push({ bytes: wanted, resolve }));
    } else this.#free -= wanted;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#free += wanted;
      while (this.#waiting[0] !== undefined && this.#waiting[0].bytes <= this.#free) {
        const next = this.#waiting.shift()!;
        this.#free -= next.bytes;
        next.resolve();
      }
    };
  }
}
