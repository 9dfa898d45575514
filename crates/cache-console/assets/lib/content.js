// What a content is, by its first bytes, and contents of a bounded size from the service.

import { path, send } from './api.js';

/** More is shown only in part. */
export const MAX_SHOWN = 2 * 1024 * 1024;

/** @type {[string, number[]][]} */
const SIGNATURES = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/bmp', [0x42, 0x4d]],
  ['application/zip', [0x50, 0x4b, 0x03, 0x04]],
  ['application/zip', [0x50, 0x4b, 0x05, 0x06]],
  ['application/pdf', [0x25, 0x50, 0x44, 0x46]],
  ['application/gzip', [0x1f, 0x8b]],
];

/** The media type of what begins like this. @param {Uint8Array} bytes */
export function sniff(bytes) {
  const found = SIGNATURES.find(([, signature]) => signature.every((byte, index) => bytes[index] === byte));
  if (found) return found[0];
  const ascii = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  if (ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP') return 'image/webp';
  if (ascii(4, 8) === 'ftyp' && ascii(8, 12).startsWith('avi')) return 'image/avif';
  const text = asText(bytes);
  if (text === null) return 'application/octet-stream';
  if (/^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/i.test(text)) return 'image/svg+xml';
  return /^\s*(<!--[^]*?-->\s*)*<(!doctype html|html|head|body|div|p|h[1-6]|table|section|article|script|style|span|ul|a|img)[\s>]/i.test(text) ? 'text/html' : 'text/plain';
}

/** The bytes as text; `null` if they are none. @param {Uint8Array} bytes */
export function asText(bytes) {
  if (bytes.subarray(0, 8192).includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/**
 * @typedef {{ bytes: Uint8Array, total: number, kind: 'json' | 'string' | 'binary', complete: boolean }} Content
 */

/**
 * The content of an entry, or the beginning of a large one.
 * @param {string} namespace
 * @param {{ id: string, kind: Content['kind'], size: number }} entry
 * @param {AbortSignal} [signal]
 * @param {number} [revision]
 * @returns {Promise<Content>}
 */
export async function read(namespace, { id, kind, size }, signal, revision) {
  const isLarge = size > MAX_SHOWN;
  // Only bytes are sent in parts.
  const route = path(namespace, 'retrieve', id, isLarge ? 'binary' : kind);
  const headers = isLarge ? { range: `bytes=0-${MAX_SHOWN - 1}` } : {};
  const response = await send('GET', route, { query: { redirect: 'never', revision }, headers, signal });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const complete = response.status !== 206 || bytes.length >= size;
  return { bytes, total: complete ? bytes.length : size, kind, complete };
}

/** Cuts what may be half a character at the end. */
export function textOf({ bytes, complete }) {
  if (complete) return asText(bytes);
  for (let cut = 0; cut < 4; cut += 1) {
    const text = asText(bytes.subarray(0, bytes.length - cut));
    if (text !== null) return text;
  }
  return null;
}
