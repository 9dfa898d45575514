// Plots in SVG: bars and lines, each with its numbers as text for those who do not see them.

import { html } from '../lib/html.js';

const WIDTH = 420;
const BAR = 22;
const LABEL = 132;
const HEIGHT = 150;
const FOOT = 18;

/**
 * Horizontal bars.
 * @param {{ label: string, bars: { name: string, value: number, text: string }[] }} props
 */
export function Bars({ label, bars }) {
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  const room = WIDTH - LABEL - 90;
  return html`<svg class="plot" viewBox=${`0 0 ${WIDTH} ${bars.length * BAR}`} role="img" aria-label=${`${label}: ${bars.map((bar) => `${bar.name} ${bar.text}`).join(', ')}`}>
    ${bars.map((bar, index) => {
      const length = (room * bar.value) / most;
      return html`<g key=${bar.name} transform=${`translate(0 ${index * BAR})`}>
        <text x=${LABEL - 8} y="15" text-anchor="end">${bar.name}</text>
        <rect class="value" x=${LABEL} y="4" width=${bar.value ? Math.max(2, length) : 0} height=${BAR - 8} rx="2" />
        <text x=${LABEL + length + 6} y="15">${bar.text}</text>
      </g>`;
    })}
  </svg>`;
}

/**
 * Upright bars of equal width, with a label for the first and the last.
 * @param {{ label: string, columns: { name: string, value: number, text: string }[] }} props
 */
export function Columns({ label, columns }) {
  const most = Math.max(1, ...columns.map((column) => column.value));
  const width = Math.min(60, WIDTH / Math.max(1, columns.length));
  const top = HEIGHT - FOOT;
  return html`<svg class="plot" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${label}: ${columns.filter((column) => column.value).map((column) => `${column.name} ${column.text}`).join(', ')}`}>
    <line class="axis" x1="0" x2=${WIDTH} y1=${top} y2=${top} />
    ${columns.map((column, index) => {
      const height = ((top - 14) * column.value) / most;
      return html`<rect key=${index} class="value" x=${index * width + width * 0.1} y=${top - height} width=${width * 0.8} height=${height} rx="1"><title>${column.name}: ${column.text}</title></rect>`;
    })}
    <text x="0" y=${HEIGHT - 4}>${columns[0]?.name}</text>
    <text x=${WIDTH} y=${HEIGHT - 4} text-anchor="end">${columns[columns.length - 1]?.name}</text>
    <text x=${WIDTH} y="10" text-anchor="end">${columns.find((column) => column.value === most)?.text}</text>
  </svg>`;
}

/**
 * Lines over time; a second one is grey.
 * @param {{ label: string, lines: (number | null)[][], format: (value: number) => string, names?: string[] }} props
 */
export function Lines({ label, lines, format, names = [] }) {
  const values = lines.flat().filter((value) => value !== null);
  const most = Math.max(1e-9, ...values);
  const top = HEIGHT - FOOT;
  const points = (line) =>
    line
      .map((value, index) => (value === null ? null : `${((WIDTH * index) / Math.max(1, line.length - 1)).toFixed(1)},${(top - ((top - 16) * value) / most).toFixed(1)}`))
      .filter(Boolean)
      .join(' ');
  const last = (line) => line.findLast((value) => value !== null);
  const spoken = lines.map((line, index) => `${names[index] || ''} ${last(line) === undefined ? '–' : format(last(line))}`.trim()).join(', ');
  return html`<svg class="plot" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${label}: now ${spoken}`}>
    <line class="axis" x1="0" x2=${WIDTH} y1=${top} y2=${top} />
    ${[...lines].reverse().map((line, index) => html`<polyline key=${index} class=${index === lines.length - 1 ? 'line' : 'line second'} points=${points(line)} />`)}
    <text x="0" y="10">${values.length ? format(most) : ''}</text>
    <text x="0" y=${HEIGHT - 4}>${values.length ? spoken : 'The next figures come in a moment.'}</text>
  </svg>`;
}
