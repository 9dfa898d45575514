// The settings of a namespace: how long entries live, what happens then, which strategies are allowed, who reads, and quotas.

import { Button, Denied, ErrorBox, Loaded } from '../components/basics.js';
import { NamespaceFrame } from '../components/namespace-frame.js';
import { getJson, path, send, STRATEGIES } from '../lib/api.js';
import { lifetime, strategyName } from '../lib/format.js';
import { html, useState } from '../lib/html.js';
import { useAction, useCall, useTitle } from '../lib/use.js';
import { useDenied } from '../lib/whoami.js';

const QUOTAS = { max_entries: 'At most so many entries', max_bytes: 'At most so many bytes' };

export function Settings({ namespace }) {
  useTitle(`${namespace}: settings`);
  const call = useCall((signal) => getJson(path(namespace, 'settings'), { signal }), [namespace]);
  const stats = useCall((signal) => getJson(path(namespace, 'stats'), { signal }), [namespace]);
  const [said, say] = useState('');
  const saved = () => {
    say('Saved.');
    call.reload();
    stats.reload();
  };
  return html`<${NamespaceFrame} namespace=${namespace} current="settings">
    <${Loaded} call=${call} what="Loading the settings">
      ${(settings) => html`<${Form} key=${JSON.stringify(settings)} namespace=${namespace} settings=${settings} usual=${stats.data?.ttl_hours} saved=${saved} edited=${() => say('')} />`}
    <//>
    <p role="status">${said}</p>
  <//>`;
}

function Form({ namespace, settings, usual, saved, edited }) {
  const denied = useDenied(namespace)('manage');
  const [limited, limit] = useState(settings.strategies !== null);
  const action = useAction();
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const hours = form.get('ttl_hours');
    const json = { ttl_hours: hours ? Number(hours) : null, on_expiry: form.get('on_expiry'), strategies: limited ? form.getAll('strategies') : null };
    if (settings.public_read !== undefined) json.public_read = form.get('public_read') !== null;
    for (const quota of Object.keys(QUOTAS)) {
      if (settings[quota] !== undefined) json[quota] = form.get(quota) === '' ? null : Number(form.get(quota));
    }
    edited();
    action.run(async () => {
      await send('PUT', path(namespace, 'settings'), { json });
      saved();
    });
  };
  return html`<form class="panel" aria-label="Settings" onSubmit=${submit}>
    <${Denied} why=${denied} />
    <div class="fields">
      <label>Lifetime in hours <input name="ttl_hours" type="number" min="1" max="87600" defaultValue=${settings.ttl_hours ?? ''} placeholder="not set" disabled=${Boolean(denied)} /></label>
      <label>After that <select name="on_expiry" disabled=${Boolean(denied)}>
        <option value="keep" selected=${settings.on_expiry === 'keep'}>entries stay</option>
        <option value="delete" selected=${settings.on_expiry === 'delete'}>entries expire</option>
      </select></label>
      <fieldset disabled=${Boolean(denied)}>
        <legend>Strategies</legend>
        <label><input type="checkbox" checked=${!limited} onChange=${(event) => limit(!event.target.checked)} />all</label>
        ${limited && STRATEGIES.map((name) => html`<label key=${name}><input type="checkbox" name="strategies" value=${name} defaultChecked=${settings.strategies?.includes(name) ?? true} />${strategyName(name)}</label>`)}
      </fieldset>
      ${settings.public_read !== undefined &&
      html`<fieldset disabled=${Boolean(denied)}><legend>Readers</legend>
        <label><input type="checkbox" name="public_read" defaultChecked=${settings.public_read} />anybody may read, without a key</label></fieldset>`}
      ${Object.entries(QUOTAS).map(([quota, label]) => settings[quota] !== undefined &&
      html`<label key=${quota}>${label} <input name=${quota} type="number" min="0" defaultValue=${settings[quota] ?? ''} placeholder="any number" disabled=${Boolean(denied)} /></label>`)}
    </div>
    <p class="fine">${usual ? `Entries live ${lifetime(usual)} now. ` : ''}A change holds for entries that are stored from then on.</p>
    <${ErrorBox} error=${action.error} />
    <p class="bar"><${Button} type="submit" kind="primary" denied=${denied} busy=${action.busy}>Save<//></p>
  </form>`;
}
