// The filters of lists of entries; the URL holds them.

import { STRATEGIES } from '../lib/api.js';
import { strategyName } from '../lib/format.js';
import { html } from '../lib/html.js';
import { setQuery } from '../lib/router.js';

/** @param {Record<string, string>} query @returns {import('../lib/entries.js').Filter} */
export function filterOf({ strategy, kind, from, to, prefix }) {
  const moment = (text) => (text && !Number.isNaN(Date.parse(text)) ? Date.parse(text) : undefined);
  return { strategy, kind, from: moment(from), to: moment(to), prefix };
}

export function EntryFilter({ query }) {
  const change = (name) => (event) => setQuery({ [name]: event.target.value });
  const active = ['strategy', 'kind', 'from', 'to', 'prefix'].some((name) => query[name]);
  const option = (value, text) => html`<option key=${value} value=${value}>${text}</option>`;
  return html`<form class="filters" aria-label="Filter" onSubmit=${(event) => event.preventDefault()}>
    <label>Key begins with <input type="search" data-filter value=${query.prefix || ''} placeholder="any" onChange=${change('prefix')} /></label>
    <label>Strategy <select value=${query.strategy || ''} onChange=${change('strategy')}>
      ${[option('', 'any'), ...STRATEGIES.map((name) => option(name, strategyName(name)))]}
    </select></label>
    <label>Kind <select value=${query.kind || ''} onChange=${change('kind')}>
      ${[option('', 'any'), ...['json', 'string', 'binary'].map((name) => option(name, name))]}
    </select></label>
    <label>From <input type="datetime-local" value=${query.from || ''} onChange=${change('from')} /></label>
    <label>To <input type="datetime-local" value=${query.to || ''} onChange=${change('to')} /></label>
    ${active && html`<button type="button" class="quiet" onClick=${() => setQuery({ strategy: '', kind: '', from: '', to: '', prefix: '' })}>Clear</button>`}
  </form>`;
}
