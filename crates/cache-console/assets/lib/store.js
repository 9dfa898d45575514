// A value that components can watch.

import { useEffect, useState } from './html.js';

/**
 * @template T
 * @typedef {{ get(): T, set(next: T): void, watch(listener: () => void): () => void }} Store
 */

/**
 * @template T
 * @param {T} value
 * @returns {Store<T>}
 */
export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of [...listeners]) listener();
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * The value of a store; the component renders again when it changes.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [, render] = useState(0);
  const value = store.get();
  useEffect(() => {
    const again = () => render((count) => count + 1);
    // It may have changed since the component was rendered.
    if (store.get() !== value) again();
    return store.watch(again);
  }, [store]);
  return value;
}
