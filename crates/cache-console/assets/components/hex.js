// Bytes as hex digits and characters, a page at a time.

import { html, useState } from '../lib/html.js';
import { number } from '../lib/format.js';

const WIDTH = 16;
const PAGE = WIDTH * 128;

const hex = (value, digits) => value.toString(16).padStart(digits, '0');
const shown = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·');

/** @param {{ bytes: Uint8Array }} props */
export function HexView({ bytes }) {
  const [from, setFrom] = useState(0);
  const lines = [];
  for (let at = from; at < Math.min(bytes.length, from + PAGE); at += WIDTH) {
    const part = Array.from(bytes.subarray(at, Math.min(at + WIDTH, bytes.length)));
    const digits = part.map((byte, index) => hex(byte, 2) + (index === 7 ? ' ' : '')).join(' ');
    lines.push(`${hex(at, 8)}  ${digits.padEnd(WIDTH * 3)}  ${part.map(shown).join('')}`);
  }
  return html`<pre class="text hex" tabindex="0" aria-label="Bytes">${lines.join('\n') || '(empty)'}</pre>
    ${bytes.length > PAGE &&
    html`<p class="bar">
      <button type="button" disabled=${from === 0} onClick=${() => setFrom(Math.max(0, from - PAGE))}>Previous</button>
      <button type="button" disabled=${from + PAGE >= bytes.length} onClick=${() => setFrom(from + PAGE)}>Next</button>
      <span class="fine">bytes ${number(from)} to ${number(Math.min(bytes.length, from + PAGE) - 1)} of ${number(bytes.length)}</span>
    </p>`}`;
}
