// Lists of entries: ids from the listing, and what is known of each from a batch.

import { getJson, path, postJson } from './api.js';

export const PAGE = 200;
const BATCH = 1000;

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} hash
 * @property {string} key Empty for an entry without a key.
 * @property {string} fileId
 * @property {string} strategy
 * @property {'json' | 'string' | 'binary'} kind
 * @property {number} size
 * @property {number} storedAt
 * @property {number | undefined} expiresAt
 * @property {number} version
 * @property {string} sha256
 */

/** @returns {Entry} */
function entry({ data_type, version, sha256, metadata }) {
  return {
    id: metadata.cache_id,
    hash: metadata.cache_hash,
    key: metadata.cache_key || '',
    fileId: metadata.file_id || '',
    strategy: metadata.strategy,
    kind: data_type,
    size: metadata.content_size,
    storedAt: metadata.stored_at,
    expiresAt: metadata.expires_at,
    version,
    sha256,
  };
}

/**
 * The entry that a selector names; `null` when there is none.
 * @param {string} namespace
 * @param {import('./router.js').Selector} selector
 * @param {AbortSignal} [signal]
 * @returns {Promise<Entry | null>}
 */
export async function find(namespace, selector, signal) {
  const { results } = await postJson(path(namespace, 'exists/batch'), { json: { items: [selector] }, signal });
  const [result] = results;
  if (result.status === 404) return null;
  if (result.status !== 200) throw new Error(result.error?.message || `The service answered ${result.status}.`);
  return entry(result);
}

/** @returns {Promise<Entry[]>} Those that are still there. */
async function describe(namespace, ids, signal) {
  const items = ids.map((cache_id) => ({ cache_id }));
  const { results } = await postJson(path(namespace, 'exists/batch'), { json: { items }, signal });
  const failed = results.find((result) => result.status !== 200 && result.status !== 404);
  if (failed) throw new Error(failed.error?.message || `The service answered ${failed.status}.`);
  return results.filter((result) => result.status === 200).map(entry);
}

/**
 * @typedef {{ strategy?: string, kind?: string, from?: number, to?: number, prefix?: string }} Filter
 */

/** @param {Entry} one @param {Filter} filter */
export function passes(one, { strategy, kind, from, to, prefix }) {
  return (
    (!strategy || one.strategy === strategy) &&
    (!kind || one.kind === kind) &&
    (!from || one.storedAt >= from) &&
    (!to || one.storedAt < to) &&
    (!prefix || one.key.startsWith(prefix))
  );
}

const isDated = (filter) => (filter.strategy || '').startsWith('temporal');

/**
 * A page of entries. The service looks up dated strategies by time; of the others it lists all.
 * @param {string} namespace
 * @param {Filter} filter
 * @param {string | null} cursor
 * @param {AbortSignal} [signal]
 * @param {number} [limit]
 * @returns {Promise<{ entries: Entry[], cursor: string | null, looked: number }>}
 */
export async function page(namespace, filter, cursor, signal, limit = PAGE) {
  const listed = isDated(filter) ? await datedIds(namespace, filter, cursor, signal, limit) : await allIds(namespace, cursor, signal, limit);
  const entries = listed.ids.length ? await describe(namespace, listed.ids, signal) : [];
  return { entries: entries.filter((one) => passes(one, filter)), cursor: listed.next, looked: listed.ids.length };
}

async function allIds(namespace, cursor, signal, limit) {
  const { items, next_cursor } = await getJson(path(namespace, 'file-ids'), { query: { limit, cursor }, signal });
  return { ids: items, next: next_cursor };
}

/** @param {string} namespace @param {Filter} filter @param {string | null} cursor @param {AbortSignal} signal @param {number} limit */
async function datedIds(namespace, { strategy, from, to }, cursor, signal, limit) {
  const query = { strategy, from, to, limit, cursor };
  const { entries, next_cursor } = await getJson(path(namespace, 'entries'), { query, signal });
  return { ids: entries.map((one) => one.cache_id), next: next_cursor };
}

/**
 * Goes over all entries that pass, batch by batch.
 * @param {string} namespace
 * @param {Filter} filter
 * @param {(entries: Entry[], looked: number) => void} visit
 * @param {AbortSignal} signal
 */
export async function scan(namespace, filter, visit, signal) {
  let cursor = null;
  let looked = 0;
  do {
    const part = await page(namespace, filter, cursor, signal, BATCH);
    looked += part.looked;
    cursor = part.cursor;
    visit(part.entries, looked);
  } while (cursor && !signal.aborted);
}

/** How the command line refers to an entry. */
export const reference = (namespace, one) => `${namespace}:${one.id}`;

/** How the command line refers to the newest entry under its key, which may be another one; `null` without a key. */
export const keyReference = (namespace, one) => (one.key ? `${namespace}:key@${one.strategy}/${one.key}/${one.fileId}` : null);
