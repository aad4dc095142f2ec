import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.svelte';
import RingWindow from './RingWindow.svelte';
import { connectBackend } from './backend';
import { Session } from './state/session.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');

// The shell opens the same page in a second, small window while somebody rings.
const rings = new URLSearchParams(location.search).get('window') === 'ring';

const session = new Session(await connectBackend());
await session.open({ pictures: !rings });
document.documentElement.dataset['surface'] = session.surface?.kind ?? 'canvas';
mount(rings ? RingWindow : App, { target, props: { session } });
