// A table of any length with few rows in the document: those in sight, and some around them.

import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib/html.js';

const ROW = 34;
const AROUND = 8;

/**
 * @typedef {{ name: string, title: any, cell: (row: any) => any, kind?: string, sort?: string }} Column
 */

/**
 * @param {{ columns: Column[], rows: any[], label: string, rowKey: (row: any) => string, selected: number,
 *   onSelect: (index: number) => void, onEnd?: () => void, sort?: { by: string, descending: boolean },
 *   onSort?: (by: string) => void }} props
 */
export function VirtualTable({ columns, rows, label, rowKey, selected, onSelect, onEnd, sort, onSort }) {
  const box = useRef(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const first = Math.max(0, Math.floor(seen.top / ROW) - AROUND);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / ROW) + AROUND);
  const look = () => box.current && setSeen({ top: box.current.scrollTop, height: box.current.clientHeight });

  useLayoutEffect(() => {
    look();
    addEventListener('resize', look);
    return () => removeEventListener('resize', look);
  }, []);
  useEffect(() => {
    if (onEnd && last >= rows.length) onEnd();
  }, [last, rows.length, onEnd]);
  useEffect(() => {
    const at = selected * ROW;
    if (selected < 0 || !box.current) return;
    const { scrollTop, clientHeight } = box.current;
    if (at < scrollTop) box.current.scrollTop = at;
    else if (at + 2 * ROW > scrollTop + clientHeight) box.current.scrollTop = at + 2 * ROW - clientHeight;
  }, [selected]);

  const header = (column) => {
    const state = sort && sort.by === column.sort ? (sort.descending ? 'descending' : 'ascending') : undefined;
    const arrow = state === 'descending' ? ' ↓' : state ? ' ↑' : '';
    return html`<div role="columnheader" key=${column.name} class=${`cell ${column.kind || ''}`} aria-sort=${state}>
      ${column.sort && onSort
        ? html`<button type="button" class="link" onClick=${() => onSort(column.sort)}>${column.title}${arrow}</button>`
        : column.title}
    </div>`;
  };
  const row = (item, index) => html`<div
    role="row"
    key=${rowKey(item)}
    class=${`row ${index === selected ? 'selected' : ''}`}
    aria-rowindex=${index + 2}
    style=${{ top: `${index * ROW}px` }}
    onMouseDown=${() => onSelect(index)}
  >
    ${columns.map((column) => html`<div role="cell" key=${column.name} class=${`cell ${column.kind || ''}`}>${column.cell(item)}</div>`)}
  </div>`;

  return html`<div class="vtable" role="table" aria-label=${label} aria-rowcount=${rows.length + 1}>
    <div role="rowgroup"><div role="row" class="row head" aria-rowindex="1">${columns.map(header)}</div></div>
    <div role="rowgroup" class="vbody" ref=${box} onScroll=${look} tabindex="0" aria-label=${label}>
      <div role="presentation" class="vspace" style=${{ height: `${rows.length * ROW}px` }}>
        ${rows.slice(first, last).map((item, offset) => row(item, first + offset))}
      </div>
    </div>
  </div>`;
}
