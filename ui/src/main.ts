import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.svelte';
import { connectBackend } from './backend';
import { Session } from './state/session.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');

const session = new Session(await connectBackend());
await session.open();
document.documentElement.dataset['surface'] = session.surface?.kind ?? 'canvas';
mount(App, { target, props: { session } });
