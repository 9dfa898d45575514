// The heading and tabs of a namespace around each of its views.

import { html } from '../lib/html.js';
import { link } from '../lib/router.js';
import { Tabs } from './basics.js';

const TABS = [
  ['entries', 'Entries', []],
  ['tree', 'Tree', [':tree']],
  ['upload', 'Upload', [':upload']],
  ['delete', 'Delete', [':delete']],
  ['statistics', 'Statistics', [':statistics']],
  ['settings', 'Settings', [':settings']],
];

export function NamespaceFrame({ namespace, current, children }) {
  return html`<div class="bar head">
      <h1><a href="#/" class="crumb">Namespaces</a> / ${namespace}</h1>
      <${Tabs} label="Views of the namespace" current=${current} tabs=${TABS.map(([name, text, parts]) => [name, text, link([namespace, ...parts])])} />
    </div>
    ${children}`;
}
