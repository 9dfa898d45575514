// Child data: small files below an entry, as a tree, with a way to add, read and delete them.

import { Button, Confirm, Empty, ErrorBox, Loaded } from '../components/basics.js';
import { ContentView } from '../components/content.js';
import { buildTree, TreeNodes } from '../components/tree.js';
import { deleteJson, getJson, idempotencyKey, path, send } from '../lib/api.js';
import { save } from '../lib/download.js';
import { chosen, typed } from '../lib/form.js';
import { count, size } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { setQuery } from '../lib/router.js';
import { useAction, useCall } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';

const TYPES = { string: 'text/plain', json: 'application/json', binary: 'application/octet-stream' };

/** A name within the entry, as the URL has it. */
const nameOf = (file) => `${file.data_type}:${file.data_key ? `${file.data_key}/` : ''}${file.data_file_id}`;

/** The rest of a route for one file. */
const place = (file) => (file.data_key ? [file.data_key, file.data_file_id] : [file.data_file_id]);

export function Children({ namespace, entry, query }) {
  const base = [namespace, 'cache', entry.id, 'data'];
  const call = useCall((signal) => getJson(path(...base, 'list'), { signal }), [namespace, entry.id]);
  return html`<${Loaded} call=${call} what="Loading the child data">
    ${(list) => html`<${Files} base=${base} list=${list} query=${query} reload=${call.reload} />`}
  <//>`;
}

function Files({ base, list, query, reload }) {
  const denied = useDenied(base[0]);
  const [adding, add] = useState(false);
  const [deleting, askDelete] = useState(null);
  const tree = useMemo(() => buildTree(list.files, (file) => file.data_key, (file) => file.file_size), [list]);
  const shown = list.files.find((file) => nameOf(file) === query.child);
  const leaf = (file) => html`<button type="button" class=${`link ${file === shown ? 'selected' : ''}`} onClick=${() => setQuery({ child: nameOf(file) })}>${file.data_file_id}</button><span class="fine">${file.data_type} · ${size(file.file_size)}</span>`;
  const about = (folder) => html`<span class="fine">${folder.count} · <button type="button" class="link" disabled=${Boolean(denied('delete'))} title=${denied('delete') || ''}
    aria-label=${`Delete all in ${folder.path}`} onClick=${() => askDelete({ folder: folder.path.slice(0, -1), count: folder.count })}>delete</button></span>`;
  const changed = () => {
    add(false);
    askDelete(null);
    reload();
  };
  return html`<p class="bar">
      <span class="fine">${count(list.file_count, 'file')}, ${size(list.total_size)}</span>
      <${Button} denied=${denied('write')} onClick=${() => add(!adding)} aria-expanded=${adding ? 'true' : 'false'}>Add<//>
      ${list.file_count > 0 && html`<${Button} kind="danger" denied=${denied('delete')} onClick=${() => askDelete({ folder: '', count: list.file_count })}>Delete all<//>`}
    </p>
    ${adding && html`<${Add} base=${base} done=${changed} />`}
    ${list.file_count === 0 && !adding && html`<${Empty}><p>This entry has no child data. They are small files below it that are deleted with it.</p><//>`}
    ${list.file_count > 0 &&
    html`<div class="split">
      <div class="tree" role="region" aria-label="Child data"><${TreeNodes} folder=${tree} leaf=${leaf} about=${about} open=${() => true} /></div>
      ${shown ? html`<${Child} key=${nameOf(shown)} base=${base} file=${shown} denied=${denied('delete')} onDelete=${() => askDelete({ file: shown })} />` : html`<p class="fine">Choose a file to read it.</p>`}
    </div>`}
    ${deleting && html`<${Delete} base=${base} what=${deleting} done=${changed} onClose=${() => askDelete(null)} />`}`;
}

function Child({ base, file, denied, onDelete }) {
  const call = useCall(
    async (signal) => {
      const response = await send('GET', path(...base, file.data_type, ...place(file)), { signal });
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { bytes, total: bytes.length, kind: file.data_type, complete: true };
    },
    [base, nameOf(file)],
  );
  return html`<section aria-label="Child">
    <h2 class="mono">${file.data_key ? `${file.data_key}/` : ''}${file.data_file_id}</h2>
    <${Loaded} call=${call}>
      ${(content) => html`<${ContentView} content=${content}>
        <button type="button" onClick=${() => save(new Blob([content.bytes]), file.data_file_id + file.extension.replace(/^\.?/, '.'))}>Download</button>
        <${Button} kind="danger" denied=${denied} onClick=${onDelete}>Delete<//>
      <//>`}
    <//>
  </section>`;
}

function Add({ base, done }) {
  const action = useAction();
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    action.run(async () => {
      const type = typed(form, 'type');
      const body = chosen(form, 'file') || typed(form, 'text');
      const names = typed(form, 'path').split('/').filter(Boolean);
      await send('POST', path(...base, 'store', type, ...names), { body, type: TYPES[type], headers: idempotencyKey() });
      done();
    });
  };
  return html`<form class="panel" aria-label="Add child data" onSubmit=${submit}>
    <div class="fields">
      <label>Path, such as reports/summary <input name="path" required autocomplete="off" /></label>
      <label>Kind <select name="type"><option value="string">string</option><option value="json">json</option><option value="binary">binary</option></select></label>
      <label>File <input name="file" type="file" /></label>
    </div>
    <label class="fine">Or text <textarea name="text" rows="4"></textarea></label>
    <${ErrorBox} error=${action.error} />
    <p class="buttons"><button type="submit" class="primary" disabled=${action.busy}>Add</button></p>
  </form>`;
}

function Delete({ base, what, done, onClose }) {
  const action = useAction();
  const { file, folder, count: many } = what;
  const route = file
    ? path(...base, 'delete', file.data_type, ...place(file))
    : path(...base, 'delete/all', ...(folder ? [folder] : []));
  const yes = () => action.run(async () => {
    await deleteJson(route);
    done();
  });
  return html`<${Confirm} title="Delete child data?" action="Delete" busy=${action.busy} error=${action.error} onYes=${yes} onClose=${onClose}>
    <p>${file ? html`The file <code>${place(file).join('/')}</code>` : html`${count(many, 'file')}${folder ? html` in <code>${folder}</code>` : ''}`} cannot be brought back.</p>
  <//>`;
}
