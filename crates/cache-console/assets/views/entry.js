// One entry: its content, and in tabs all else that belongs to it.

import { Badge, Button, Confirm, copyText, Empty, ErrorBox, Facts, Loaded, Tabs } from '../components/basics.js';
import { ContentView } from '../components/content.js';
import { CopyAs } from '../components/copy-as.js';
import { deleteJson, getJson, path, send } from '../lib/api.js';
import { read } from '../lib/content.js';
import { download } from '../lib/download.js';
import { find, reference } from '../lib/entries.js';
import { ago, number, size, strategyName, time } from '../lib/format.js';
import { html, useState } from '../lib/html.js';
import { useKeys } from '../lib/keyboard.js';
import { entryLink, go, link, setQuery } from '../lib/router.js';
import { useAction, useCall, useTitle } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';
import { Archive } from './archive.js';
import { Children } from './children.js';
import { Versions } from './versions.js';

export function EntryPage({ namespace, selector, query }) {
  const call = useCall((signal) => find(namespace, selector, signal), [namespace, selector]);
  const name = nameOf(call.data) || nameOf({ key: selector.cache_key, fileId: selector.file_id }) || selector.cache_id || selector.cache_hash;
  const isMissing = !call.loading && !call.error && call.data === null;
  useTitle(name);
  return html`<div class="bar head">
      <h1><a href="#/" class="crumb">Namespaces</a> / <a href=${link([namespace])} class="crumb">${namespace}</a> / <span class="entry-name">${name}</span></h1>
    </div>
    ${isMissing
      ? html`<${Missing} namespace=${namespace} />`
      : html`<${Loaded} call=${call} what="Looking for the entry">
      ${(entry) => html`<${Shown} namespace=${namespace} selector=${selector} entry=${entry} query=${query} reload=${call.reload} />`}
    <//>`}`;
}

/** An entry is best known by its key. */
const nameOf = (entry) => (entry?.key ? `${entry.key}/${entry.fileId}` : '');

function Missing({ namespace }) {
  return html`<${Empty}><p>There is no such entry in ${namespace}. It may have been deleted, or have expired.</p>
    <p><a href=${link([namespace])}>The entries of ${namespace}</a></p><//>`;
}

const TABS = [['content', 'Content'], ['versions', 'Versions'], ['children', 'Child data'], ['archive', 'ZIP'], ['metadata', 'Metadata'], ['references', 'References']];

function Shown({ namespace, selector, entry, query, reload }) {
  const [alone, setAlone] = useState(false);
  const isOpen = (name) => name !== 'archive' || entry.kind === 'binary';
  const tabs = TABS.filter(([name]) => isOpen(name));
  const tab = tabs.some(([name]) => name === query.tab) ? query.tab : 'content';
  const href = (name) => entryLink(namespace, selector, { tab: name === 'content' ? undefined : name });
  useKeys({
    c: () => copyText(reference(namespace, entry)),
    d: () => download(namespace, entry),
    m: () => setAlone(!alone),
    r: reload,
    ...Object.fromEntries(tabs.map(([name], index) => [String(index + 1), () => go(href(name))])),
  });
  const view = {
    content: () => html`<${Content} namespace=${namespace} entry=${entry} query=${query} />`,
    versions: () => html`<${Versions} namespace=${namespace} entry=${entry} query=${query} />`,
    children: () => html`<${Children} namespace=${namespace} entry=${entry} query=${query} />`,
    archive: () => html`<${Archive} namespace=${namespace} entry=${entry} query=${query} />`,
    metadata: () => html`<${Metadata} namespace=${namespace} entry=${entry} />`,
    references: () => html`<${References} namespace=${namespace} entry=${entry} />`,
  }[tab];
  if (alone) return html`<div class="alone"><p><button type="button" onClick=${() => setAlone(false)}>Show all</button></p>${view()}</div>`;
  return html`<${Summary} namespace=${namespace} entry=${entry} />
    <${Tabs} label="Parts of the entry" current=${tab} tabs=${tabs.map(([name, text]) => [name, text, href(name)])} />
    ${view()}`;
}

function Summary({ namespace, entry }) {
  return html`<div class="summary">
    <${Facts} of=${[
      ['Kind', html`<${Badge} kind=${entry.kind}>${entry.kind}<//> ${size(entry.size)}`],
      ['Strategy', strategyName(entry.strategy)],
      ['Stored', html`<time title=${time(entry.storedAt)}>${ago(entry.storedAt)}</time>`],
      ['Expires', entry.expiresAt ? html`<time title=${time(entry.expiresAt)}>${ago(entry.expiresAt)}</time>` : 'never'],
      ['Id', html`<a class="mono" href=${entryLink(namespace, { cache_id: entry.id })}>${entry.id}</a>`],
      ['Hash', html`<span class="mono" title=${`Version ${number(entry.version)} of this hash`}><a href=${entryLink(namespace, { cache_hash: entry.hash })}>${entry.hash}</a>@${entry.version}</span>`],
    ]} />
    <${Actions} namespace=${namespace} entry=${entry} />
  </div>`;
}

function Actions({ namespace, entry }) {
  const denied = useDenied(namespace);
  const [asking, ask] = useState(false);
  const saving = useAction();
  const removing = useAction();
  const remove = () =>
    removing.run(async () => {
      const { status, failed_paths } = await deleteJson(path(namespace, 'delete', entry.id));
      if (status !== 'success' || failed_paths?.length) throw new Error('Not all of it was deleted. Delete it again to finish.');
      go(link([namespace]));
    });
  return html`<div class="buttons">
      <${Button} busy=${saving.busy} onClick=${() => saving.run(() => download(namespace, entry))}>${saving.busy ? 'Downloading…' : 'Download'}<//>
      <${CopyAs} namespace=${namespace} entry=${entry} />
      <${Button} kind="danger" denied=${denied('delete')} onClick=${() => ask(true)}>Delete<//>
    </div>
    <${ErrorBox} error=${saving.error} />
    ${asking &&
    html`<${Confirm} title="Delete this entry?" action="Delete" busy=${removing.busy} error=${removing.error} onYes=${remove} onClose=${() => ask(false)}>
      <p><code>${reference(namespace, entry)}</code>${entry.key && html`<br /><code>${entry.key}/${entry.fileId}</code>`}</p>
      <p>Version ${number(entry.version)}, ${size(entry.size)}, is deleted with its child data. That cannot be undone.</p>
    <//>`}`;
}

function Content({ namespace, entry, query }) {
  const call = useCall((signal) => read(namespace, entry, signal), [namespace, entry.id]);
  return html`<${Loaded} call=${call} what="Loading the content">
    ${(content) => html`<${ContentView} content=${content} form=${query.form} onForm=${(form) => setQuery({ form })} />`}
  <//>`;
}

function Metadata({ namespace, entry }) {
  const call = useCall((signal) => getJson(path(namespace, 'retrieve', entry.id, 'metadata'), { signal }), [entry.id]);
  return html`<div class="panel"><${Facts} of=${[
      ['Reference', html`<code>${reference(namespace, entry)}</code>`],
      ['Id', html`<code>${entry.id}</code>`], ['Hash', html`<code>${entry.hash}</code>`], ['SHA-256', html`<code>${entry.sha256}</code>`],
      ['Key', entry.key], ['File id', entry.fileId], ['Stored', time(entry.storedAt)], ['Expires', entry.expiresAt ? time(entry.expiresAt) : 'never'],
    ]} /></div>
    <h2>As the service says it</h2>
    <${Loaded} call=${call}>${(metadata) => html`<${Json} value=${metadata} />`}<//>`;
}

/** The answers of the service are small, so they are shown as they are. */
const Json = ({ value }) => html`<pre class="text" tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;

function References({ namespace, entry }) {
  const denied = useDenied(namespace)('manage');
  const refs = useCall((signal) => getJson(path(namespace, 'retrieve', entry.id, 'refs/all'), { signal }), [entry.id]);
  const [file, show] = useState(null);
  return html`<${Loaded} call=${refs} what="Loading the references">
      ${({ by_id, details }) => html`<h2>Files</h2>
        <ul class="files">
          ${Object.values(by_id.all_paths).flat().map((name) => html`<li key=${name}>
            <button type="button" class="link mono" disabled=${Boolean(denied)} title=${denied || 'Show it as it is stored'} onClick=${() => show({ name })}>${name}</button></li>`)}
        </ul>
        ${by_id.all_paths.by_hash.map((name) => name.replace(/\.json$/, '')).map((name) => html`<p key=${name}>
          <${Button} denied=${denied} onClick=${() => show({ name, physical: true })}>Show the manifest as it is stored<//></p>`)}
        ${file && html`<${StoredFile} key=${JSON.stringify(file)} ...${file} />`}
        <h2>As the service says it</h2><${Json} value=${{ by_id, details }} />`}
    <//>`;
}

/** An object of the storage, for those who may see it: the head of a manifest, a view. */
function StoredFile({ name, physical }) {
  const call = useCall(
    async (signal) => {
      const response = await send('GET', path('admin/storage/file/bytes', name), { query: { physical }, signal });
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { bytes, total: bytes.length, kind: 'string', complete: true };
    },
    [name, physical],
  );
  return html`<h2><code>${name}</code></h2><${Loaded} call=${call}>${(content) => html`<${ContentView} content=${content} />`}<//>`;
}
