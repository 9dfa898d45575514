// JSON as a tree whose branches open on a click.

import { count } from '../lib/format.js';
import { html, useState } from '../lib/html.js';

/** How many members of one node are shown before a click asks for more. */
const STEP = 200;
const OPEN_DEPTH = 2;
const OPEN_MEMBERS = 50;

/** @param {{ node: import('../lib/json.js').Node }} props */
export function JsonTree({ node }) {
  return html`<ul class="json-tree" aria-label="JSON"><${Branch} name=${null} node=${node} depth=${0} /></ul>`;
}

function Branch({ name, node, depth }) {
  const children = node.type === 'object' ? node.members : node.type === 'array' ? node.items.map((item, index) => [index, item]) : null;
  const [open, setOpen] = useState(depth < OPEN_DEPTH && (children?.length ?? 0) <= OPEN_MEMBERS);
  const [shown, setShown] = useState(STEP);
  const label = name === null ? null : html`<span class=${typeof name === 'number' ? 'index' : 'name'}>${name}</span>: `;
  if (!children) return html`<li>${label}<span class=${node.type}>${node.type === 'string' ? JSON.stringify(node.value) : node.text}</span></li>`;
  const summary = node.type === 'object' ? `{ ${count(children.length, 'member')} }` : `[ ${count(children.length, 'item')} ]`;
  return html`<li>
    <button type="button" class="twist" aria-expanded=${open ? 'true' : 'false'} onClick=${() => setOpen(!open)}>${open ? '▾' : '▸'} ${label}<span class="fine">${summary}</span></button>
    ${open &&
    html`<ul>
      ${children.slice(0, shown).map(([key, child], index) => html`<${Branch} key=${index} name=${key} node=${child} depth=${depth + 1} />`)}
      ${children.length > shown &&
      html`<li><button type="button" class="link" onClick=${() => setShown(shown + STEP)}>${count(children.length - shown, 'more', 'more')}</button></li>`}
    </ul>`}
  </li>`;
}
