// The keys of a namespace as folders.

import { Badge, Empty, ErrorBox, Progress } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { EntryFilter, filterOf } from '../components/entry-filter.js';
import { buildTree, TreeNodes } from '../components/tree.js';
import { getJson, path } from '../lib/api.js';
import { count, number, size } from '../lib/format.js';
import { html, useEffect, useMemo } from '../lib/html.js';
import { entryLink, link } from '../lib/router.js';
import { useCall, useTitle } from '../lib/use.js';
import { useScan } from '../lib/use-scan.js';

/** The service lists no folders, so larger namespaces are walked only when asked. */
const WALKED_AT_ONCE = 5000;

export function Tree({ namespace, query }) {
  useTitle(`${namespace}: tree`);
  const filter = filterOf(query);
  const asked = JSON.stringify(filter);
  const stats = useCall((signal) => getJson(path(namespace, 'stats'), { signal }), [namespace]);
  const total = stats.data?.refs_id_files;
  const scan = useScan(namespace);
  useEffect(() => {
    if (total !== undefined && total <= WALKED_AT_ONCE) scan.start(filter);
    else scan.forget();
  }, [asked, total]);
  return html`<${NamespaceFrame} namespace=${namespace} current="tree">
    <${EntryFilter} query=${query} />
    <${ErrorBox} error=${stats.error || scan.error} retry=${() => scan.start(filter)} />
    ${scan.state === 'running' &&
    html`<div class="bar"><${Progress} done=${scan.looked} total=${total} label=${`${number(scan.looked)} of ${number(total)} entries`} /><button type="button" onClick=${scan.stop}>Stop</button></div>`}
    ${(scan.state === 'idle' || scan.state === 'stopped') && total > 0 &&
    html`<p class="bar"><button type="button" onClick=${() => scan.start(filter)}>Walk over ${count(total, 'entry', 'entries')}</button>
      <span class="fine">The tree is made of their keys.</span></p>`}
    ${total === 0 && html`<${Empty}><p>This namespace holds no entries.</p><//>`}
    ${scan.entries.length > 0 && html`<${Folders} namespace=${namespace} entries=${scan.entries} looked=${scan.looked} />`}
    ${scan.state === 'ended' && scan.looked > 0 && scan.entries.length === 0 && html`<${Empty}><p>No entry passes the filter.</p><//>`}
  <//>`;
}

function Folders({ namespace, entries, looked }) {
  const keyed = useMemo(() => entries.filter((entry) => entry.key), [looked, entries]);
  const root = useMemo(() => buildTree(keyed, (entry) => entry.key, (entry) => entry.size), [keyed]);
  const about = (folder) => html`<span class="fine">${number(folder.count)} · ${size(folder.bytes)} · <a href=${link([namespace], { prefix: folder.path })} aria-label=${`List ${folder.path}`}>list</a> · <a href=${link([namespace, ':delete'], { prefix: folder.path })} aria-label=${`Delete ${folder.path}`}>delete</a></span>`;
  const leaf = (entry) => html`<a href=${entryLink(namespace, { cache_id: entry.id })}>${entry.fileId || entry.id}</a> <${Badge} kind=${entry.kind}>${entry.kind}<//> <span class="fine">${size(entry.size)} · version ${number(entry.version)}</span>`;
  const without = entries.length - keyed.length;
  return html`<div class="tree" role="region" aria-label="Keys">
    <p class="fine">${count(keyed.length, 'entry', 'entries')} under keys, ${size(root.bytes)}${without ? `; ${number(without)} without a key` : ''}</p>
    <${TreeNodes} folder=${root} leaf=${leaf} about=${about} open=${(folder) => root.folders.size <= 3 && folder.path.split('/').length <= 2} />
  </div>`;
}
