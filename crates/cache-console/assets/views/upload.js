// Files and folders into a namespace.

import { Badge, Button, Denied, ErrorBox, Progress } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { STRATEGIES } from '../lib/api.js';
import { chosenFiles, droppedFiles } from '../lib/dropped.js';
import { named, typed } from '../lib/form.js';
import { count, size, strategyName } from '../lib/format.js';
import { html, useEffect, useRef, useState } from '../lib/html.js';
import { entryLink, setQuery } from '../lib/router.js';
import { useStore } from '../lib/store.js';
import { cancel, cancelAll, clear, enqueue, queue, retry } from '../lib/upload-queue.js';
import { useTitle } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';

/** More than so many uploads are counted, not shown. */
const SHOWN = 200;

export function Upload({ namespace, query }) {
  useTitle(`${namespace}: upload`);
  const denied = useDenied(namespace)('create');
  const strategy = STRATEGIES.includes(query.strategy) ? query.strategy : 'key_based';
  const target = (name) => ({
    namespace, strategy, kind: query.kind || 'auto',
    key: query.keys === 'none' ? '' : joined(query.prefix, name), fileId: query.file_id || 'file',
  });
  const add = (files) => enqueue(files.map(({ name, file }) => ({ name, file, target: target(name) })));
  return html`<${NamespaceFrame} namespace=${namespace} current="upload">
    <${Denied} why=${denied} />
    <${Options} query=${query} strategy=${strategy} />
    ${!denied && html`<${Drop} add=${add} /><${Text} add=${add} />`}
    <${Queue} />
  <//>`;
}

const joined = (prefix, name) => (prefix ? `${prefix.replace(/\/+$/, '')}/${name}` : name);

function Options({ query, strategy }) {
  const change = (name) => (event) => setQuery({ [name]: event.target.value });
  return html`<form class="fields" aria-label="How to store" onSubmit=${(event) => event.preventDefault()}>
    <label>Strategy <select value=${strategy} onChange=${change('strategy')}>${STRATEGIES.map((name) => html`<option key=${name} value=${name}>${strategyName(name)}</option>`)}</select></label>
    <label>Keys <select value=${query.keys || ''} onChange=${change('keys')}><option value="">the file’s path</option><option value="none">none</option></select></label>
    ${query.keys !== 'none' &&
    html`<label>In the folder <input value=${query.prefix || ''} placeholder="such as site/v1" onInput=${change('prefix')} /></label>
      <label>File id <input value=${query.file_id || ''} placeholder="file" onInput=${change('file_id')} /></label>`}
    <label>Kind <select value=${query.kind || 'auto'} onChange=${change('kind')}>
      <option value="auto">as the file is</option><option value="json">json</option><option value="string">string</option><option value="binary">binary</option>
    </select></label>
  </form>`;
}

function Drop({ add }) {
  const [over, setOver] = useState(false);
  const [error, setError] = useState(null);
  const files = useRef(null);
  const folder = useRef(null);
  useEffect(() => {
    folder.current.webkitdirectory = true;
  }, []);
  const choose = (event) => {
    add(chosenFiles(event.target));
    event.target.value = '';
  };
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    setError(null);
    try {
      add(await droppedFiles(event.dataTransfer));
    } catch {
      setError(new Error('The browser could not read what was dropped.'));
    }
  };
  const drag = (isOver) => (event) => {
    event.preventDefault();
    setOver(isOver);
  };
  return html`<div class=${`drop ${over ? 'over' : ''}`} onDragOver=${drag(true)} onDragLeave=${drag(false)} onDrop=${drop}>
      <p>Drop files or folders here, or</p>
      <p class="bar center">
        <button type="button" onClick=${() => files.current.click()}>Choose files</button>
        <button type="button" onClick=${() => folder.current.click()}>Choose a folder</button>
      </p>
      <input ref=${files} type="file" multiple hidden aria-label="Files" onChange=${choose} />
      <input ref=${folder} type="file" multiple hidden aria-label="Folder" onChange=${choose} />
    </div>
    <${ErrorBox} error=${error} />`;
}

/** A content that is typed. */
function Text({ add }) {
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = named(form, 'name');
    add([{ name, file: new File([typed(form, 'text')], name) }]);
    event.target.reset();
  };
  return html`<details class="panel">
    <summary>Type a content</summary>
    <form aria-label="Type a content" onSubmit=${submit}>
      <div class="fields"><label>Name <input name="name" required autocomplete="off" placeholder="notes/today.json" /></label></div>
      <label class="fine">Content <textarea name="text" rows="6" required spellcheck="false"></textarea></label>
      <p><button type="submit" class="primary">Store</button></p>
    </form>
  </details>`;
}

function Queue() {
  const items = useStore(queue);
  if (!items.length) return null;
  const of = (...states) => items.filter((item) => states.includes(item.state));
  const open = of('waiting', 'sending');
  const done = of('stored').length;
  return html`<section aria-label="Uploads">
    <div class="bar">
      <h2>Uploads</h2>
      <${Progress} done=${items.reduce((sum, item) => sum + item.share, 0)} total=${items.length} label=${`${done} of ${count(items.length, 'file')} stored`} />
      ${open.length > 0 && html`<button type="button" onClick=${cancelAll}>Cancel all</button>`}
      ${of('failed').length > 0 && html`<button type="button" onClick=${() => of('failed').forEach((item) => retry(item.id))}>Retry all</button>`}
      ${open.length === 0 && html`<button type="button" onClick=${clear}>Clear the list</button>`}
    </div>
    <div class="scroll"><table class="list">
      <thead><tr><th>File</th><th class="number">Size</th><th>State</th><th></th></tr></thead>
      <tbody>${[...of('failed'), ...of('sending'), ...of('waiting'), ...of('cancelled'), ...of('stored')].slice(0, SHOWN).map((item) => html`<${Row} key=${item.id} item=${item} />`)}</tbody>
    </table></div>
    ${items.length > SHOWN && html`<p class="fine">${count(items.length - SHOWN, 'more', 'more')}.</p>`}
  </section>`;
}

function Row({ item }) {
  const isOpen = item.state === 'waiting' || item.state === 'sending';
  const isOver = item.state === 'failed' || item.state === 'cancelled';
  return html`<tr>
    <th scope="row">${item.result ? html`<a href=${entryLink(item.target.namespace, { cache_id: item.result.cache_id })}>${item.name}</a>` : item.name}
      ${item.error && html`<${ErrorBox} error=${item.error} />`}</th>
    <td class="number">${size(item.file.size)}</td>
    <td>${item.state === 'sending' ? html`<${Progress} done=${item.share} total=${1} label=${`${Math.round(item.share * 100)} %`} />` : html`<${Badge} kind=${item.state}>${item.state}${item.result?.deduplicated ? ', was known' : ''}<//>`}</td>
    <td class="actions">${isOpen && html`<${Button} kind="small" aria-label=${`Cancel ${item.name}`} onClick=${() => cancel(item.id)}>Cancel<//>`}${isOver && html`<${Button} kind="small" aria-label=${`Retry ${item.name}`} onClick=${() => retry(item.id)}>Retry<//>`}</td>
  </tr>`;
}
