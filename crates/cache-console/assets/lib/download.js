// Saves a content as a file of the visitor.

import { ApiError, path, send } from './api.js';
import { reference } from './entries.js';

const PART = 3_000_000;
/** What is held in memory until it is saved. */
const MAX = 1024 * 1024 * 1024;
const EXTENSION = { json: '.json', string: '.txt', binary: '.bin' };

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A name that no file system refuses. */
function fileName({ id, key, fileId, kind }) {
  const last = key.split('/').pop() || '';
  const base = !key ? id : fileId === 'file' && last.includes('.') ? last : fileId;
  return base.includes('.') ? base : base + (EXTENSION[kind] || '');
}

/**
 * @param {string} namespace
 * @param {import('./entries.js').Entry} entry
 */
export async function download(namespace, entry) {
  if (entry.size > MAX) throw tooLarge(namespace, entry);
  const route = path(namespace, 'retrieve', entry.id, entry.kind);
  try {
    const response = await send('GET', route, { query: { redirect: 'never' } });
    save(await response.blob(), fileName(entry));
  } catch (error) {
    if (error.status !== 413) throw error;
    // In Lambda a response is limited, so it comes in parts.
    save(await inParts(namespace, entry), fileName(entry));
  }
}

async function inParts(namespace, entry) {
  const route = path(namespace, 'retrieve', entry.id, 'binary');
  const parts = [];
  for (let from = 0; from < entry.size; from += PART) {
    const range = `bytes=${from}-${Math.min(entry.size, from + PART) - 1}`;
    const response = await send('GET', route, { headers: { range }, query: { redirect: 'never' } }).catch((error) => {
      throw error.status === 413 ? tooLarge(namespace, entry) : error;
    });
    parts.push(await response.blob());
  }
  return new Blob(parts);
}

const tooLarge = (namespace, entry) =>
  new ApiError(`This content is too large for the browser. The command line reads it from the storage: mgraph-cache get '${reference(namespace, entry)}' -o FILE`);
