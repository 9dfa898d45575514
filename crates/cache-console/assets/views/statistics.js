// What a namespace holds: counts from the service, and sums from a walk over its entries.

import { Button, ErrorBox, Facts, Loaded, Progress } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { Bars, Columns } from '../components/plots.js';
import { getJson, path, STRATEGIES } from '../lib/api.js';
import { count, lifetime, number, size, strategyName, time } from '../lib/format.js';
import { html, useEffect, useMemo } from '../lib/html.js';
import { entryLink, link } from '../lib/router.js';
import { useCall, useTitle } from '../lib/use.js';
import { useScan } from '../lib/use-scan.js';

/** Larger namespaces are walked only when asked. */
const WALKED_AT_ONCE = 5000;
const LARGEST = 10;

export function Statistics({ namespace }) {
  useTitle(`${namespace}: statistics`);
  const call = useCall((signal) => getJson(path(namespace, 'stats'), { signal }), [namespace]);
  return html`<${NamespaceFrame} namespace=${namespace} current="statistics">
    <${Loaded} call=${call} what="Counting">
      ${(stats) => html`<${Counts} namespace=${namespace} stats=${stats} /><${Walked} namespace=${namespace} total=${stats.refs_id_files} />`}
    <//>
  <//>`;
}

function Counts({ namespace, stats }) {
  const bars = STRATEGIES.map((name) => ({ name: strategyName(name), value: stats[`${name}_files`] ?? 0, text: number(stats[`${name}_files`] ?? 0) }));
  return html`<div class="cards">
    <section class="panel" aria-label="Entries">
      <p class="big">${number(stats.refs_id_files)}</p>
      <p class="fine">${count(stats.refs_id_files, 'entry', 'entries').replace(/^\S+ /, '')} of ${count(stats.refs_hash_files, 'content')}</p>
      <${Facts} of=${[['Bytes', size(stats.content_bytes)], ['Lifetime', lifetime(stats.ttl_hours)], ['Files', number(stats.total_files)], ['Bucket', stats.s3_bucket], ['Settings', html`<a href=${link([namespace, ':settings'])}>change</a>`]]} />
    </section>
    <section class="panel" aria-label="By strategy"><h2>Entries by strategy</h2><${Bars} label="Entries by strategy" bars=${bars} /></section>
  </div>`;
}

function Walked({ namespace, total }) {
  const scan = useScan(namespace);
  useEffect(() => {
    if (total > 0 && total <= WALKED_AT_ONCE) scan.start({});
  }, [total]);
  const { state, looked, entries } = scan;
  const sums = useMemo(() => summarize(entries), [looked, entries]);
  if (!total) return null;
  return html`<div class="bar">
      ${state === 'running'
        ? html`<${Progress} done=${looked} total=${total} label=${`${number(looked)} of ${number(total)} entries`} /><button type="button" onClick=${scan.stop}>Stop</button>`
        : html`<${Button} onClick=${() => scan.start({})}>${state === 'ended' ? 'Count again' : `Count bytes and growth of ${count(total, 'entry', 'entries')}`}<//>`}
      ${state === 'stopped' && html`<span class="fine">Of ${number(looked)} entries only.</span>`}
    </div>
    <${ErrorBox} error=${scan.error} />
    ${entries.length > 0 && html`<${Sums} namespace=${namespace} sums=${sums} />`}`;
}

function Sums({ namespace, sums }) {
  const bars = (of) => Object.entries(of).map(([name, value]) => ({ name: strategyName(name), value, text: size(value) }));
  return html`<div class="cards">
    <section class="panel" aria-label="Bytes">
      <p class="big">${size(sums.bytes)}</p><p class="fine">in contents, where equal ones are counted each time</p>
      <h2>Bytes by strategy</h2><${Bars} label="Bytes by strategy" bars=${bars(sums.byStrategy)} />
      <h2>Bytes by kind</h2><${Bars} label="Bytes by kind" bars=${bars(sums.byKind)} />
    </section>
    <section class="panel" aria-label="Growth"><h2>Stored over time</h2><${Columns} label="Entries stored" columns=${sums.growth} /></section>
    <section class="panel" aria-label="Largest"><h2>Largest</h2>
      <ol class="files largest">${sums.largest.map((entry) => html`<li key=${entry.id} class="bar"><span class="number">${size(entry.size)}</span> <a class=${entry.key ? '' : 'mono'} href=${entryLink(namespace, { cache_id: entry.id })}>${entry.key ? `${entry.key}/${entry.fileId}` : entry.id}</a></li>`)}</ol>
    </section>
  </div>`;
}

const COLUMNS = 40;
const HOUR_MS = 3_600_000;

function summarize(entries) {
  const byStrategy = {};
  const byKind = {};
  let bytes = 0;
  let first = Infinity;
  let last = 0;
  for (const { size: length, strategy, kind, storedAt } of entries) {
    bytes += length;
    byStrategy[strategy] = (byStrategy[strategy] || 0) + length;
    byKind[kind] = (byKind[kind] || 0) + length;
    first = Math.min(first, storedAt);
    last = Math.max(last, storedAt);
  }
  const largest = [...entries].sort((a, b) => b.size - a.size).slice(0, LARGEST);
  return { bytes, byStrategy, byKind, growth: growth(entries, first, last), largest };
}

function growth(entries, first, last) {
  const step = Math.max(1000, Math.ceil((last - first + 1) / COLUMNS));
  const counts = new Array(Math.max(1, Math.ceil((last - first + 1) / step))).fill(0);
  for (const { storedAt } of entries) counts[Math.floor((storedAt - first) / step)] += 1;
  return counts.map((value, index) => ({ name: time(first + index * step).slice(0, last - first < HOUR_MS ? 19 : 16), value, text: count(value, 'entry', 'entries') }));
}
