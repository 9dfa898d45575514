// Deletes many entries: first a dry run that shows which, then, once confirmed, one after the other.

import { Badge, Button, Confirm, Denied, Empty, ErrorBox, Progress } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { EntryFilter, filterOf } from '../components/entry-filter.js';
import { VirtualTable } from '../components/virtual-table.js';
import { ApiError, deleteJson, path } from '../lib/api.js';
import { count, number, size, time } from '../lib/format.js';
import { html, useEffect, useRef, useState } from '../lib/html.js';
import { entryLink } from '../lib/router.js';
import { useTitle } from '../lib/use.js';
import { useScan } from '../lib/use-scan.js';
import { useDenied } from '../lib/whoami.js';

const AT_ONCE = 6;

export function BulkDelete({ namespace, query }) {
  useTitle(`${namespace}: delete`);
  const denied = useDenied(namespace)('delete');
  const filter = filterOf(query);
  const isAll = !Object.values(filter).some(Boolean);
  const scan = useScan(namespace);
  const removal = useRemoval(namespace);
  useEffect(() => {
    scan.stop();
    scan.forget();
    removal.forget();
  }, [JSON.stringify(filter)]);
  const dryRun = () => {
    removal.forget();
    scan.start(filter);
  };
  return html`<${NamespaceFrame} namespace=${namespace} current="delete">
    <${Denied} why=${denied} />
    <p>Choose entries, look at them, and delete them. ${isAll && html`<strong>Without a filter these are all entries of ${namespace}.</strong>`}</p>
    <${EntryFilter} query=${query} />
    <p class="bar"><button type="button" class=${scan.state === 'ended' ? '' : 'primary'} disabled=${scan.state === 'running' || removal.state === 'running'} onClick=${dryRun}>Dry run</button>
      ${scan.state === 'running' && html`<button type="button" onClick=${scan.stop}>Stop</button>`}
      <span class="fine" role="status">${scan.state !== 'idle' && `${count(scan.entries.length, 'entry', 'entries')} of ${number(scan.looked)} looked at would be deleted${scan.state === 'running' ? ' so far' : ''}.`}</span></p>
    <${ErrorBox} error=${scan.error} retry=${dryRun} />
    <${Removal} removal=${removal} />
    ${removal.state === 'idle' && scan.state === 'ended' && html`<${Found} namespace=${namespace} entries=${scan.entries} denied=${denied} isAll=${isAll} remove=${removal.start} />`}
  <//>`;
}

const columns = (namespace) => [
  { name: 'key', title: 'Key', kind: 'wide', cell: (row) => html`<a href=${entryLink(namespace, { cache_id: row.id })}>${row.key ? `${row.key}/${row.fileId}` : row.id}</a>` },
  { name: 'kind', title: 'Kind', kind: 'narrow', cell: (row) => html`<${Badge} kind=${row.kind}>${row.kind}<//>` },
  { name: 'size', title: 'Size', kind: 'narrow number', cell: (row) => size(row.size) },
  { name: 'stored', title: 'Stored', kind: 'middle stored', cell: (row) => time(row.storedAt).slice(0, 16) },
];

function Found({ namespace, entries, denied, isAll, remove }) {
  const [asking, ask] = useState(false);
  const [selected, select] = useState(-1);
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (!entries.length) return html`<${Empty}><p>No entry passes the filter.</p><//>`;
  const yes = () => {
    ask(false);
    remove(entries);
  };
  return html`<p><${Button} kind="danger full" denied=${denied} onClick=${() => ask(true)}>Delete ${count(entries.length, 'entry', 'entries')}<//></p>
    <${VirtualTable} label="What would be deleted" columns=${columns(namespace)} rows=${entries} rowKey=${(row) => row.id} selected=${selected} onSelect=${select} />
    ${asking &&
    html`<${Confirm} title="Delete these entries?" action=${`Delete ${number(entries.length)}`} confirm=${isAll ? namespace : String(entries.length)} onYes=${yes} onClose=${() => ask(false)}>
      <p>${count(entries.length, 'entry', 'entries')} of <code>${namespace}</code>, ${size(bytes)}, with their child data. That cannot be undone.</p>
    <//>`}`;
}

function Removal({ removal }) {
  if (removal.state === 'idle') return null;
  const { state, done, total, failed, stop } = removal;
  return html`<section class="panel" aria-label="Deleting">
    <${Progress} done=${done} total=${total} label=${`${number(done - failed.length)} of ${count(total, 'entry', 'entries')} deleted`} />
    ${state === 'running' ? html`<button type="button" onClick=${stop}>Stop</button>` : html`<p role="status">${state === 'stopped' ? 'Stopped.' : 'Done.'} ${failed.length ? `${count(failed.length, 'entry', 'entries')} could not be deleted:` : ''}</p>`}
    ${failed.slice(0, 5).map(({ entry, error }) => html`<div key=${entry.id}><code>${entry.id}</code><${ErrorBox} error=${error} /></div>`)}
  </section>`;
}

const IDLE = { state: 'idle', done: 0, total: 0, failed: [] };

function useRemoval(namespace) {
  const [state, setState] = useState(IDLE);
  const running = useRef(null);
  const stop = () => running.current?.abort();
  useEffect(() => stop, [namespace]);
  const start = async (entries) => {
    const abort = new AbortController();
    running.current = abort;
    const waiting = [...entries];
    const failed = [];
    let done = 0;
    setState({ ...IDLE, state: 'running', total: entries.length });
    const worker = async () => {
      while (waiting.length && !abort.signal.aborted) {
        const entry = waiting.shift();
        await remove(namespace, entry).catch((error) => failed.push({ entry, error }));
        done += 1;
        setState({ state: 'running', done, total: entries.length, failed: [...failed] });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    setState((old) => ({ ...old, state: abort.signal.aborted ? 'stopped' : 'ended' }));
  };
  return { ...state, start, stop, forget: () => setState(IDLE) };
}

/** One that is gone already is deleted, too. */
async function remove(namespace, entry) {
  const route = path(namespace, 'delete', entry.id);
  const { failed_paths } = await deleteJson(route);
  if (failed_paths?.length) throw new ApiError('Not all of it was deleted. Delete it again to finish.', { call: `DELETE /${route}` });
}
