// A walk over all entries of a namespace that shows how far it is, and can be stopped.

import { scan } from './entries.js';
import { useEffect, useRef, useState } from './html.js';

const NOT_STARTED = { state: 'idle', entries: [], looked: 0, error: null };

/**
 * @param {string} namespace
 * @returns {{ state: 'idle' | 'running' | 'stopped' | 'ended', entries: import('./entries.js').Entry[], looked: number, error: any,
 *   start: (filter: import('./entries.js').Filter) => Promise<void>, stop: () => void, forget: () => void }}
 */
export function useScan(namespace) {
  const [found, setFound] = useState(NOT_STARTED);
  const running = useRef(null);
  const stop = () => running.current?.abort();
  useEffect(() => stop, [namespace]);
  const start = async (filter) => {
    stop();
    const abort = new AbortController();
    running.current = abort;
    const entries = [];
    setFound({ ...NOT_STARTED, state: 'running' });
    try {
      await scan(
        namespace,
        filter,
        (part, looked) => {
          entries.push(...part);
          if (running.current === abort) setFound({ state: 'running', entries, looked, error: null });
        },
        abort.signal,
      );
      if (running.current === abort) setFound((old) => ({ ...old, state: abort.signal.aborted ? 'stopped' : 'ended' }));
    } catch (error) {
      if (running.current === abort) setFound((old) => ({ ...old, state: 'stopped', error: error.name === 'AbortError' ? null : error }));
    }
  };
  return { ...found, start, stop, forget: () => setFound(NOT_STARTED) };
}
