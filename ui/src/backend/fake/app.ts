/** State of the app that is not there, and who listens to it. */

import type { Contact } from '../generated/Contact';
import type { Phase } from '../generated/Phase';
import type { Snapshot } from '../generated/Snapshot';
import type { CommandName, Commands, Listener } from '../types';
import type { Scene } from './scenes';
import type { Showing } from './shell';

const LEVELS_MS = 100;

export type Handlers = {
  [Name in CommandName]: (args: Commands[Name]['args']) => Commands[Name]['answer'] | Promise<Commands[Name]['answer']>;
};

export class FakeApp {
  scene: Scene;
  #listeners = new Set<Listener>();
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(scene: Scene) {
    this.scene = scene;
    setInterval(() => this.#levels(), LEVELS_MS);
  }

  readonly showing: Showing = () => {
    const { phase, local } = this.scene.snapshot;
    const busy = phase.kind !== 'idle' && phase.kind !== 'ended';
    return {
      remote: phase.kind === 'in_call' && phase.remote.camera_on,
      self_view: (busy || local.preview) && local.camera.kind === 'running',
    };
  };

  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    listener.snapshot(this.scene.snapshot);
    return () => this.#listeners.delete(listener);
  }

  contact(id: string): Contact | undefined {
    return this.scene.snapshot.people.contacts.find((contact) => contact.id === id);
  }

  later(ms: number, then: () => void): null {
    this.#timers.push(setTimeout(then, ms));
    return null;
  }

  /** What was to happen later does not. */
  hush(): void {
    this.#timers.splice(0).forEach(clearTimeout);
  }

  phase(phase: Phase): null {
    return this.change((now) => {
      now.phase = phase;
    });
  }

  /** Edits the phase if it is still of this kind. */
  within<Kind extends Phase['kind']>(kind: Kind, edit: (phase: Extract<Phase, { kind: Kind }>) => void): null {
    return this.change((now) => {
      if (now.phase.kind === kind) edit(now.phase as Extract<Phase, { kind: Kind }>);
    });
  }

  change(edit: (snapshot: Snapshot) => void): null {
    const next = structuredClone(this.scene.snapshot);
    edit(next);
    const { local, phase } = next;
    const inUse = local.preview || (phase.kind !== 'idle' && phase.kind !== 'ended');
    if (local.camera.kind !== 'failed') {
      local.camera = inUse && local.camera_on ? { kind: 'running', label: 'Integrated Camera' } : { kind: 'off' };
    }
    local.microphone = inUse ? { kind: 'running', label: 'Built-in Microphone' } : { kind: 'off' };
    this.scene.snapshot = next;
    this.#listeners.forEach((listener) => listener.snapshot(next));
    return null;
  }

  saveApp(changes: Partial<Scene['app']>): null {
    this.scene.app = { ...this.scene.app, ...changes };
    this.#listeners.forEach((listener) => listener.appState(this.scene.app));
    return null;
  }

  #levels(): void {
    const { local, phase } = this.scene.snapshot;
    const voice = (period: number) => 0.35 + 0.35 * Math.abs(Math.sin(performance.now() / period));
    const levels = {
      microphone: local.microphone.kind === 'running' && local.microphone_on ? voice(310) : 0,
      remote: phase.kind === 'in_call' && phase.remote.microphone_on ? voice(270) : 0,
    };
    this.#listeners.forEach((listener) => listener.levels(levels));
  }
}
