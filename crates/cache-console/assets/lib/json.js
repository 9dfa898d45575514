// JSON as it was stored: with the order of its members, and numbers as they are written. `JSON.parse` keeps neither.

/**
 * @typedef {{ type: 'object', members: [string, Node][] } | { type: 'array', items: Node[] } | { type: 'string', value: string }
 *   | { type: 'number' | 'boolean' | 'null', text: string }} Node
 */

const MAX_DEPTH = 500;
const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

/**
 * @param {string} text
 * @returns {Node}
 * @throws {SyntaxError}
 */
export function parseJson(text) {
  const next = tokens(text);
  const root = value(next(), next, 0);
  if (next() !== null) throw new SyntaxError('more follows the JSON value');
  return root;
}

function tokens(text) {
  let at = 0;
  return () => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) {
      if (text.slice(at).trim() === '') return null;
      throw new SyntaxError(`no JSON at character ${at}`);
    }
    at = TOKEN.lastIndex;
    const [, mark, string, number, word] = found;
    if (mark) return { mark };
    if (string) return { type: 'string', value: JSON.parse(string) };
    if (number) return { type: 'number', text: number };
    return { type: word === 'null' ? 'null' : 'boolean', text: word };
  };
}

function value(token, next, depth) {
  if (!token || depth > MAX_DEPTH) throw new SyntaxError(token ? 'nested too deeply' : 'the JSON ends early');
  if (!token.mark) return token;
  if (token.mark === '[') return { type: 'array', items: list(']', next, (first) => value(first, next, depth + 1)) };
  if (token.mark === '{') return { type: 'object', members: list('}', next, (first) => member(first, next, depth)) };
  throw new SyntaxError(`unexpected '${token.mark}'`);
}

function member(name, next, depth) {
  if (!name || name.type !== 'string' || next()?.mark !== ':') throw new SyntaxError('a member needs a name and a value');
  return [name.value, value(next(), next, depth + 1)];
}

function list(end, next, item) {
  const all = [];
  let token = next();
  if (token?.mark === end) return all;
  for (;;) {
    all.push(item(token));
    const mark = next()?.mark;
    if (mark === end) return all;
    if (mark !== ',') throw new SyntaxError(`',' or '${end}' is missing`);
    token = next();
  }
}

/** The value with one member or item a line. @param {Node} node @returns {string} */
export function pretty(node, indent = '') {
  const inner = `${indent}  `;
  const wrap = (open, parts, close) => (parts.length ? `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}` : open + close);
  if (node.type === 'object') {
    return wrap('{', node.members.map(([name, of]) => `${JSON.stringify(name)}: ${pretty(of, inner)}`), '}');
  }
  if (node.type === 'array') return wrap('[', node.items.map((of) => pretty(of, inner)), ']');
  return node.type === 'string' ? JSON.stringify(node.value) : node.text;
}

/** The text with one member a line, or as it is if it is no JSON. */
export function prettyText(text) {
  try {
    return pretty(parseJson(text));
  } catch {
    return text;
  }
}
