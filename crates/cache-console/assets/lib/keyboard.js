// Keys without a modifier, where nothing is typed.

import { useEffect, useRef } from './html.js';

/** What the help shows: keys, and what they do. */
export const KEYS = [
  ['?', 'Show these keys'],
  ['/', 'Search'],
  ['f', 'Filter'],
  ['j ↓ and k ↑', 'Next and previous row'],
  ['Enter', 'Open the row'],
  ['1 to 6', 'Tabs'],
  ['n and N', 'Next and previous namespace'],
  ['g', 'All namespaces'],
  ['u', 'Upload'],
  ['c', 'Copy the reference of the entry'],
  ['d', 'Download the entry'],
  ['m', 'Show the content alone, or all'],
  ['r', 'Load again'],
  ['t', 'Dark, light or as the system'],
  ['Esc', 'Close, or leave a field'],
];

const isTyping = (element) =>
  element instanceof HTMLElement && (/^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName) || element.isContentEditable);

/**
 * Calls an action for a key, unless something is typed or a dialog is open.
 * @param {Record<string, (event: KeyboardEvent) => void>} actions By `KeyboardEvent.key`.
 */
export function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (isTyping(event.target)) {
        if (event.key === 'Escape') event.target.blur();
        return;
      }
      if (document.querySelector('dialog[open]')) return;
      const action = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : null;
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}

/** Moves through a list. @param {{ count: number, selected: number, select: (index: number) => void, open: (index: number) => void }} list */
export function useListKeys({ count, selected, select, open }) {
  // Two keys may come before the list is shown again.
  const at = useRef(selected);
  at.current = selected;
  const move = (by) => () => {
    if (!count) return;
    at.current = Math.max(0, Math.min(count - 1, at.current + by));
    select(at.current);
  };
  const enter = (event) => {
    const onControl = /^(A|BUTTON|SUMMARY)$/.test(event.target.tagName);
    if (onControl) event.target.click();
    else if (at.current >= 0 && at.current < count) open(at.current);
  };
  useKeys({
    j: move(1), ArrowDown: move(1), k: move(-1), ArrowUp: move(-1),
    PageDown: move(15), PageUp: move(-15), Home: move(-Infinity), End: move(Infinity), Enter: enter,
  });
}
