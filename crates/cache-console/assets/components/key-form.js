// Where the key is typed. It stays in this tab (`sessionStorage`), and is sent as a header, never as a cookie.

import { DEFAULT_HEADER, getJson, session, setKey } from '../lib/api.js';
import { named } from '../lib/form.js';
import { html, useEffect, useState } from '../lib/html.js';
import { useStore } from '../lib/store.js';

/** The name of the header that this service reads keys from. */
async function configuredHeader() {
  const { components } = await getJson('openapi.json');
  const scheme = Object.values(components?.securitySchemes || {}).find((one) => one.in === 'header' && one.name);
  return scheme?.name || DEFAULT_HEADER;
}

export function KeyForm({ why }) {
  const now = useStore(session);
  const [header, setHeader] = useState(now.header);
  useEffect(() => {
    if (!now.key) configuredHeader().then(setHeader, () => {});
  }, []);
  const submit = (event) => {
    event.preventDefault();
    setKey(header.trim() || DEFAULT_HEADER, named(new FormData(event.target), 'key'));
  };
  return html`<form class="key-form" aria-label="API key" onSubmit=${submit}>
    ${why && html`<p role="alert">${why}</p>`}
    <label>API key <input name="key" type="password" autocomplete="off" spellcheck="false" required autofocus /></label>
    <label>Header <input name="header" value=${header} spellcheck="false" pattern="[A-Za-z0-9_\\-]+" required onInput=${(event) => setHeader(event.target.value)} /></label>
    <button type="submit" class="primary">Use this key</button>
    ${now.key && html`<button type="button" onClick=${() => setKey(header, '')}>Forget the key</button>`}
    <button type="button" class="quiet" onClick=${() => session.set({ ...session.get(), locked: null })}>Close</button>
    <p class="fine">Kept until this tab is closed, and sent to this service alone.</p>
  </form>`;
}
