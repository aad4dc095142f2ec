/** A backend without an app behind it: the page runs in a plain browser, with working buttons. For design and for tests. */

import type { Backend } from '../types';
import { FakeApp, type Handlers } from './app';
import { callHandlers, isLink } from './call_handlers';
import { peopleHandlers } from './people_handlers';
import { reportOf } from './quality';
import { sceneOf } from './scenes';
import { streamPictures, underPage } from './shell';

function handlersOf(app: FakeApp): Handlers {
  const layout = app.scene.app.surface.kind === 'native' ? underPage(app.showing) : undefined;
  return {
    ...callHandlers(app),
    ...peopleHandlers(app),
    app_state: () => app.scene.app,
    settings_save: ({ settings }) => {
      if (settings.server !== '' && !/^(https?:\/\/)?[\w.-]+(:\d+)?\/?$/.test(settings.server)) {
        throw { code: 'bad_server', detail: settings.server };
      }
      app.saveApp({ settings });
      return app.change((now) => {
        now.local.name = settings.name;
        now.local.video_quality = settings.video_quality;
        now.local.voice = settings.voice;
        now.people.do_not_disturb = settings.do_not_disturb;
        now.people.relay_only = settings.relay_only;
        now.people.reachable = settings.server === '' ? 'no_server' : 'yes';
      });
    },
    recent_forget: ({ link }) => app.saveApp({ recent: app.scene.app.recent.filter((call) => call.link !== link) }),
    lobby_preview: ({ on }) =>
      app.change((now) => {
        now.local.preview = on;
      }),
    media_set_microphone: ({ on }) =>
      app.change((now) => {
        now.local.microphone_on = on;
      }),
    media_set_camera: ({ on }) =>
      app.change((now) => {
        now.local.camera_on = on;
      }),
    media_select_camera: ({ id }) => choose(app, 'camera', id),
    media_select_microphone: ({ id }) => choose(app, 'microphone', id),
    media_select_speaker: ({ id }) => choose(app, 'speaker', id),
    devices_refresh: () => null,
    link_check: ({ link }) => ({ valid: isLink(link), host: isLink(link) ? new URL(link).host : '' }),
    link_copy: ({ link }) => copy(link),
    code_copy: ({ code }) => copy(code),
    quality_report: () => reportOf(app.scene, Date.now()),
    quality_copy: ({ text }) => copy(text),
    video_layout: ({ tiles }) => {
      layout?.(tiles);
      return null;
    },
    window_set_full_screen: async ({ on }) => {
      await (on ? document.documentElement.requestFullscreen() : document.exitFullscreen()).catch(() => undefined);
      return null;
    },
  };
}

function choose(app: FakeApp, device: 'camera' | 'microphone' | 'speaker', id: string): null {
  app.saveApp({ settings: { ...app.scene.app.settings, [device]: id } });
  return app.change((now) => {
    now.devices[device] = id;
  });
}

async function copy(text: string): Promise<null> {
  await navigator.clipboard?.writeText(text).catch(() => undefined);
  return null;
}

export function fakeBackend(params: URLSearchParams): Backend {
  const scene = sceneOf(params);
  const app = new FakeApp(scene);
  const handlers = handlersOf(app);
  return {
    invoke: async (name, args) => (handlers[name] as (args: unknown) => never)(args),
    listen: async (listener) => app.add(listener),
    pictures: (_url, onMessage) => streamPictures(app.showing, onMessage),
    firstPage: scene.page,
    showsQuality: scene.showsQuality,
  };
}
