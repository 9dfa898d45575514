// Hooks that several views share.

import { session } from './api.js';
import { useEffect, useRef, useState } from './html.js';
import { useStore } from './store.js';

/**
 * The result of a call, made again when `inputs`, the key or `reload` asks for it. Earlier data stay until the new ones are there.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} call
 * @param {any[]} inputs
 * @returns {{ data: T | null, error: any, loading: boolean, reload: () => void }}
 */
export function useCall(call, inputs) {
  const { epoch } = useStore(session);
  const [again, setAgain] = useState(0);
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const asked = JSON.stringify([inputs, epoch]);
  const of = useRef(asked);
  useEffect(() => {
    const abort = new AbortController();
    const isOther = of.current !== asked;
    of.current = asked;
    setState((old) => ({ data: isOther ? null : old.data, error: null, loading: true }));
    call(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, error: null, loading: false }),
      (error) => abort.signal.aborted || setState({ data: null, error, loading: false }),
    );
    return () => abort.abort();
  }, [asked, again]);
  return { ...state, reload: () => setAgain((count) => count + 1) };
}

/**
 * An action that a click starts: whether it runs, and why it failed.
 * @returns {{ busy: boolean, error: any, run: (action: () => Promise<any>) => Promise<void>, clear: () => void }}
 */
export function useAction() {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (action) => {
    setState({ busy: true, error: null });
    try {
      await action();
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error: error.name === 'AbortError' ? null : error });
    }
  };
  return { ...state, run, clear: () => setState({ busy: false, error: null }) };
}

/** The title of the page. */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · mgraph-cache` : 'mgraph-cache console';
  }, [title]);
}
