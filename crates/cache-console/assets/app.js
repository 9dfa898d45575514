// The page: its bar, the view that the URL names, and what every view can do.

import { Dialog, ErrorBox } from './components/basics.js';
import { KeyForm } from './components/key-form.js';
import { SearchBox } from './components/search-box.js';
import { getJson, session } from './lib/api.js';
import { html, render, useEffect, useState } from './lib/html.js';
import { KEYS, useKeys } from './lib/keyboard.js';
import { go, link, useRoute } from './lib/router.js';
import { useStore } from './lib/store.js';
import { nextTheme, theme, THEMES } from './lib/theme.js';
import { identify, identity } from './lib/whoami.js';
import { BulkDelete } from './views/bulk-delete.js';
import { Entries } from './views/entries.js';
import { EntryPage } from './views/entry.js';
import { Keys } from './views/keys.js';
import { Namespaces } from './views/namespaces.js';
import { Server } from './views/server.js';
import { Settings } from './views/settings.js';
import { Statistics } from './views/statistics.js';
import { Tree } from './views/tree.js';
import { Upload } from './views/upload.js';

const VIEWS = {
  namespaces: Namespaces,
  entries: Entries,
  entry: EntryPage,
  tree: Tree,
  upload: Upload,
  delete: BulkDelete,
  statistics: Statistics,
  settings: Settings,
  keys: Keys,
  server: Server,
};

function App() {
  const route = useRoute();
  const { epoch, locked } = useStore(session);
  const [help, showHelp] = useState(false);
  const [failed, setFailed] = useState(null);
  const { namespace } = route;

  useEffect(() => {
    setFailed(null);
    identify().catch(setFailed);
  }, [epoch]);
  useKeys({
    '?': () => showHelp(true),
    '/': () => /** @type {HTMLInputElement | null} */ (document.querySelector('#search'))?.select(),
    f: () => focus('[data-filter], main input[type=search]'),
    g: () => go('#/'),
    t: nextTheme,
    r: () => session.set({ ...session.get(), epoch: session.get().epoch + 1 }),
    u: () => namespace && go(link([namespace, ':upload'])),
    n: () => step(namespace, 1),
    N: () => step(namespace, -1),
    ...(namespace && route.view !== 'entry' ? tabKeys(namespace) : {}),
  });
  const View = VIEWS[route.view];
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Bar} namespace=${namespace} view=${route.view} help=${() => showHelp(true)} />
    ${locked !== null && html`<${KeyForm} why=${locked} />`}
    <main id="main" tabindex="-1">
      <${ErrorBox} error=${failed} retry=${() => identify().then(() => setFailed(null), setFailed)} />
      ${View
        ? html`<${View} key=${`${route.view} ${namespace} ${JSON.stringify(route.selector)}`} ...${route} />`
        : html`<div class="empty"><h1>Nothing here</h1><p>This URL names no view. <a href="#/">All namespaces</a></p></div>`}
    </main>
    ${help && html`<${Help} onClose=${() => showHelp(false)} />`}`;
}

/** @param {string} selector */
const focus = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector))?.focus();

function skip(event) {
  event.preventDefault();
  focus('#main');
}

const tabKeys = (namespace) =>
  Object.fromEntries(
    ['', ':tree', ':upload', ':delete', ':statistics', ':settings'].map((tab, index) => [
      String(index + 1),
      () => go(link(tab ? [namespace, tab] : [namespace])),
    ]),
  );

async function step(namespace, by) {
  const names = await getJson('namespaces/list').catch(() => []);
  if (!names.length) return;
  const at = names.indexOf(namespace);
  go(link([names[(at + by + names.length) % names.length]]));
}

function Bar({ namespace, view, help }) {
  const who = useStore(identity);
  const chosen = useStore(theme);
  const here = (name) => (view === name ? 'page' : undefined);
  return html`<header class="top">
    <a class="brand" href="#/">mgraph-cache</a>
    <nav aria-label="Console">
      <a href="#/" aria-current=${here('namespaces')}>Namespaces</a>
      <a href="#/:server" aria-current=${here('server')}>Server</a>
      ${who.kind !== 'unknown' && html`<a href="#/:keys" aria-current=${here('keys')}>Keys</a>`}
      <a href="../docs">API</a>
    </nav>
    <${SearchBox} namespace=${namespace} />
    <div class="tools">
      <${Who} who=${who} />
      <button type="button" class="quiet" title="Dark, light or as the system (t)" onClick=${nextTheme}><span aria-hidden="true">◐ </span>${THEMES[chosen]}</button>
      <button type="button" class="quiet" title="Keys of the keyboard (?)" aria-label="Keyboard" onClick=${help}>?</button>
    </div>
  </header>`;
}

/** Whose key is used, and a way to another one. */
function Who({ who }) {
  const { key, locked } = useStore(session);
  const name = who.kind === 'key' ? who.name || who.id : who.kind === 'open' ? 'no key needed' : who.kind === 'root' ? 'root key' : key ? 'key set' : 'no key';
  const change = () => session.set({ ...session.get(), locked: locked === null ? '' : null });
  return html`<button type="button" class="quiet who" aria-expanded=${locked !== null ? 'true' : 'false'} title="Change the key" onClick=${change}>${name}</button>`;
}

function Help({ onClose }) {
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <dl class="facts keys">${KEYS.map(([keys, what]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <p class="fine">The search box takes an id, a hash, a SHA-256, a key, or a reference such as <code>demo:key@key_based/users/ada/profile@2</code>.</p>
  <//>`;
}

const root = document.querySelector('#app');
root.textContent = '';
render(html`<${App} />`, root);
