// The small parts that every view is made of.

import { askForKey } from '../lib/api.js';
import { html, useEffect, useRef, useState } from '../lib/html.js';

/** An error of the API with its request id, and what to do. */
export function ErrorBox({ error, retry }) {
  if (!error) return null;
  return html`<div class="error" role="alert">
    <p><strong>${error.status ? `${error.status}: ` : ''}</strong>${error.message}</p>
    ${error.call && html`<p class="fine"><code>${error.call}</code></p>`}
    ${error.requestId && html`<p class="fine">Request id <code>${error.requestId}</code></p>`}
    <p class="buttons">
      ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
      ${error.status === 401 && html`<button type="button" onClick=${() => askForKey(error.message)}>Enter a key</button>`}
    </p>
  </div>`;
}

/** Says that something is under way, once it takes a moment. */
export function Loading({ what = 'Loading' }) {
  return html`<p class="loading" role="status">${what}…</p>`;
}

/** What a `useCall` is at: loading, failed or there. */
export function Loaded({ call, what, children }) {
  if (call.error) return html`<${ErrorBox} error=${call.error} retry=${call.reload} />`;
  if (call.data === null) return html`<${Loading} what=${what} />`;
  return children(call.data);
}

/** A button that says why it cannot be pressed. */
export function Button({ denied, busy, kind = '', disabled, children, ...rest }) {
  const off = Boolean(denied || busy || disabled);
  return html`<button type="button" class=${kind} disabled=${off} title=${denied || rest.title} aria-busy=${busy ? 'true' : undefined} ...${rest}>
    ${children}
  </button>`;
}

/** Why actions of this view are disabled. */
export function Denied({ why }) {
  return why ? html`<p class="denied">${why}</p>` : null;
}

/** A bar for long work. */
export function Progress({ done, total, label }) {
  const share = total ? Math.min(100, Math.round((100 * done) / total)) : 0;
  return html`<div class="progress">
    <progress max="100" value=${total ? share : undefined} aria-label=${label}></progress>
    <span class="fine">${label}</span>
  </div>`;
}

/** Copies a text, and says so. */
export function Copy({ text, label = 'Copy', ...rest }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await copyText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="quiet small" onClick=${copy} ...${rest}>${done ? 'Copied' : label}</button>`;
}

/** The clipboard is closed to pages without TLS; a selection is not. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

/** A dialog that the keyboard cannot leave; Escape closes it. */
export function Dialog({ title, onClose, children }) {
  const ref = useRef(null);
  useEffect(() => {
    ref.current.showModal();
  }, []);
  return html`<dialog ref=${ref} onClose=${onClose} aria-labelledby="dialog-title">
    <header class="bar">
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="quiet" aria-label="Close" onClick=${() => ref.current.close()}>✕</button>
    </header>
    ${children}
  </dialog>`;
}

/** Asks before something is changed for good, or as `tone` says. `confirm` has to be typed where it is given. */
export function Confirm({ title, children, action, tone = 'danger full', confirm, busy, error, onYes, onClose }) {
  const [typed, setTyped] = useState('');
  const submit = (event) => {
    event.preventDefault();
    if (!confirm || typed === confirm) onYes();
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      ${children}
      ${confirm &&
      html`<label>Type <code>${confirm}</code> to confirm <input value=${typed} autocomplete="off" onInput=${(event) => setTyped(event.target.value)} /></label>`}
      <${ErrorBox} error=${error} />
      <p class="buttons">
        <button type="submit" class=${tone} disabled=${busy || (confirm && typed !== confirm)}>${action}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </p>
    </form>
  <//>`;
}

/** Tabs as links, so that each has a URL. */
export function Tabs({ label, tabs, current }) {
  const nav = useRef(null);
  // On a phone it may be out of sight.
  useEffect(() => {
    const shown = nav.current.querySelector('[aria-current]');
    if (shown) nav.current.scrollLeft = shown.offsetLeft - nav.current.offsetLeft - (nav.current.clientWidth - shown.offsetWidth) / 2;
  }, [current]);
  return html`<nav class="tabs" aria-label=${label} ref=${nav}>
    ${tabs.map(([name, text, href]) => html`<a key=${name} href=${href} aria-current=${name === current ? 'page' : undefined}>${text}</a>`)}
  </nav>`;
}

/** Names and values, one pair a line. */
export function Facts({ of }) {
  return html`<dl class="facts">
    ${of.filter(([, value]) => value !== undefined && value !== null && value !== '').map(
      ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`,
    )}
  </dl>`;
}

/** The badge of a strategy or kind. */
export const Badge = ({ children, kind = '' }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** Nothing is there, and what to do about it. */
export const Empty = ({ children }) => html`<div class="empty">${children}</div>`;
