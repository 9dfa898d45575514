// What was counted of each namespace in this tab: the service keeps no sums of bytes.

import { createStore } from './store.js';

/** @type {import('./store.js').Store<Record<string, { bytes: number, entries: number }>>} */
export const counted = createStore({});

export const remember = (namespace, total) => counted.set({ ...counted.get(), [namespace]: total });
