/** Whether the window fills the screen: asked of the shell, and noticed when the system ends it. */

import type { Session } from '../state/session.svelte';

/** A window on its way to full screen passes through other sizes. */
const SETTLED_AFTER_MS = 400;

export class FullScreen {
  on = $state(false);
  #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async set(on: boolean): Promise<void> {
    if (await this.#session.ask('window_set_full_screen', { on })) this.on = on;
  }

  /** Begins to watch; the returned function ends it, and full screen with it. */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onResize = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (innerWidth < screen.width || innerHeight < screen.height) this.on = false;
      }, SETTLED_AFTER_MS);
    };
    addEventListener('resize', onResize);
    return () => {
      clearTimeout(timer);
      removeEventListener('resize', onResize);
      if (this.on) void this.set(false);
    };
  }
}
