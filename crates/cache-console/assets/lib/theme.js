// Dark, light, or as the system has it. Kept in this browser.

import { createStore } from './store.js';

const STORAGE = 'mgraph-cache-theme';
export const THEMES = { auto: 'Auto', light: 'Light', dark: 'Dark' };

const kept = localStorage.getItem(STORAGE);
export const theme = createStore(THEMES[kept] ? kept : 'auto');
apply();

function apply() {
  const name = theme.get();
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

export function nextTheme() {
  const names = Object.keys(THEMES);
  theme.set(names[(names.indexOf(theme.get()) + 1) % names.length]);
  localStorage.setItem(STORAGE, theme.get());
  apply();
}
