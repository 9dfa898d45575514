// The same read for other tools, to copy.

import { Copy, Dialog } from './basics.js';
import { html, useState } from '../lib/html.js';
import { keyReference, reference } from '../lib/entries.js';
import { snippets } from '../lib/snippets.js';

export function CopyAs({ namespace, entry }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" onClick=${() => setOpen(true)}>Copy as…</button>
    ${open &&
    html`<${Dialog} title="Copy as" onClose=${() => setOpen(false)}>
      ${[['Reference', reference(namespace, entry)], ['Reference of its key', keyReference(namespace, entry)], ...snippets(namespace, entry)].filter(([, text]) => text).map(
        ([tool, text]) => html`<section key=${tool} class="snippet" aria-label=${tool}>
          <div class="bar"><h3>${tool}</h3><${Copy} text=${text} aria-label=${`Copy as ${tool}`} /></div>
          <pre class="text" tabindex="0">${text}</pre>
        </section>`,
      )}
    <//>`}`;
}
