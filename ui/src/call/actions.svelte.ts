/** What the call's buttons and keys ask for. None of them changes the call's state: the next snapshot does. */

import { FullScreen } from './full_screen.svelte';
import type { Shortcut } from './shortcuts';
import { deviceSwitch } from '../parts/device_switch';
import type { Session } from '../state/session.svelte';

const COPIED_FOR_MS = 2_000;

export class CallActions {
  readonly fullScreen: FullScreen;
  devicesOpen = $state(false);
  /** What is known of the other side is open. */
  identityOpen = $state(false);
  /** The link was copied a moment ago. */
  copied = $state(false);
  #session: Session;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Session) {
    this.#session = session;
    this.fullScreen = new FullScreen(session);
  }

  run(shortcut: Shortcut): void {
    switch (shortcut) {
      case 'microphone':
        deviceSwitch(this.#session, 'microphone').flip();
        break;
      case 'camera':
        deviceSwitch(this.#session, 'camera').flip();
        break;
      case 'full_screen':
        void this.fullScreen.set(!this.fullScreen.on);
        break;
      case 'leave_full_screen':
        if (this.fullScreen.on) void this.fullScreen.set(false);
        break;
      case 'link':
        void this.#copyLink();
        break;
      case 'quality':
        this.toggleQuality();
        break;
    }
  }

  /** There is something to see once the call runs. */
  toggleQuality(): void {
    if (this.#session.snapshot.phase.kind === 'in_call') this.#session.qualityOpen = !this.#session.qualityOpen;
  }

  hangUp(): void {
    void this.#session.ask('call_hang_up', {});
  }

  async #copyLink(): Promise<void> {
    const { phase } = this.#session.snapshot;
    if (phase.kind === 'ended' || !('link' in phase) || phase.link === '') return;
    if (!(await this.#session.ask('link_copy', { link: phase.link }))) return;
    this.copied = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.copied = false), COPIED_FOR_MS);
  }
}
