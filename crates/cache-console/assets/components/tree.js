// Paths as folders.

import { html, useState } from '../lib/html.js';

/**
 * @typedef {{ name: string, path: string, folders: Map<string, Folder>, leaves: any[], count: number, bytes: number }} Folder
 */

const folder = (name, path) => ({ name, path, folders: new Map(), leaves: [], count: 0, bytes: 0 });

/**
 * @param {any[]} items
 * @param {(item: any) => string} pathOf Its folders, separated by `/`; empty for an item at the root.
 * @param {(item: any) => number} sizeOf
 * @returns {Folder}
 */
export function buildTree(items, pathOf, sizeOf) {
  const root = folder('', '');
  for (const item of items) {
    let at = root;
    at.count += 1;
    at.bytes += sizeOf(item);
    const path = pathOf(item);
    for (const name of path ? path.split('/') : []) {
      if (!at.folders.has(name)) at.folders.set(name, folder(name, `${at.path}${name}/`));
      at = at.folders.get(name);
      at.count += 1;
      at.bytes += sizeOf(item);
    }
    at.leaves.push(item);
  }
  return root;
}

const STEP = 200;

/**
 * @param {{ folder: Folder, leaf: (item: any) => any, about: (folder: Folder) => any, open: (folder: Folder) => boolean }} props
 */
export function TreeNodes({ folder: of, leaf, about, open }) {
  const [shown, setShown] = useState(STEP);
  const folders = [...of.folders.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rest = Math.max(0, shown - folders.length);
  return html`<ul>
    ${folders.slice(0, shown).map((child) => html`<${Branch} key=${child.path} folder=${child} leaf=${leaf} about=${about} open=${open} />`)}
    ${of.leaves.slice(0, rest).map((item, index) => html`<li key=${index}>${leaf(item)}</li>`)}
    ${folders.length + of.leaves.length > shown &&
    html`<li><button type="button" class="link" onClick=${() => setShown(shown + STEP)}>${folders.length + of.leaves.length - shown} more</button></li>`}
  </ul>`;
}

function Branch({ folder: of, leaf, about, open }) {
  const [isOpen, setOpen] = useState(open(of));
  return html`<li>
    <button type="button" class="twist" aria-expanded=${isOpen ? 'true' : 'false'} onClick=${() => setOpen(!isOpen)}>${isOpen ? '▾' : '▸'} ${of.name || '(empty)'}/</button>${about(of)}
    ${isOpen && html`<${TreeNodes} folder=${of} leaf=${leaf} about=${about} open=${open} />`}
  </li>`;
}
