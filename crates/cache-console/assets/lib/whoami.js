// What the key permits. The service decides; this only disables what it would refuse.

import { getJson, session } from './api.js';
import { createStore, useStore } from './store.js';

/**
 * @typedef {{ namespaces: string[], permissions: string[] }} Grant
 * @typedef {{ kind: 'root' | 'key' | 'open' | 'unknown', id?: string | null, name?: string | null, grants: Grant[], expires_at?: number | null,
 *   pending?: boolean }} Identity `pending` until the service has said it.
 */

/** Of a server that does not say: the service itself refuses what is not permitted. @type {Identity} */
const UNKNOWN = { kind: 'unknown', grants: [] };

/** @type {import('./store.js').Store<Identity>} */
export const identity = createStore({ ...UNKNOWN, pending: true });

/** Asks who the key belongs to. */
export async function identify() {
  const { epoch } = session.get();
  let found = UNKNOWN;
  try {
    found = await getJson('auth/whoami');
  } catch (error) {
    if (error.status !== 404 && error.status !== 401) throw error;
  }
  if (session.get().epoch === epoch) identity.set({ ...found, grants: found.grants || [] });
}

const matches = (pattern, namespace) =>
  pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : pattern === namespace;

const includes = (permissions, wanted) =>
  permissions.includes(wanted) || (wanted === 'create' && permissions.includes('write'));

/**
 * Why an action is not permitted; `null` if it is.
 * @param {Identity} who
 * @param {string} namespace
 * @param {'read' | 'create' | 'write' | 'delete' | 'manage'} permission
 */
export function denied(who, namespace, permission) {
  if (who.kind !== 'key') return null;
  const granted = who.grants.some(
    (grant) =>
      includes(grant.permissions, permission) &&
      grant.namespaces.some((pattern) => matches(pattern, namespace)),
  );
  if (granted) return null;
  return `The key '${who.name || who.id}' has no permission '${permission}' in namespace ${namespace}.`;
}

/** Why an action is not permitted in all namespaces together; `null` if it is. @param {Identity} who */
export function deniedForAll(who, permission) {
  const granted = who.grants.some((grant) => includes(grant.permissions, permission) && grant.namespaces.includes('*'));
  return who.kind !== 'key' || granted ? null : `The key '${who.name || who.id}' has no permission '${permission}' on all namespaces.`;
}

/** Why an action is permitted in no namespace; `null` if it is in one. */
export function useDeniedEverywhere(permission) {
  const who = useStore(identity);
  const permitted = who.kind !== 'key' || who.grants.some((grant) => includes(grant.permissions, permission));
  return permitted ? null : `The key '${who.name || who.id}' has no permission '${permission}'.`;
}

/** `denied` for the present key. */
export function useDenied(namespace) {
  const who = useStore(identity);
  return (permission) => denied(who, namespace, permission);
}
