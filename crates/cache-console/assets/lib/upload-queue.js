// Files that wait, are sent, are stored or failed. A retry carries the same `Idempotency-Key`, so nothing is stored twice.

import { idempotencyKey } from './api.js';
import { store } from './send.js';
import { createStore } from './store.js';

const AT_ONCE = 3;

/**
 * @typedef {{ id: number, name: string, file: File, target: import('./send.js').Target, state: 'waiting' | 'sending' | 'stored' | 'failed' | 'cancelled',
 *   share: number, error: any, result: any, abort: AbortController, idempotency: Record<string, string> }} Item
 */

/** All uploads of this tab; they go on while other views are shown. @type {import('./store.js').Store<Item[]>} */
export const queue = createStore([]);

let lastId = 0;

const change = (id, changes) => queue.set(queue.get().map((item) => (item.id === id ? { ...item, ...changes } : item)));

/** @param {{ name: string, file: File, target: import('./send.js').Target }[]} files */
export function enqueue(files) {
  const items = files.map((file) => {
    lastId += 1;
    return /** @type {Item} */ ({ ...file, id: lastId, state: 'waiting', share: 0, error: null, result: null, abort: new AbortController(), idempotency: idempotencyKey() });
  });
  queue.set([...queue.get(), ...items]);
  fill();
}

export function cancel(id) {
  const item = queue.get().find((one) => one.id === id);
  if (!item || item.state === 'stored') return;
  change(id, { state: 'cancelled' });
  item.abort.abort();
  fill();
}

export function cancelAll() {
  queue.get().filter((item) => item.state === 'waiting' || item.state === 'sending').forEach((item) => cancel(item.id));
}

export function retry(id) {
  change(id, { state: 'waiting', share: 0, error: null, abort: new AbortController() });
  fill();
}

/** Takes those away that need nothing more. */
export function clear() {
  queue.set(queue.get().filter((item) => item.state === 'waiting' || item.state === 'sending'));
}

function fill() {
  const sending = queue.get().filter((item) => item.state === 'sending').length;
  const waiting = queue.get().filter((item) => item.state === 'waiting');
  waiting.slice(0, Math.max(0, AT_ONCE - sending)).forEach(run);
}

async function run(item) {
  change(item.id, { state: 'sending' });
  const way = { progress: (share) => change(item.id, { share }), signal: item.abort.signal, idempotency: item.idempotency };
  try {
    const result = await store(item.file, item.target, way);
    change(item.id, { state: 'stored', share: 1, result });
  } catch (error) {
    if (error.name !== 'AbortError') change(item.id, { state: 'failed', error });
  }
  fill();
}

addEventListener('beforeunload', (event) => {
  if (queue.get().some((item) => item.state === 'waiting' || item.state === 'sending')) event.preventDefault();
});
