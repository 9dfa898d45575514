// The server behind this page: requests, hits and misses, latency. Lambda has no such page of one process; CloudWatch has it.

import { Empty, ErrorBox, Facts, Loading } from '../components/basics.js';
import { Bars, Lines } from '../components/plots.js';
import { getJson, send } from '../lib/api.js';
import { ago, number, percent, size } from '../lib/format.js';
import { html, useEffect, useState } from '../lib/html.js';
import { failures, parseMetrics, quantile, since, snapshot, together } from '../lib/metrics.js';
import { useCall, useTitle } from '../lib/use.js';

const EVERY_MS = 2000;
const KEPT = 90;

const duration = (seconds) => (seconds === null ? '–' : seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`);
const rate = (value) => `${value.toFixed(value < 10 ? 1 : 0)}/s`;

export function Server() {
  useTitle('Server');
  const info = useCall((signal) => getJson('server/storage/info', { signal }), []);
  const { history, error, again } = useHistory();
  const last = history.at(-1);
  return html`<h1>Server</h1>
    ${error?.status === 404
      ? html`<${Empty}><p>This service shows no metrics of one process, as in AWS Lambda. CloudWatch has them: namespace <code>mgraph-cache</code>.</p><//>`
      : html`<${ErrorBox} error=${error} retry=${again} />`}
    ${!last && !error && html`<${Loading} what="Loading the metrics" />`}
    ${last && html`<${Shown} history=${history} last=${last} info=${info.data} />`}`;
}

/** The metrics every two seconds, while the page is in sight. */
function useHistory() {
  const [state, setState] = useState({ history: [], error: null, tries: 0 });
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        if (!document.hidden) {
          const text = await (await send('GET', 'metrics', { signal: abort.signal })).text();
          setState((old) => ({ ...old, error: null, history: [...old.history, snapshot(parseMetrics(text), Date.now())].slice(-KEPT) }));
        }
        timer = setTimeout(look, EVERY_MS);
      } catch (error) {
        if (error.name !== 'AbortError') setState((old) => ({ ...old, error }));
      }
    };
    look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [state.tries]);
  return { ...state, again: () => setState((old) => ({ ...old, error: null, tries: old.tries + 1 })) };
}

/** How much a value grew per second, between each state and the one before it. */
const rates = (history, of) => history.slice(1).map((now, index) => ((of(now) - of(history[index])) * 1000) / (now.at - history[index].at));

function latencies(history, share) {
  return history.slice(1).map((now, index) => quantile(since(together([...now.operations.values()]), together([...history[index].operations.values()])), share));
}

function Shown({ history, last, info }) {
  const all = together([...last.operations.values()]);
  const lookups = last.cacheHits + last.cacheMisses;
  return html`<${Facts} of=${[
      ['Version', last.version], ['Storage', last.mode], ['Bucket', info?.s3_bucket], ['Folder', info?.local_disk_path], ['File', info?.sqlite_path || info?.zip_path],
      ['Started', ago(last.startedAt)], ['Requests', number(last.requests)], ['Failed', number(last.failed)], ['In flight', number(last.inFlight)],
    ]} />
    <div class="cards">
      <section class="panel" aria-label="Requests"><h2>Requests</h2><${Lines} label="Requests" lines=${[rates(history, (one) => one.requests), rates(history, (one) => one.failed)]} names=${['all', 'failed']} format=${rate} /></section>
      <section class="panel" aria-label="Reads"><h2>Reads</h2>
        <p><span class="big">${percent(last.hits, last.hits + last.misses)}</span> <span class="fine">hits of ${number(last.hits + last.misses)} reads</span></p>
        <${Bars} label="Reads" bars=${[['hits', last.hits], ['misses', last.misses]].map(([name, value]) => ({ name, value, text: number(value) }))} />
      </section>
      <section class="panel" aria-label="Latency"><h2>Latency</h2>
        <${Lines} label="Latency" lines=${[latencies(history, 0.99), latencies(history, 0.5)]} names=${['p99', 'p50']} format=${duration} />
        <p class="fine">Since the start: half below ${duration(quantile(all, 0.5))}, 99 % below ${duration(quantile(all, 0.99))}</p>
      </section>
      <section class="panel" aria-label="Storage"><h2>Requests to the storage</h2>
        <${Bars} label="Requests to the storage" bars=${Object.entries(last.storage).map(([name, value]) => ({ name, value, text: number(value) }))} />
        <p class="fine">${size(last.read)} read, ${size(last.written)} written. In memory: ${size(last.cacheBytes)}, ${percent(last.cacheHits, lookups)} of the look-ups are found there.</p>
      </section>
    </div>
    <${Operations} operations=${[...last.operations.values()]} />`;
}

function Operations({ operations }) {
  const busiest = operations.filter((one) => one.count).sort((a, b) => b.count - a.count);
  return html`<h2>Operations</h2>
    <div class="scroll" role="region" aria-label="Operations" tabindex="0"><table class="list">
      <thead><tr><th>Operation</th><th class="number">Requests</th><th class="number">Misses</th><th class="number">Failed</th><th class="number">Mean</th><th class="number">p50</th><th class="number">p99</th></tr></thead>
      <tbody>${busiest.map((one) => html`<tr key=${one.name}>
        <th scope="row" class="mono">${one.name}</th><td class="number">${number(one.count)}</td><td class="number">${number(one.outcomes.miss || 0)}</td><td class="number">${number(failures(one))}</td>
        <td class="number">${duration(one.seconds / one.count)}</td><td class="number">${duration(quantile(one.buckets, 0.5))}</td><td class="number">${duration(quantile(one.buckets, 0.99))}</td>
      </tr>`)}</tbody>
    </table></div>`;
}
