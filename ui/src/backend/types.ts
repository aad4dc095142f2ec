/** What the page can ask of the app and what it hears from it. The commands are those of the shell's `ipc.rs`. */

import type { AppState } from './generated/AppState';
import type { CodeCheck } from './generated/CodeCheck';
import type { CommandError } from './generated/CommandError';
import type { Levels } from './generated/Levels';
import type { LinkCheck } from './generated/LinkCheck';
import type { QualityReport } from './generated/QualityReport';
import type { Settings } from './generated/Settings';
import type { Snapshot } from './generated/Snapshot';
import type { TileLayout } from './generated/TileLayout';
import type { Page } from '../state/navigation';

type NoArgs = Record<never, never>;

/** Arguments and answer of every command. */
export interface Commands {
  app_state: { args: NoArgs; answer: AppState };
  settings_save: { args: { settings: Settings }; answer: null };
  recent_forget: { args: { link: string }; answer: null };
  call_start: { args: { code: boolean; relay_only: boolean }; answer: null };
  call_join: { args: { link: string; relay_only: boolean }; answer: null };
  /** Without a server, at that of the settings. */
  call_join_code: { args: { server: string | null; code: string; relay_only: boolean }; answer: null };
  call_hang_up: { args: NoArgs; answer: null };
  call_dismiss: { args: NoArgs; answer: null };
  code_new: { args: NoArgs; answer: null };
  code_withdraw: { args: NoArgs; answer: null };
  code_check: { args: { code: string }; answer: CodeCheck };
  code_complete: { args: { prefix: string }; answer: string[] };
  code_copy: { args: { code: string }; answer: null };
  contact_ring: { args: { contact: string }; answer: null };
  contact_request: { args: NoArgs; answer: null };
  contact_answer: { args: { accept: boolean }; answer: null };
  contact_rename: { args: { contact: string; name: string }; answer: null };
  contact_block: { args: { contact: string; blocked: boolean }; answer: null };
  contact_relay_only: { args: { contact: string; on: boolean }; answer: null };
  contact_presence: { args: { contact: string; on: boolean }; answer: null };
  contact_remove: { args: { contact: string }; answer: null };
  ring_accept: { args: { camera: boolean }; answer: null };
  ring_decline: { args: NoArgs; answer: null };
  sas_confirm: { args: { matches: boolean }; answer: null };
  history_seen: { args: NoArgs; answer: null };
  history_forget: { args: { id: number }; answer: null };
  history_clear: { args: NoArgs; answer: null };
  /** Answers with the path of the file it wrote. */
  people_export: { args: NoArgs; answer: string };
  people_wipe: { args: NoArgs; answer: null };
  lobby_preview: { args: { on: boolean }; answer: null };
  media_set_microphone: { args: { on: boolean }; answer: null };
  media_set_camera: { args: { on: boolean }; answer: null };
  media_select_camera: { args: { id: string }; answer: null };
  media_select_microphone: { args: { id: string }; answer: null };
  media_select_speaker: { args: { id: string }; answer: null };
  devices_refresh: { args: NoArgs; answer: null };
  link_check: { args: { link: string }; answer: LinkCheck };
  link_copy: { args: { link: string }; answer: null };
  quality_report: { args: NoArgs; answer: QualityReport | null };
  quality_copy: { args: { text: string }; answer: null };
  video_layout: { args: { tiles: TileLayout[] }; answer: null };
  window_set_full_screen: { args: { on: boolean }; answer: null };
}

export type CommandName = keyof Commands;

/** Sends a command; rejects with a {@link CommandError}. */
export type Invoke = <Name extends CommandName>(
  name: Name,
  args: Commands[Name]['args'],
) => Promise<Commands[Name]['answer']>;

/** What the app tells the page unasked. */
export interface Listener {
  snapshot(snapshot: Snapshot): void;
  levels(levels: Levels): void;
  appState(state: AppState): void;
}

/** A stream of pictures, message by message (see `video/message.ts`). */
export interface PictureStream {
  /** Says that a message was drawn or dropped, so that another may come. */
  acknowledge(message: ArrayBuffer): void;
  close(): void;
}

export interface Backend {
  invoke: Invoke;
  /** Resolves when listening has begun, with the way to stop. */
  listen(listener: Listener): Promise<() => void>;
  /** Opens the picture stream of a canvas surface. */
  pictures(url: string, onMessage: (message: ArrayBuffer) => void): PictureStream;
  /** Page to begin with; only the fake one has a wish. */
  readonly firstPage?: Page;
  /** Begin with the quality of the call open; another wish of the fake one. */
  readonly showsQuality?: boolean;
}

/** Gives every thrown thing the shape of a {@link CommandError}. */
export function asCommandError(thrown: unknown): CommandError {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'detail' in thrown) {
    return thrown as CommandError;
  }
  return { code: 'internal', detail: String(thrown) };
}
