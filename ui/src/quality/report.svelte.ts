/** The engine's newest report while somebody looks at it. The page keeps none of it: the next answer replaces it whole. */

import type { QualityReport } from '../backend/generated/QualityReport';
import type { Session } from '../state/session.svelte';

/** The engine takes figures once a second. */
const EVERY_MS = 1_000;

export class Reports {
  /** `null` when there was no call yet, `undefined` until the engine answered. */
  newest: QualityReport | null | undefined = $state.raw();
  #session: Session;
  #asking = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Asks once. A question that is not answered yet is not asked again. */
  async ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.newest = await this.#session.invoke('quality_report', {});
    } catch {
      // The engine has gone, and what it said last may stand: the app says so elsewhere.
    } finally {
      this.#asking = false;
    }
  }

  /** Asks now and every second; the returned function ends it. */
  watch(): () => void {
    void this.ask();
    const timer = setInterval(() => void this.ask(), EVERY_MS);
    return () => clearInterval(timer);
  }
}
