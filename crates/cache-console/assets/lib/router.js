// The part of the URL after `#` names what is shown. A name that begins with ':' is no namespace: it has no such character.
//
// | URL | what |
// |---|---|
// | `#/` | the namespaces |
// | `#/:keys`, `#/:server` | the API keys; the metrics of the server |
// | `#/demo`, `#/demo/:tree`, `:upload`, `:delete`, `:statistics`, `:settings` | a namespace |
// | `#/demo/id/{id}`, `#/demo/hash/{hash}`, `#/demo/key/{strategy}/{key}/{file_id}`, the latter two with `?v=2` | an entry |

import { createStore, useStore } from './store.js';

/**
 * @typedef {{ namespace?: string, cache_id?: string, cache_hash?: string, strategy?: string, cache_key?: string, file_id?: string, version?: number }} Selector
 * @typedef {{ view: string, namespace: string | null, selector: Selector | null, query: Record<string, string> }} Route
 */

const NAMESPACE_VIEWS = ['tree', 'upload', 'delete', 'statistics', 'settings'];
const SERVER_VIEWS = ['keys', 'server'];

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [raw, rawQuery = ''] = hash.replace(/^#?\/?/, '').split('?');
  const query = Object.fromEntries(new URLSearchParams(rawQuery));
  const parts = raw.split('/').map(decode);
  const route = (view, namespace = null, selector = null) => ({ view, namespace, selector, query });
  const [first, second, ...rest] = parts;
  if (!first) return route('namespaces');
  if (first.startsWith(':')) return route(SERVER_VIEWS.includes(first.slice(1)) ? first.slice(1) : 'missing');
  if (!second) return route('entries', first);
  if (second.startsWith(':')) {
    return NAMESPACE_VIEWS.includes(second.slice(1)) ? route(second.slice(1), first) : route('missing');
  }
  const selector = selectorOf(second, rest, query.v);
  return selector ? route('entry', first, selector) : route('missing');
}

function selectorOf(kind, rest, shownVersion) {
  const version = /^[1-9]\d*$/.test(shownVersion || '') ? { version: Number(shownVersion) } : {};
  if (kind === 'id' && rest.length === 1) return { cache_id: rest[0] };
  if (kind === 'hash' && rest.length === 1) return { cache_hash: rest[0], ...version };
  if (kind === 'key' && rest.length >= 3) {
    const [strategy, ...names] = rest;
    return { strategy, cache_key: names.slice(0, -1).join('/'), file_id: names[names.length - 1], ...version };
  }
  return null;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * A link to a view: `link(['demo', ':tree'], { prefix: 'a/' })`.
 * @param {string[]} parts
 * @param {Record<string, any>} [query]
 */
export function link(parts, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const path = parts.map((part) => part.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':')).join('/');
  return `#/${path}${pairs.length ? `?${new URLSearchParams(pairs)}` : ''}`;
}

/** @param {string} namespace @param {Selector} selector @param {Record<string, any>} [query] */
export function entryLink(namespace, selector, query = {}) {
  const { cache_id, cache_hash, strategy, cache_key, file_id, version } = selector;
  if (cache_id) return link([namespace, 'id', cache_id], query);
  if (cache_hash) return link([namespace, 'hash', cache_hash], { v: version, ...query });
  return link([namespace, 'key', strategy, cache_key, file_id], { v: version, ...query });
}

const current = createStore(parse(location.hash));
addEventListener('hashchange', () => current.set(parse(location.hash)));

/** What is shown. */
export const useRoute = () => useStore(current);
export const route = () => current.get();

/** @param {string} target A link. */
export function go(target) {
  location.hash = target;
}

/** Changes the query of the URL without a step in the history. */
export function setQuery(changes) {
  const [path] = location.hash.split('?');
  const query = { ...route().query, ...changes };
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  history.replaceState(null, '', pairs.length ? `${path || '#/'}?${new URLSearchParams(pairs)}` : path || '#/');
  current.set(parse(location.hash));
}
