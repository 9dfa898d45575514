// The versions of an entry's key or hash, what differs between two of them, and the way back to an older one.

import { Badge, Button, Confirm, ErrorBox, Loaded, Loading } from '../components/basics.js';
import { getJson, idempotencyKey, path, postJson } from '../lib/api.js';
import { read, textOf } from '../lib/content.js';
import { diffLines, hunks } from '../lib/diff.js';
import { find } from '../lib/entries.js';
import { ago, count, number, time } from '../lib/format.js';
import { html, useEffect, useState } from '../lib/html.js';
import { prettyText } from '../lib/json.js';
import { entryLink, go, setQuery } from '../lib/router.js';
import { useAction, useCall } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';

const PAGE = 100;

/** The route of the list, and the selector of one version. */
function subject({ key, fileId, strategy, hash }) {
  if (key && fileId) {
    const cache = { strategy, cache_key: key, file_id: fileId };
    return { parts: ['versions/key', strategy, key, fileId], select: (version) => ({ ...cache, version }), key: cache };
  }
  return { parts: ['versions/hash', hash], select: (version) => ({ cache_hash: hash, version }), key: null };
}

/** @returns {Promise<{ count: number, versions: { version: number, id: string, at: number }[] }>} The newest first. */
async function list(namespace, parts, before, signal) {
  const found = await getJson(path(namespace, ...parts), { query: { limit: PAGE, before }, signal });
  const versions = found.versions.map((one) => ({ version: one.key_version ?? one.version, id: one.cache_id, at: one.timestamp }));
  return { count: found.count, versions: versions.reverse() };
}

export function Versions({ namespace, entry, query }) {
  const of = subject(entry);
  const first = useCall((signal) => list(namespace, of.parts, null, signal), [namespace, of.parts]);
  return html`<${Loaded} call=${first} what="Loading the versions">
    ${(found) => html`<${Timeline} key=${found.versions[0]?.id} namespace=${namespace} entry=${entry} of=${of} found=${found} query=${query} />`}
  <//>`;
}

function Timeline({ namespace, entry, of, found, query }) {
  const [older, setOlder] = useState([]);
  const more = useAction();
  const versions = [...found.versions, ...older];
  const newest = versions[0]?.version;
  const to = Number(query.to) || newest;
  const from = Number(query.from) || versions[1]?.version;
  const oldest = versions[versions.length - 1]?.version;
  const loadMore = () =>
    more.run(async () => {
      const next = await list(namespace, of.parts, oldest, undefined);
      setOlder([...older, ...next.versions]);
    });
  return html`<div class="split">
    <section aria-label="Timeline">
      <p class="fine">${count(found.count, 'version')} under this ${of.key ? 'key' : 'hash'}.</p>
      <ol class="timeline">
        ${versions.map((one) => html`<li key=${one.id} class=${one.version === newest ? 'newest' : ''}>
          <a href=${entryLink(namespace, of.select(one.version))}>Version ${number(one.version)}</a>
          <time class="fine" title=${time(one.at)}>${ago(one.at)}</time>
          ${one.id === entry.id && html`<${Badge}>shown<//>`}
          <label><input type="radio" name="from" checked=${one.version === from} aria-label=${`Compare from version ${one.version}`} onChange=${() => setQuery({ from: one.version, to })} />from</label>
          <label><input type="radio" name="to" checked=${one.version === to} aria-label=${`Compare to version ${one.version}`} onChange=${() => setQuery({ from, to: one.version })} />to</label>
          ${of.key && one.version !== newest && html`<${Rollback} namespace=${namespace} of=${of.key} version=${one.version} />`}
        </li>`)}
      </ol>
      ${versions.length < found.count && oldest > 1 && html`<button type="button" disabled=${more.busy} onClick=${loadMore}>Older versions</button>`}
      <${ErrorBox} error=${more.error} />
    </section>
    <section aria-label="Difference">
      ${from && to ? html`<${Difference} namespace=${namespace} of=${of} from=${from} to=${to} />` : html`<p class="fine">There is no second version to compare with.</p>`}
    </section>
  </div>`;
}

function Rollback({ namespace, of, version }) {
  const denied = useDenied(namespace)('write');
  const [asking, ask] = useState(false);
  const action = useAction();
  const yes = () =>
    action.run(async () => {
      const route = path(namespace, 'rollback/key', of.strategy, of.cache_key, of.file_id);
      const made = await postJson(route, { query: { version }, headers: idempotencyKey() });
      ask(false);
      go(entryLink(namespace, { cache_id: made.cache_id }, { tab: 'versions' }));
    });
  return html`<${Button} kind="small" denied=${denied} aria-label=${`Roll back to version ${version}`} onClick=${() => ask(true)}>Roll back<//>
    ${asking &&
    html`<${Confirm} title=${`Roll back to version ${version}?`} action="Roll back" tone="primary" busy=${action.busy} error=${action.error} onYes=${yes} onClose=${() => ask(false)}>
      <p>A new version with the content of version ${number(version)} becomes the newest. No version is lost.</p>
    <//>`}`;
}

/** The text of a version; `null` for bytes. */
async function textOfVersion(namespace, selector, signal) {
  const entry = await find(namespace, selector, signal);
  if (!entry) throw new Error(`There is no version ${selector.version} any more.`);
  const content = await read(namespace, entry, signal);
  const text = textOf(content);
  if (text === null) return { sha256: entry.sha256, text: null, complete: content.complete };
  return { sha256: entry.sha256, text: entry.kind === 'json' ? prettyText(text) : text, complete: content.complete };
}

function Difference({ namespace, of, from, to }) {
  const call = useCall(
    (signal) => Promise.all([from, to].map((version) => textOfVersion(namespace, of.select(version), signal))),
    [namespace, of.parts, from, to],
  );
  return html`<h2>Version ${number(from)} → ${number(to)}</h2>
    <${Loaded} call=${call} what="Comparing">${([before, after]) => html`<${Lines} before=${before} after=${after} />`}<//>`;
}

function Lines({ before, after }) {
  const [lines, setLines] = useState(null);
  const same = before.sha256 === after.sha256;
  const bytes = before.text === null || after.text === null;
  useEffect(() => {
    if (!same && !bytes) setLines(hunks(diffLines(before.text, after.text)));
  }, [before, after]);
  if (same) return html`<p class="note">Both have the same content.</p>`;
  if (bytes) return html`<p class="note">They differ, and at least one of them is no text.</p>`;
  if (!lines) return html`<${Loading} what="Comparing" />`;
  return html`${!(before.complete && after.complete) && html`<p class="note">Only the beginnings of these large contents are compared.</p>`}
    <div class="diff" role="region" aria-label="Changed lines" tabindex="0">
      ${lines.map((line, index) =>
        line
          ? html`<div key=${index} class=${line.mark === '+' ? 'add' : line.mark === '-' ? 'del' : ''}><span class="mark">${line.mark}</span><span>${line.text}</span></div>`
          : html`<div key=${index} class="gap">…</div>`,
      )}
    </div>`;
}
