// A content in the forms that suit it: JSON tree, text, image, page in a sandbox, bytes. None of them runs what it shows.

import { sniff, textOf } from '../lib/content.js';
import { size } from '../lib/format.js';
import { html, useEffect, useMemo, useRef, useState } from '../lib/html.js';
import { parseJson, prettyText } from '../lib/json.js';
import { HexView } from './hex.js';
import { JsonTree } from './json-tree.js';

const MAX_TEXT = 300_000;

/** The forms of a content, the best first. */
function forms(media, text, node) {
  const list = [];
  if (node) list.push('tree');
  if (media.startsWith('image/')) list.push('image');
  if (text !== null) list.push('text');
  if (media === 'text/html') list.push('page');
  return [...list, 'bytes'];
}

const LABELS = { tree: 'Tree', image: 'Image', text: 'Text', page: 'Page', bytes: 'Bytes' };

/**
 * @param {{ content: import('../lib/content.js').Content, form?: string, onForm?: (form: string) => void, children?: any }} props
 */
export function ContentView({ content, form, onForm, children }) {
  const [own, setOwn] = useState(form);
  const about = useMemo(() => describe(content), [content]);
  const shown = about.forms.includes(onForm ? form : own) ? (onForm ? form : own) : about.forms[0];
  const choose = (next) => (onForm ? onForm(next) : setOwn(next));
  return html`<section class="content" aria-label="Content">
    <div class="bar">
      <div class="choice" role="group" aria-label="Form">
        ${about.forms.map((name) => html`<button key=${name} type="button" aria-pressed=${name === shown ? 'true' : 'false'} onClick=${() => choose(name)}>${LABELS[name]}</button>`)}
      </div>
      <span class="fine">${about.media} · ${size(content.total)}</span>
      ${children}
    </div>
    ${!content.complete && html`<p class="note">The first ${size(content.bytes.length)} of ${size(content.total)}. Download shows all of it.</p>`}
    <${Form} name=${shown} content=${content} about=${about} />
  </section>`;
}

function describe(content) {
  const text = textOf(content);
  let node = null;
  if (text !== null && content.complete && content.kind !== 'binary') {
    try {
      const parsed = parseJson(text);
      if (content.kind === 'json' || parsed.type === 'object' || parsed.type === 'array') node = parsed;
    } catch {
      // A text that is no JSON.
    }
  }
  const media = content.kind === 'json' ? 'application/json' : sniff(content.bytes);
  return { text, node, media, forms: forms(media, text, node) };
}

function Form({ name, content, about }) {
  if (name === 'tree') return html`<${JsonTree} node=${about.node} />`;
  if (name === 'image') return html`<${Picture} bytes=${content.bytes} media=${about.media} />`;
  if (name === 'page') return html`<${Page} bytes=${content.bytes} />`;
  if (name === 'text') return html`<${TextView} text=${about.node && content.kind === 'json' ? prettyText(about.text) : about.text} />`;
  return html`<${HexView} bytes=${content.bytes} />`;
}

function TextView({ text }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > MAX_TEXT;
  return html`<pre class="text" tabindex="0">${cut ? text.slice(0, MAX_TEXT) : text}</pre>
    ${cut && html`<p><button type="button" onClick=${() => setAll(true)}>Show all ${text.length.toLocaleString('en-US')} characters</button></p>`}`;
}

/** A URL of bytes, for as long as the component is shown. */
function useBlobUrl(bytes, media) {
  const url = useMemo(() => URL.createObjectURL(new Blob([bytes], { type: media })), [bytes, media]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return url;
}

/** An image element runs no script of an SVG, and loads nothing for it. */
function Picture({ bytes, media }) {
  return html`<div class="picture"><img src=${useBlobUrl(bytes, media)} alt="The stored image" /></div>`;
}

/** A sandbox without any permission: no script, no form, no popup, and the policy of this page for what it loads. */
function Page({ bytes }) {
  const frame = useRef(null);
  const url = useBlobUrl(bytes, 'text/html');
  useEffect(() => {
    frame.current.src = url;
  }, [url]);
  return html`<p class="fine">In a sandbox: its scripts, styles and links do not work.</p>
    <iframe class="page" title="The stored page" sandbox="" ref=${frame}></iframe>`;
}
