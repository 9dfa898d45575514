// A stored ZIP archive: its members, and edits, each of which makes a new entry.

import { Button, Confirm, Dialog, Empty, ErrorBox, Loaded } from '../components/basics.js';
import { ContentView } from '../components/content.js';
import { buildTree, TreeNodes } from '../components/tree.js';
import { ApiError, getJson, idempotencyKey, path, postJson, send } from '../lib/api.js';
import { save } from '../lib/download.js';
import { chosen, named, typed } from '../lib/form.js';
import { count } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { entryLink, go, setQuery } from '../lib/router.js';
import { useAction, useCall } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';

/** A member's folders, and its name. */
const split = (member) => {
  const at = member.lastIndexOf('/');
  return at < 0 ? ['', member] : [member.slice(0, at), member.slice(at + 1)];
};

export function Archive({ namespace, entry, query }) {
  const base = [namespace, 'zip', entry.id];
  const call = useCall((signal) => getJson(path(...base, 'files/list'), { signal }), [namespace, entry.id]);
  if ([400, 404, 422].includes(call.error?.status)) {
    return html`<${Empty}><p>This content is no ZIP archive.</p><p class="fine">${call.error.message}</p><//>`;
  }
  return html`<${Loaded} call=${call} what="Reading the archive">
    ${(list) =>
      list.success === false
        ? html`<${Empty}><p>This content is no ZIP archive.</p><p class="fine">${list.message}</p><//>`
        : html`<${Members} base=${base} names=${list.file_list} query=${query} />`}
  <//>`;
}

function Members({ base, names, query }) {
  const denied = useDenied(base[0])('write');
  const [asking, ask] = useState(null);
  const files = names.filter((name) => !name.endsWith('/'));
  const tree = useMemo(() => buildTree(files, (name) => split(name)[0], () => 0), [names]);
  const shown = files.includes(query.member) ? query.member : null;
  const leaf = (name) => html`<button type="button" class=${`link ${name === shown ? 'selected' : ''}`} onClick=${() => setQuery({ member: name })}>${split(name)[1]}</button>`;
  return html`<p class="bar">
      <span class="fine">${count(files.length, 'member')}. Each edit makes a new entry; this one stays as it is.</span>
      <${Button} denied=${denied} onClick=${() => ask({ action: 'add' })}>Add<//>
    </p>
    ${files.length === 0 && html`<${Empty}><p>The archive is empty.</p><//>`}
    ${files.length > 0 &&
    html`<div class="split">
      <div class="tree" role="region" aria-label="Members"><${TreeNodes} folder=${tree} leaf=${leaf} about=${() => null} open=${() => true} /></div>
      ${shown ? html`<${Member} key=${shown} base=${base} name=${shown} denied=${denied} ask=${ask} />` : html`<p class="fine">Choose a member to read it.</p>`}
    </div>`}
    ${asking && html`<${Edit} base=${base} asking=${asking} onClose=${() => ask(null)} />`}`;
}

function Member({ base, name, denied, ask }) {
  const call = useCall(
    async (signal) => {
      const response = await send('GET', path(...base, 'file/retrieve', name), { signal });
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { bytes, total: bytes.length, kind: 'string', complete: true };
    },
    [base, name],
  );
  return html`<section aria-label="Member">
    <h2 class="mono">${name}</h2>
    <${Loaded} call=${call}>
      ${(content) => html`<${ContentView} content=${content}>
        <button type="button" onClick=${() => save(new Blob([content.bytes]), split(name)[1])}>Download</button>
        <${Button} denied=${denied} onClick=${() => ask({ action: 'rename', name })}>Rename<//>
        <${Button} kind="danger" denied=${denied} onClick=${() => ask({ action: 'remove', name })}>Delete<//>
      <//>`}
    <//>
  </section>`;
}

/** Applies edits, and shows the entry that they made. */
async function apply([namespace, ...rest], operations, member) {
  const route = path(namespace, ...rest, 'batch/operations');
  const done = await postJson(route, { json: { atomic: true, operations }, headers: idempotencyKey() });
  const failed = done.operation_results?.find((one) => !one.success && !one.skipped);
  if (!done.success) throw new ApiError(failed?.error || done.error_message || done.message, { call: `POST /${route}` });
  go(entryLink(namespace, { cache_id: done.cache_id }, { tab: 'archive', member }));
}

/** Adds a member whose content is a file of the visitor. */
async function addFile([namespace, ...rest], file, name) {
  const route = path(namespace, ...rest, 'file/add/from/bytes', name);
  const done = await postJson(route, { body: file, type: 'application/octet-stream', headers: idempotencyKey() });
  if (!done.success) throw new ApiError(done.error_details || done.message, { call: `POST /${route}` });
  go(entryLink(namespace, { cache_id: done.cache_id }, { tab: 'archive', member: name }));
}

function Edit({ base, asking, onClose }) {
  const action = useAction();
  const { action: what, name } = asking;
  if (what === 'remove') {
    const yes = () => action.run(() => apply(base, [{ action: 'remove', path: name }]));
    return html`<${Confirm} title="Delete this member?" action="Delete" busy=${action.busy} error=${action.error} onYes=${yes} onClose=${onClose}>
      <p>A new entry is made without <code>${name}</code>.</p>
    <//>`;
  }
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const target = named(form, 'name');
    const file = chosen(form, 'file');
    action.run(() => {
      if (what === 'rename') return apply(base, [{ action: 'rename', path: name, new_path: target }], target);
      if (file) return addFile(base, file, target || file.name);
      return apply(base, [{ action: 'add', path: target, content: typed(form, 'text') }], target);
    });
  };
  return html`<${Dialog} title=${what === 'rename' ? 'Rename the member' : 'Add a member'} onClose=${onClose}>
    <form onSubmit=${submit}>
      <label>Name in the archive <input name="name" defaultValue=${name} required=${what === 'rename'} autocomplete="off" placeholder="docs/readme.txt" /></label>
      ${what === 'add' && html`<label>File <input name="file" type="file" /></label><label>Or text <textarea name="text" rows="4"></textarea></label>`}
      <${ErrorBox} error=${action.error} />
      <p class="buttons"><button type="submit" class="primary" disabled=${action.busy}>${what === 'rename' ? 'Rename' : 'Add'}</button></p>
    </form>
  <//>`;
}
