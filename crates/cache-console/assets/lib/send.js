// Sends files, with progress, which `fetch` does not tell.

import { ApiError, askForKey, BASE, getJson, keyHeaders, message, path, postJson, url } from './api.js';
import { asText } from './content.js';
import { sha256 } from './sha256.js';

/** Larger contents are announced first, and sent to the URL that the service names. Lambda takes bodies of up to 6 MB. */
export const MAX_DIRECT = 4_000_000;
const TYPES = { json: 'application/json', string: 'text/plain; charset=utf-8', binary: 'application/octet-stream' };
/** How much of the work the hash is, as far as the bar shows it. */
const HASH_SHARE = 0.2;

/**
 * @typedef {{ namespace: string, strategy: string, key: string, fileId: string, kind: 'auto' | 'json' | 'string' | 'binary' }} Target
 * @typedef {{ progress: (share: number) => void, signal: AbortSignal, idempotency: Record<string, string> }} Way
 */

/** What a content is stored as. */
async function kindOf(file, kind) {
  if (kind !== 'auto') return kind;
  if (file.size > MAX_DIRECT) return 'binary';
  const bytes = new Uint8Array(await file.arrayBuffer());
  const text = asText(bytes);
  if (text === null || text.trim() === '') return 'binary';
  if (/\.json$/i.test(file.name) && isJson(text)) return 'json';
  return 'string';
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Stores a file, and returns what the service says of the entry.
 * @param {File} file
 * @param {Target} target
 * @param {Way} way
 */
export async function store(file, target, way) {
  const kind = await kindOf(file, target.kind);
  return file.size > MAX_DIRECT && kind !== 'json' ? storeLarge(file, kind, target, way) : storeAtOnce(file, kind, target, way);
}

async function storeAtOnce(file, kind, { namespace, strategy, key, fileId }, way) {
  const route = path(namespace, strategy, 'store', kind, ...(key ? [key] : []));
  const headers = { ...keyHeaders(), ...way.idempotency, 'content-type': TYPES[kind] };
  return JSON.parse(await transfer('POST', url(route, key ? { file_id: fileId } : {}), file, headers, way.progress, way.signal));
}

async function storeLarge(file, data_type, { namespace, strategy, key, fileId }, { progress, signal, idempotency }) {
  const digest = await sha256(file, (share) => progress(share * HASH_SHARE), signal);
  const fields = { data_type, sha256: digest, size: file.size, ...(key ? { cache_key: key, file_id: fileId } : {}) };
  const started = await postJson(path(namespace, strategy, 'upload'), { json: fields, headers: idempotency, signal });
  const target = new URL(started.url, BASE);
  if (target.origin !== BASE.origin) {
    // A server on a machine takes it as well, up to the size that it is configured for.
    if ((await getJson('info/status', { signal })).environment === 'local') return storeAtOnce(file, data_type, { namespace, strategy, key, fileId }, { progress, signal, idempotency });
    const asKey = key ? ` -k '${key}' -f '${fileId}'` : '';
    throw new ApiError(`A content of this size goes to the storage itself, which this page may not call. Use the command line: mgraph-cache put FILE -n ${namespace} -s ${strategy}${asKey}`);
  }
  try {
    await transfer(started.method, target, file, started.headers, (share) => progress(HASH_SHARE + share * (1 - HASH_SHARE)), signal);
  } catch (error) {
    // It is there already: the same content was sent before.
    if (error.status !== 412) throw error;
  }
  return postJson(path(namespace, strategy, 'upload/complete'), { json: { upload_id: started.upload_id, ...fields }, signal });
}

/** @returns {Promise<string>} The body of the answer. */
function transfer(method, target, body, headers, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const call = `${method} ${target.pathname}`;
    const fail = (error) => reject(error);
    request.open(method, target);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    const cancelled = () => new DOMException('cancelled', 'AbortError');
    request.onabort = () => fail(cancelled());
    request.onerror = () => fail(new ApiError('The service cannot be reached, or closed the connection.', { call }));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(request.responseText);
      const said = message(request.responseText, request.status);
      if (request.status === 401) askForKey(said);
      return fail(new ApiError(said, { status: request.status, requestId: request.getResponseHeader('fast-api-request-id'), call }));
    };
    if (signal.aborted) return fail(cancelled());
    signal.addEventListener('abort', () => request.abort(), { once: true });
    return request.send(body);
  });
}
