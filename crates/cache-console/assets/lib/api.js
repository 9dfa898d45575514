// Calls of the JSON API, with the visitor's key in a header. Nothing else in the console sends a request, but lib/send.js.

import { createStore } from './store.js';

/** The page is `{base}console/`. */
export const BASE = new URL('..', document.baseURI);
export const DEFAULT_HEADER = 'x-api-key';
export const STRATEGIES = ['direct', 'temporal', 'temporal_latest', 'temporal_versioned', 'key_based'];
const REQUEST_ID = 'fast-api-request-id';
const STORAGE = 'mgraph-cache-key';

/** A call that failed: what the service said, and the id by which its operator finds the request in the log. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, requestId?: string | null, call?: string}} [about]
   */
  constructor(message, { status = 0, requestId = null, call = '' } = {}) {
    super(message);
    this.status = status;
    this.requestId = requestId;
    this.call = call;
  }
}

/**
 * The key, its header, whether the service asks for another one, and a number that grows with each change.
 * @typedef {{ header: string, key: string, locked: string | null, epoch: number }} Session
 */

/** @type {import('./store.js').Store<Session>} */
export const session = createStore({ ...remembered(), locked: null, epoch: 0 });

function remembered() {
  try {
    const { header, key } = JSON.parse(sessionStorage.getItem(STORAGE) || '{}');
    return { header: header || DEFAULT_HEADER, key: key || '' };
  } catch {
    return { header: DEFAULT_HEADER, key: '' };
  }
}

/** Uses a key from now on, until the tab is closed; an empty one forgets it. */
export function setKey(header, key) {
  if (key) sessionStorage.setItem(STORAGE, JSON.stringify({ header, key }));
  else sessionStorage.removeItem(STORAGE);
  session.set({ header, key, locked: null, epoch: session.get().epoch + 1 });
}

/** Shows the form for a key above the page. */
export function askForKey(why) {
  if (session.get().locked === null) session.set({ ...session.get(), locked: why });
}

/** A segment of a path, or several where `/` is part of a name. */
export const segments = (name) => name.split('/').map(encodeURIComponent).join('/');

/**
 * A path from its parts: `path(namespace, 'retrieve', id)`.
 * @param {...string} parts
 */
export const path = (...parts) => parts.map(segments).join('/');

/**
 * @param {string} route
 * @param {Record<string, string | number | boolean | null | undefined>} [query]
 */
export function url(route, query = {}) {
  const target = new URL(route, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') target.searchParams.set(name, String(value));
  }
  return target;
}

/** The headers that carry the key. */
export function keyHeaders() {
  const { header, key } = session.get();
  return key ? { [header]: key } : {};
}

/**
 * @typedef {object} Options
 * @property {Record<string, any>} [query]
 * @property {any} [json] A body that is sent as JSON.
 * @property {BodyInit} [body]
 * @property {string} [type] The media type of `body`.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

/**
 * @param {string} method
 * @param {string} route
 * @param {Options} [options]
 * @returns {Promise<Response>}
 */
export async function send(method, route, { query, json, body, type, headers, signal } = {}) {
  const call = `${method} /${route}`;
  const all = { ...keyHeaders(), ...headers };
  if (json !== undefined) {
    all['content-type'] = 'application/json';
    body = JSON.stringify(json);
  } else if (type) {
    all['content-type'] = type;
  }
  let response;
  try {
    // A content in S3 is answered with a redirect to it, which the policy of this page refuses.
    response = await fetch(url(route, query), { method, headers: all, body, signal, credentials: 'omit', cache: 'no-cache' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The service cannot be reached. Is it running?', { call });
  }
  if (response.ok || response.status === 304) return response;
  throw await failure(response, call);
}

async function failure(response, call) {
  const requestId = response.headers.get(REQUEST_ID);
  const error = new ApiError(message(await response.text(), response.status), { status: response.status, requestId, call });
  if (response.status === 401) askForKey(error.message);
  return error;
}

/** What the body of an error says. */
export function message(text, status) {
  try {
    const { message: said, detail } = JSON.parse(text);
    const known = said || (typeof detail === 'string' ? detail : detail?.message);
    if (known) return known;
  } catch {
    // Not the service's own answer, but that of something before it.
  }
  return `The service answered ${status}.`;
}

/** @param {string} route @param {Options} [options] */
export const getJson = async (route, options) => (await send('GET', route, options)).json();

/** @param {string} route @param {Options} [options] */
export const postJson = async (route, options) => (await send('POST', route, options)).json();

/** @param {string} route @param {Options} [options] */
export const deleteJson = async (route, options) => (await send('DELETE', route, options)).json();

/** An `Idempotency-Key`, so that a repeat after a lost answer does nothing twice. */
export function idempotencyKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return { 'idempotency-key': Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('') };
}
