// The API keys of clients: who may do what where. A key itself is shown once, when it is made.

import { Badge, Button, Confirm, Copy, Denied, Dialog, Empty, ErrorBox, Loaded } from '../components/basics.js';
import { KeyEditor } from '../components/key-editor.js';
import { deleteJson, getJson, path, postJson, send } from '../lib/api.js';
import { ago, number, size, time } from '../lib/format.js';
import { html, useState } from '../lib/html.js';
import { useStore } from '../lib/store.js';
import { useAction, useCall, useTitle } from '../lib/use.js';
import { identity, useDeniedEverywhere } from '../lib/whoami.js';

const PAGE = 100;

export function Keys() {
  useTitle('Keys');
  const who = useStore(identity);
  const missing = useDeniedEverywhere('manage');
  const denied = who.kind === 'open' ? 'This server asks nobody for a key, so it makes none: set its root key first.' : missing;
  const [cursors, setCursors] = useState([null]);
  const cursor = cursors.at(-1);
  const [asking, ask] = useState(null);
  const call = useCall((signal) => getJson('keys', { query: { limit: PAGE, cursor }, signal }), [cursor]);
  const close = () => ask(null);
  const changed = () => {
    close();
    call.reload();
  };
  if (call.error?.status === 404) return html`<h1>Keys</h1><${Empty}><p>This service keeps no keys of clients.</p><//>`;
  return html`<div class="bar"><h1>Keys</h1><${Button} kind="primary" denied=${denied} onClick=${() => ask({ what: 'create' })}>New key<//></div>
    <${Denied} why=${denied} />
    <${Loaded} call=${call} what="Loading the keys">
      ${({ keys, next_cursor }) => html`<${Table} keys=${keys} denied=${denied} ask=${ask} />
        <p class="bar">
          ${cursors.length > 1 && html`<button type="button" onClick=${() => setCursors(cursors.slice(0, -1))}>Previous</button>`}
          ${next_cursor && html`<button type="button" onClick=${() => setCursors([...cursors, next_cursor])}>Next</button>`}
        </p>`}
    <//>
    ${asking && html`<${Asked} asking=${asking} ask=${ask} changed=${changed} reload=${call.reload} onClose=${close} />`}`;
}

function Table({ keys, denied, ask }) {
  if (!keys.length) return html`<${Empty}><p>There are no keys yet. The key of the server's settings may do everything.</p><//>`;
  return html`<div class="scroll" role="region" aria-label="Keys" tabindex="0"><table class="list stacked">
    <thead><tr><th>Name</th><th>State</th><th>May</th><th>Last used</th><th>Expires</th><th></th></tr></thead>
    <tbody>${keys.map((key) => html`<tr key=${key.id}>
      <th scope="row">${key.name}<div class="fine">${key.note}</div><div class="fine mono">${key.id}</div></th>
      <td data-label="State"><${Badge} kind=${key.status}>${key.status.replaceAll('_', ' ')}<//>${key.replaced_by && html`<div class="fine">replaced by ${key.replaced_by}</div>`}</td>
      <td data-label="May">${(key.grants || []).map((grant, index) => html`<div key=${index}>${grant.permissions.join(', ')} <span class="fine">in</span> <code>${grant.namespaces.join(', ')}</code></div>`)}${key.limits && html`<div class="fine">${limitsOf(key.limits)}</div>`}</td>
      <td data-label="Last used"><time title=${time(key.last_used_at)}>${key.last_used_at ? ago(key.last_used_at) : 'never'}</time></td>
      <td data-label="Expires"><time title=${time(key.expires_at)}>${key.expires_at ? ago(key.expires_at) : 'never'}</time></td>
      <td class="actions">
        <${Button} kind="small" denied=${denied} aria-label=${`Change ${key.name}`} onClick=${() => ask({ what: 'change', key })}>Change<//>${' '}
        <${Button} kind="small" denied=${denied} aria-label=${`Rotate ${key.name}`} onClick=${() => ask({ what: 'rotate', key })}>Rotate<//>${' '}
        <${Button} kind="small" denied=${denied} aria-label=${`${key.disabled_at ? 'Enable' : 'Disable'} ${key.name}`} onClick=${() => ask({ what: 'disable', key })}>${key.disabled_at ? 'Enable' : 'Disable'}<//>${' '}
        <${Button} kind="small danger" denied=${denied} aria-label=${`Delete ${key.name}`} onClick=${() => ask({ what: 'delete', key })}>Delete<//>
      </td>
    </tr>`)}</tbody>
  </table></div>`;
}

const limitsOf = ({ requests_per_second: rate, bytes_per_day: bytes, report_only: reported }) =>
  [rate && `${number(rate)} requests a second`, bytes && `${size(bytes)} a day`, reported && 'only reported'].filter(Boolean).join(', ');

/** The dialog for an action. */
function Asked({ asking: { what, key, made }, ask, changed, reload, onClose }) {
  const action = useAction();
  const run = (call) => action.run(async () => {
    await call();
    changed();
  });
  /** The new key stays until its dialog is closed. */
  const make = (call) => action.run(async () => {
    const made = await call();
    reload();
    ask({ what: 'made', made });
  });
  const common = { busy: action.busy, error: action.error, onClose };
  const route = key ? path('keys', key.id) : 'keys';
  if (what === 'made') return html`<${Made} made=${made} onClose=${onClose} />`;
  if (what === 'create') return html`<${KeyEditor} title="New key" action="Create" ...${common} onSave=${(json) => make(() => postJson(route, { json }))} />`;
  if (what === 'change') return html`<${KeyEditor} title=${`Change ${key.name}`} action="Save" of=${key} ...${common} onSave=${(json) => run(() => send('PATCH', route, { json }))} />`;
  if (what === 'rotate') return html`<${Rotate} of=${key} ...${common} onSave=${(json) => make(() => postJson(`${route}/rotate`, { json }))} />`;
  if (what === 'disable') {
    const off = !key.disabled_at;
    return html`<${Confirm} title=${off ? 'Disable this key?' : 'Enable this key?'} action=${off ? 'Disable' : 'Enable'} tone=${off ? undefined : 'primary'} ...${common} onYes=${() => run(() => send('PATCH', route, { json: { disabled: off } }))}>
      <p>Requests with <strong>${key.name}</strong> are ${off ? 'refused until it is enabled again' : 'permitted again'}.</p>
    <//>`;
  }
  return html`<${Confirm} title="Delete this key?" action="Delete" confirm=${key.name} ...${common} onYes=${() => run(() => deleteJson(route))}>
    <p>Requests with <strong>${key.name}</strong> are refused from then on. That cannot be undone.</p>
  <//>`;
}

function Made({ made, onClose }) {
  return html`<${Dialog} title="The key" onClose=${onClose}>
    <p>Keep it now: it is <strong>shown this once</strong>.</p>
    <p class="secret bar"><code>${made.key}</code> <${Copy} text=${made.key} label="Copy the key" /></p>
    <p class="buttons"><button type="button" onClick=${onClose}>I have kept it</button></p>
  <//>`;
}

function Rotate({ of, busy, error, onSave, onClose }) {
  const submit = (event) => {
    event.preventDefault();
    onSave({ overlap_seconds: Math.round(Number(new FormData(event.target).get('hours')) * 3600) });
  };
  return html`<${Dialog} title=${`Rotate ${of.name}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>A new key with the same permissions is made. The old one is accepted for a while, so that clients can change.</p>
      <label>For so many hours <input name="hours" type="number" min="0" step="any" defaultValue="24" required /></label>
      <${ErrorBox} error=${error} />
      <p class="buttons"><button type="submit" class="primary" disabled=${busy}>Rotate</button><button type="button" onClick=${onClose}>Cancel</button></p>
    </form>
  <//>`;
}
