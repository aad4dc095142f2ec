/** The backend the page talks to: the shell's when the page runs in it, a fake one in a plain browser. */

import type { Backend } from './types';

export async function connectBackend(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) {
    const { tauriBackend } = await import('./tauri');
    return tauriBackend();
  }
  const { fakeBackend } = await import('./fake');
  return fakeBackend(new URLSearchParams(location.search));
}
