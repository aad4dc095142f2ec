/** Whether what lies over the picture may step back: nobody has touched anything for a while. */

const QUIET_AFTER_MS = 3_000;
const SIGNS_OF_LIFE = ['pointermove', 'pointerdown', 'keydown', 'wheel', 'focusin'] as const;

export class Quiet {
  away = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #held: () => boolean;

  /** While `held` says so, nothing steps back. */
  constructor(held: () => boolean) {
    this.#held = held;
  }

  /** Begins to watch; the returned function ends it. */
  watch(): () => void {
    const wake = () => this.wake();
    for (const sign of SIGNS_OF_LIFE) addEventListener(sign, wake, { passive: true });
    this.wake();
    return () => {
      clearTimeout(this.#timer);
      for (const sign of SIGNS_OF_LIFE) removeEventListener(sign, wake);
    };
  }

  wake(): void {
    this.away = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#held()) this.wake();
      else this.away = true;
    }, QUIET_AFTER_MS);
  }
}
