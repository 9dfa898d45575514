// One box for ids, hashes, keys and references.

import { html, useEffect, useRef, useState } from '../lib/html.js';
import { go } from '../lib/router.js';
import { search } from '../lib/search.js';

export function SearchBox({ namespace }) {
  const [state, setState] = useState({ busy: false, said: '' });
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), []);
  const submit = async (event) => {
    event.preventDefault();
    const field = event.target.elements.search;
    if (!field.value.trim()) return;
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setState({ busy: true, said: 'Searching…' });
    try {
      const target = await search(field.value, namespace, abort.signal);
      setState({ busy: false, said: target ? '' : 'Nothing found.' });
      if (target) {
        field.blur();
        go(target);
      }
    } catch (error) {
      if (error.name !== 'AbortError') setState({ busy: false, said: error.message });
    }
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input id="search" name="search" type="search" autocomplete="off" spellcheck="false" placeholder="Id, hash, SHA-256, key or reference"
      aria-label="Search" aria-busy=${state.busy ? 'true' : undefined} onInput=${() => state.said && setState({ busy: false, said: '' })} />
    <span class="said" role="status">${state.said}</span>
  </form>`;
}
