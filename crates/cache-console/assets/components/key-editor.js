// The form of a key: its name, what it permits where, when it ends, and its limits.

import { Dialog, ErrorBox } from './basics.js';
import { named } from '../lib/form.js';
import { html, useState } from '../lib/html.js';

const PERMISSIONS = ['read', 'create', 'write', 'delete', 'manage'];
const LIMITS = [
  ['requests_per_second', 'Requests a second'],
  ['burst', 'Burst'],
  ['bytes_per_day', 'Bytes a day'],
];

/** A moment as the field has it, in the visitor's time zone. */
function localTime(ms) {
  if (!ms) return '';
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {{ title: string, action: string, of?: any, busy: boolean, error: any, onSave: (json: any) => void, onClose: () => void }} props */
export function KeyEditor({ title, action, of = {}, busy, error, onSave, onClose }) {
  const [grants, setGrants] = useState(() =>
    (of.grants || [{ namespaces: ['*'], permissions: ['read'] }]).map((grant, id) => ({ id, namespaces: grant.namespaces.join(', '), permissions: grant.permissions })),
  );
  const change = (id, changes) => setGrants(grants.map((grant) => (grant.id === id ? { ...grant, ...changes } : grant)));
  const submit = (event) => {
    event.preventDefault();
    onSave(body(new FormData(event.target), grants, of));
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class="fields">
        <label>Name <input name="name" defaultValue=${of.name || ''} required maxlength="128" autocomplete="off" /></label>
        <label>Note <input name="note" defaultValue=${of.note || ''} autocomplete="off" /></label>
        <label>Valid from <input name="not_before" type="datetime-local" defaultValue=${localTime(of.not_before)} /></label>
        <label>Expires <input name="expires_at" type="datetime-local" defaultValue=${localTime(of.expires_at)} /></label>
      </div>
      ${grants.map((grant) => html`<${Grant} key=${grant.id} grant=${grant} change=${(changes) => change(grant.id, changes)} remove=${grants.length > 1 ? () => setGrants(grants.filter((one) => one !== grant)) : null} />`)}
      <p><button type="button" class="small" onClick=${() => setGrants([...grants, { id: Date.now(), namespaces: '', permissions: ['read'] }])}>Add a grant</button></p>
      <details open=${Boolean(of.limits)}><summary>Limits</summary>
        <div class="fields">
          ${LIMITS.map(([name, label]) => html`<label key=${name}>${label} <input name=${name} type="number" min="0" step="any" defaultValue=${of.limits?.[name] ?? ''} /></label>`)}
          <fieldset><label><input name="report_only" type="checkbox" defaultChecked=${of.limits?.report_only || false} />only report what is above them</label></fieldset>
        </div>
      </details>
      <${ErrorBox} error=${error} />
      <p class="buttons"><button type="submit" class="primary" disabled=${busy}>${action}</button><button type="button" onClick=${onClose}>Cancel</button></p>
    </form>
  <//>`;
}

function Grant({ grant, change, remove }) {
  const toggle = (name) => (event) =>
    change({ permissions: event.target.checked ? PERMISSIONS.filter((one) => one === name || grant.permissions.includes(one)) : grant.permissions.filter((one) => one !== name) });
  return html`<fieldset>
    <legend>Grant</legend>
    <label class="line">Namespaces <input value=${grant.namespaces} required placeholder="team-*, demo" autocomplete="off" onInput=${(event) => change({ namespaces: event.target.value })} /></label>
    ${PERMISSIONS.map((name) => html`<label key=${name}><input type="checkbox" checked=${grant.permissions.includes(name)} onChange=${toggle(name)} />${name}</label>`)}
    ${remove && html`<button type="button" class="small" onClick=${remove}>Remove</button>`}
  </fieldset>`;
}

/** What is sent: of a key that is changed also what is taken away. */
function body(form, grants, of) {
  const moment = (name) => (form.get(name) ? new Date(form.get(name)).getTime() : null);
  /** @type {Record<string, number | boolean>} */
  const limits = Object.fromEntries(LIMITS.filter(([name]) => form.get(name)).map(([name]) => [name, Number(form.get(name))]));
  if (Object.keys(limits).length && form.get('report_only')) limits.report_only = true;
  const all = {
    name: named(form, 'name'),
    note: named(form, 'note') || null,
    grants: grants.map(({ namespaces, permissions }) => ({ namespaces: namespaces.split(/[\s,]+/).filter(Boolean), permissions })),
    not_before: moment('not_before'),
    expires_at: moment('expires_at'),
    limits: Object.keys(limits).length ? limits : null,
  };
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => value !== null || (of[name] ?? null) !== null));
}
