// What is typed into the search box: an id, a hash, a SHA-256, a key or a reference.

import { getJson, STRATEGIES } from './api.js';
import { find, page } from './entries.js';
import { entryLink, link } from './router.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HASH = /^[0-9a-f]{10,96}$/;
const HASH_DIGITS = 16;
/** In how many namespaces an entry is looked for. */
const MAX_NAMESPACES = 100;

/**
 * The selectors that a text may mean, the likeliest first.
 * @param {string} text
 * @returns {{ namespace: string | null, selectors: import('./router.js').Selector[], prefix: string | null }}
 */
export function understand(text) {
  const trimmed = text.trim();
  const reference = /^([A-Za-z0-9_-]+):(.+)$/.exec(trimmed);
  const namespace = reference ? reference[1] : null;
  const rest = reference ? reference[2] : trimmed;
  const lower = rest.toLowerCase();
  const [, bare, shown] = /^(.*?)(?:@([1-9]\d*))?$/.exec(rest) || [];
  const version = shown ? { version: Number(shown) } : {};
  if (UUID.test(lower)) return { namespace, selectors: [{ cache_id: lower }], prefix: null };
  if (rest.startsWith('key@')) return { namespace, selectors: keySelectors(bare.slice(4), version), prefix: null };
  const digits = bare.replace(/^#/, '').toLowerCase();
  if (HASH.test(digits)) {
    const selectors = [{ cache_hash: digits, ...version }];
    // The hash of a string or of bytes is the beginning of its SHA-256.
    if (digits.length === 64) selectors.push({ cache_hash: digits.slice(0, HASH_DIGITS), ...version });
    return { namespace, selectors, prefix: null };
  }
  return { namespace, selectors: anyStrategy(bare, version), prefix: bare };
}

function keySelectors(text, version) {
  const [strategy, ...names] = text.split('/');
  return names.length < 2 ? [] : [{ strategy, cache_key: names.slice(0, -1).join('/'), file_id: names.at(-1), ...version }];
}

/** A key with its file id at the end, under each strategy. */
function anyStrategy(text, version) {
  const names = text.split('/');
  if (names.length < 2 || names.some((name) => !name)) return [];
  return [...STRATEGIES].reverse().flatMap((strategy) => keySelectors([strategy, ...names].join('/'), version));
}

/**
 * Where to go for a text; `null` when nothing is found.
 * @param {string} text
 * @param {string | null} current The namespace that is shown.
 * @param {AbortSignal} signal
 */
export async function search(text, current, signal) {
  const { namespace, selectors, prefix } = understand(text);
  const names = namespace ? [namespace] : await namespaces(current, signal);
  for (const name of names) {
    for (const selector of selectors) {
      const found = await find(name, selector, signal).catch(ignoreInvalid);
      if (found) return entryLink(name, selector);
    }
  }
  if (prefix === null) return null;
  for (const name of names) {
    const { entries } = await page(name, { prefix }, null, signal);
    if (entries.length) return link([name], { prefix });
  }
  return current ? link([current], { prefix }) : null;
}

/** A text that is no valid name is no entry. */
function ignoreInvalid(error) {
  if (error.status === 400 || error.status === 404) return null;
  throw error;
}

async function namespaces(current, signal) {
  const all = await getJson('namespaces/list', { signal });
  const others = all.filter((name) => name !== current).slice(0, MAX_NAMESPACES);
  return current ? [current, ...others] : others;
}
