// The entries of a namespace: pages that follow as one scrolls, with filters in the URL.

import { Badge, Empty, ErrorBox, Loading } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { EntryFilter, filterOf } from '../components/entry-filter.js';
import { VirtualTable } from '../components/virtual-table.js';
import { session } from '../lib/api.js';
import { page } from '../lib/entries.js';
import { ago, count, number, size, strategyName, time } from '../lib/format.js';
import { html, useCallback, useEffect, useMemo, useRef, useState } from '../lib/html.js';
import { entryLink, go, link, setQuery } from '../lib/router.js';
import { useStore } from '../lib/store.js';
import { useTitle } from '../lib/use.js';
import { useListKeys } from '../lib/keyboard.js';

/** How many entries a filter looks at before it asks whether to go on. */
const MAX_LOOKED = 10_000;

export function Entries({ namespace, query }) {
  useTitle(namespace);
  const filter = filterOf(query);
  const list = useEntries(namespace, filter);
  const sort = sortOf(query.sort);
  const rows = useMemo(() => sorted(list.entries, sort), [list.entries, query.sort]);
  const [selected, select] = useState(-1);
  useListKeys({ count: rows.length, selected, select, open: (index) => go(entryLink(namespace, { cache_id: rows[index].id })) });
  const onSort = (by) => setQuery({ sort: sort?.by === by && !sort.descending ? `-${by}` : by });
  return html`<${NamespaceFrame} namespace=${namespace} current="entries">
    <${EntryFilter} query=${query} />
    <${ErrorBox} error=${list.error} retry=${list.more} />
    ${rows.length > 0 &&
    html`<${VirtualTable}
      label="Entries" columns=${columns(namespace)} rows=${rows} rowKey=${(row) => row.id} selected=${selected} onSelect=${select}
      onEnd=${list.canGoOn ? list.more : undefined} sort=${sort} onSort=${onSort}
    />`}
    ${rows.length === 0 && list.ended && !list.error && html`<${Nothing} namespace=${namespace} filtered=${Object.values(filter).some(Boolean)} />`}
    <${State} list=${list} sort=${sort} />
  <//>`;
}

function Nothing({ namespace, filtered }) {
  if (filtered) return html`<${Empty}><p>No entry passes the filter.</p><//>`;
  return html`<${Empty}><p>This namespace holds no entries.</p><p><a href=${link([namespace, ':upload'])}>Upload files into it</a></p><//>`;
}

function State({ list, sort }) {
  if (list.busy && !list.looked) return html`<${Loading} what="Loading the entries" />`;
  if (list.error && !list.looked) return null;
  if (list.ended && !list.looked) return null;
  const partly = sort && !list.ended ? ' Sorted are those shown so far.' : '';
  return html`<p class="bar fine" role="status">
    ${count(list.entries.length, 'entry', 'entries')}${list.looked > list.entries.length ? ` of ${number(list.looked)} looked at` : ''}${list.ended ? '' : ', more follow'}.${partly}
    ${list.busy && ' Loading…'}
    ${!list.ended && !list.busy && !list.error && html`<button type="button" class="small" onClick=${list.goOn}>${list.canGoOn ? 'Load more' : 'Look further'}</button>`}
  </p>`;
}

const columns = (namespace) => [
  {
    name: 'key', title: 'Key', kind: 'wide', sort: 'key',
    cell: (row) =>
      html`<a href=${entryLink(namespace, { cache_id: row.id })} data-item>${row.key ? html`${row.key}<span class="file">/${row.fileId}</span>` : html`<span class="mono">${row.id}</span>`}</a>`,
  },
  { name: 'kind', title: 'Kind', kind: 'narrow', sort: 'kind', cell: (row) => html`<${Badge} kind=${row.kind}>${row.kind}<//>` },
  { name: 'size', title: 'Size', kind: 'narrow number', sort: 'size', cell: (row) => size(row.size) },
  { name: 'strategy', title: 'Strategy', kind: 'middle strategy', sort: 'strategy', cell: (row) => strategyName(row.strategy) },
  { name: 'version', title: 'Version', kind: 'narrow number version', sort: 'version', cell: (row) => number(row.version) },
  { name: 'stored', title: 'Stored', kind: 'middle stored', sort: 'stored', cell: (row) => html`<time title=${time(row.storedAt)}>${ago(row.storedAt)}</time>` },
  { name: 'expires', title: 'Expires', kind: 'middle expires', sort: 'expires', cell: (row) => html`<time title=${time(row.expiresAt)}>${row.expiresAt ? ago(row.expiresAt) : 'never'}</time>` },
];

const VALUES = {
  key: (row) => `${row.key}/${row.fileId}`,
  kind: (row) => row.kind,
  size: (row) => row.size,
  strategy: (row) => row.strategy,
  version: (row) => row.version,
  stored: (row) => row.storedAt,
  expires: (row) => row.expiresAt ?? Infinity,
};

/** `-size` is the largest first. */
function sortOf(text) {
  const by = (text || '').replace(/^-/, '');
  return VALUES[by] ? { by, descending: text.startsWith('-') } : undefined;
}

function sorted(entries, sort) {
  if (!sort) return entries;
  const value = VALUES[sort.by];
  const sign = sort.descending ? -1 : 1;
  return [...entries].sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
}

const NONE = { entries: [], cursor: null, looked: 0, ended: false, error: null, busy: false, limit: MAX_LOOKED };

/** The entries so far, and a way to the next page. */
function useEntries(namespace, filter) {
  const { epoch } = useStore(session);
  const [list, setList] = useState(NONE);
  const asked = JSON.stringify([namespace, filter, epoch]);
  const present = useRef(null);
  const busy = useRef(false);
  const load = useCallback(
    async (from) => {
      const mine = present.current;
      if (busy.current || !mine) return;
      busy.current = true;
      setList((old) => ({ ...old, busy: true, error: null }));
      try {
        const next = await page(namespace, filter, from, mine.signal);
        if (present.current !== mine) return;
        setList((old) => ({
          ...old, busy: false, entries: [...old.entries, ...next.entries], cursor: next.cursor,
          looked: old.looked + next.looked, ended: !next.cursor,
        }));
      } catch (error) {
        if (present.current === mine) setList((old) => ({ ...old, busy: false, error }));
      } finally {
        if (present.current === mine) busy.current = false;
      }
    },
    [asked],
  );
  useEffect(() => {
    const abort = new AbortController();
    present.current = abort;
    busy.current = false;
    setList(NONE);
    load(null);
    return () => {
      present.current = null;
      abort.abort();
    };
  }, [asked]);
  // What a filter leaves may be too little to fill the view.
  useEffect(() => {
    if (list.cursor && list.entries.length === 0 && list.looked < list.limit && !list.busy && !list.error) load(list.cursor);
  }, [list]);
  const more = useCallback(() => !list.ended && load(list.cursor), [list, load]);
  const goOn = () => {
    setList((old) => ({ ...old, limit: old.looked + MAX_LOOKED }));
    more();
  };
  return { ...list, more, goOn, canGoOn: !list.ended && !list.busy && !list.error && (list.entries.length > 0 || list.looked < list.limit) };
}
