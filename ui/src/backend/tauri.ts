/** The real backend: commands and events of the desktop shell. The only file that imports `@tauri-apps`. */

import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { AppState } from './generated/AppState';
import type { Levels } from './generated/Levels';
import type { Snapshot } from './generated/Snapshot';
import { asCommandError, type Backend } from './types';

export function tauriBackend(): Backend {
  return {
    invoke: (name, args) =>
      invoke<never>(name, args).catch((thrown: unknown) => {
        throw asCommandError(thrown);
      }),
    listen: async (listener) => {
      const stops = await Promise.all([
        listen<Snapshot>('snapshot', (event) => listener.snapshot(event.payload)),
        listen<Levels>('levels', (event) => listener.levels(event.payload)),
        listen<AppState>('app_state', (event) => listener.appState(event.payload)),
      ]);
      return () => stops.forEach((stop) => stop());
    },
    pictures: (url, onMessage) => {
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (event.data instanceof ArrayBuffer) onMessage(event.data);
      });
      return {
        acknowledge: (message) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(message);
        },
        close: () => socket.close(),
      };
    },
  };
}
