// The same read for other tools. The key is never part of them: it comes from the environment.

import { BASE, DEFAULT_HEADER, path, session, url } from './api.js';
import { reference } from './entries.js';

/** In single quotes for a shell. */
export const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A Python string. */
const python = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * @param {string} namespace
 * @param {import('./entries.js').Entry} entry
 * @returns {[string, string][]} The tool, and the text.
 */
export function snippets(namespace, entry) {
  const { header, key } = session.get();
  const target = url(path(namespace, 'retrieve', entry.id, entry.kind));
  const base = BASE.href.replace(/\/$/, '');
  // With `-L` curl would send the key to the storage as well.
  const curlOptions = key ? `-H "${header}: $MGRAPH_CACHE_KEY"` : '-L';
  // Bytes are nothing for a terminal.
  const output = entry.kind === 'binary' ? '-o content.bin ' : '';
  const keyName = key && header !== DEFAULT_HEADER ? `MGRAPH_CACHE_KEY_NAME=${header} ` : '';
  const pythonKey = key ? `, api_key=os.environ["MGRAPH_CACHE_KEY"], api_key_header=${python(header)}` : '';
  return [
    ['curl', `curl ${curlOptions} ${output}${shell(target.href)}`],
    ['CLI', `${keyName}mgraph-cache --url ${shell(base)} get ${output}${shell(reference(namespace, entry))}`],
    ['Python', pythonText(base, namespace, entry, pythonKey)],
  ];
}

const pythonText = (base, namespace, entry, key) => `${key ? 'import os\n\n' : ''}from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client import Service__Fast_API__Client
from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client__Config import Service__Fast_API__Client__Config

config = Service__Fast_API__Client__Config(base_url=${python(base)}${key})
client = Service__Fast_API__Client(config=config)
print(client.retrieve().retrieve__cache_id__${entry.kind}(namespace=${python(namespace)}, cache_id=${python(entry.id)}))
`;
