// All namespaces: how many entries and bytes each has, how long they live, and how often a read finds something.

import { getJson, path, send } from '../lib/api.js';
import { Badge, Empty, ErrorBox, Loaded } from '../components/basics.js';
import { named } from '../lib/form.js';
import { count, lifetime, number, percent, size } from '../lib/format.js';
import { html, useEffect, useState } from '../lib/html.js';
import { parseMetrics, readsByNamespace } from '../lib/metrics.js';
import { go, link, setQuery, useRoute } from '../lib/router.js';
import { useStore } from '../lib/store.js';
import { useCall, useTitle } from '../lib/use.js';
import { deniedForAll, identity } from '../lib/whoami.js';

/** How many namespaces are counted at once. */
const AT_ONCE = 4;

export function Namespaces() {
  useTitle('Namespaces');
  const { query } = useRoute();
  const call = useCall((signal) => getJson('namespaces/list', { signal }), []);
  return html`<div class="bar">
      <h1>Namespaces</h1>
      <input type="search" placeholder="Filter by name" aria-label="Filter namespaces" value=${query.filter || ''} onInput=${(event) => setQuery({ filter: event.target.value })} />
      <${NewNamespace} />
    </div>
    <${Loaded} call=${call} what="Loading namespaces">
      ${(names) => html`<${Table} names=${names.filter((name) => name.toLowerCase().includes((query.filter || '').toLowerCase()))} all=${names.length} />`}
    <//>`;
}

/** A namespace begins with its first entry. */
function NewNamespace() {
  const open = (event) => {
    event.preventDefault();
    const name = named(new FormData(event.target), 'name');
    if (name) go(link([name, ':upload']));
  };
  return html`<form class="inline" onSubmit=${open}>
    <input name="name" placeholder="new or known name" aria-label="Name of a namespace" pattern="[A-Za-z0-9_\\-]{1,128}" title="1 to 128 letters, digits, '_' and '-'" required />
    <button type="submit">Upload into it</button>
  </form>`;
}

function Table({ names, all }) {
  const stats = useStats(names);
  const known = useReads();
  if (!all) return html`<${Empty}><p>Nothing is stored yet. Name a namespace above, and upload into it.</p><//>`;
  if (!names.length) return html`<${Empty}><p>No namespace has such a name.</p><//>`;
  const sum = (field) => names.reduce((total, name) => total + (stats[name]?.[field] || 0), 0);
  return html`<div class="scroll"><table class="list">
    <thead>
      <tr><th>Namespace</th><th class="number">Entries</th><th class="number roomy">Contents</th><th class="number">Bytes</th><th class="number">Hit rate</th><th class="roomy">Lifetime</th><th class="roomy">Strategies</th></tr>
    </thead>
    <tbody>${names.map((name) => html`<${Row} key=${name} name=${name} stats=${stats[name]} known=${known} />`)}</tbody>
    <tfoot><tr><th>${names.length} of ${all}</th><td class="number">${number(sum('refs_id_files'))}</td><td class="roomy"></td><td class="number">${size(sum('content_bytes'))}</td><td></td><td class="roomy" colspan="2"></td></tr></tfoot>
  </table></div>`;
}

function Row({ name, stats, known }) {
  const used = stats && !stats.error ? Object.entries(STRATEGY_FIELDS).filter(([, field]) => stats[field] > 0) : [];
  return html`<tr>
    <th scope="row"><a href=${link([name])} data-item>${name}</a></th>
    ${stats?.error
      ? html`<td colspan="6"><${ErrorBox} error=${stats.error} /></td>`
      : html`<td class="number">${number(stats?.refs_id_files)}</td>
          <td class="number roomy">${number(stats?.refs_hash_files)}</td>
          <td class="number">${size(stats?.content_bytes)}</td>
          <td class="number"><${HitRate} name=${name} known=${known} /></td>
          <td class="roomy">${stats ? lifetime(stats.ttl_hours) : '–'}</td>
          <td class="roomy">${used.map(([strategy, field]) => html`<${Badge} key=${strategy}>${strategy} ${number(stats[field])}<//> `)}</td>`}
  </tr>`;
}

function HitRate({ name, known }) {
  const reads = known.reads?.get(name);
  if (reads) return html`<span title=${`${count(reads.hit, 'hit')} and ${count(reads.miss, 'miss', 'misses')} since this process started`}>${percent(reads.hit, reads.hit + reads.miss)}</span>`;
  const nothing = known.reads?.has('*') ? 'Only the first 100 namespaces that are read are counted apart.' : 'Nothing was read since this process started.';
  return html`<span title=${known.reads ? nothing : known.why}>–</span>`;
}

/** The reads in each namespace, or why they are not known. */
function useReads() {
  const who = useStore(identity);
  const { data, error } = useCall((signal) => readsFor(who, signal), [who]);
  return data || { reads: null, why: error ? error.message : 'Loading' };
}

async function readsFor(who, signal) {
  const denied = deniedForAll(who, 'read');
  if (denied || who.pending) return { reads: null, why: denied || 'Loading' };
  const { environment } = await getJson('info/status', { signal });
  if (environment === 'aws-lambda') return { reads: null, why: 'In AWS Lambda, hits and misses are in CloudWatch: namespace mgraph-cache.' };
  const page = await send('GET', 'metrics', { signal });
  return { reads: readsByNamespace(parseMetrics(await page.text())), why: '' };
}

const STRATEGY_FIELDS = {
  direct: 'direct_files',
  temporal: 'temporal_files',
  'temporal latest': 'temporal_latest_files',
  'temporal versioned': 'temporal_versioned_files',
  'key based': 'key_based_files',
};

/** The counts of the namespaces, as they arrive. */
function useStats(names) {
  const [stats, setStats] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    const waiting = names.filter((name) => !stats[name]);
    const next = async () => {
      for (let name = waiting.shift(); name !== undefined && !abort.signal.aborted; name = waiting.shift()) {
        const found = await getJson(path(name, 'stats'), { signal: abort.signal }).catch((error) => ({ error }));
        if (!abort.signal.aborted) setStats((old) => ({ ...old, [name]: found }));
      }
    };
    for (let worker = 0; worker < AT_ONCE; worker += 1) next();
    return () => abort.abort();
  }, [names.join(' ')]);
  return stats;
}
