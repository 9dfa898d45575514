// The difference of two texts, line by line (Myers, "An O(ND) Difference Algorithm").

/** Beyond so many changes the two are shown as two texts. */
const MAX_CHANGES = 2000;
/** Unchanged lines around a change. */
const CONTEXT = 3;

/**
 * @typedef {{ mark: ' ' | '+' | '-', text: string }} Line
 * @param {string} before
 * @param {string} after
 * @returns {Line[]}
 */
export function diffLines(before, after) {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (lines) => lines.map((text) => ({ mark: ' ', text }));
  const middle = changes(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

function changes(a, b) {
  const all = [...a.map((text) => ({ mark: '-', text })), ...b.map((text) => ({ mark: '+', text }))];
  if (!a.length || !b.length) return all;
  const trace = furthest(a, b);
  return trace ? backtrack(a, b, trace) : all;
}

/** How far each diagonal was followed after each number of changes. */
function furthest(a, b) {
  const reach = new Map([[1, 0]]);
  const trace = [];
  for (let depth = 0; depth <= Math.min(a.length + b.length, MAX_CHANGES); depth += 1) {
    trace.push(new Map(reach));
    for (let diagonal = -depth; diagonal <= depth; diagonal += 2) {
      let x = isDown(reach, diagonal, depth) ? reach.get(diagonal + 1) : reach.get(diagonal - 1) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      reach.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return trace;
    }
  }
  return null;
}

const isDown = (reach, diagonal, depth) =>
  diagonal === -depth || (diagonal !== depth && (reach.get(diagonal - 1) ?? -1) < (reach.get(diagonal + 1) ?? -1));

function backtrack(a, b, trace) {
  const lines = [];
  let x = a.length;
  let y = b.length;
  for (let depth = trace.length - 1; depth >= 0; depth -= 1) {
    const reach = trace[depth];
    const diagonal = x - y;
    const down = isDown(reach, diagonal, depth);
    const from = down ? diagonal + 1 : diagonal - 1;
    const fromX = depth === 0 ? 0 : reach.get(from);
    const fromY = depth === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY && a[x - 1] === b[y - 1]) {
      x -= 1;
      y -= 1;
      lines.push({ mark: ' ', text: a[x] });
    }
    if (depth > 0) lines.push(down ? { mark: '+', text: b[fromY] } : { mark: '-', text: a[fromX] });
    x = fromX;
    y = fromY;
  }
  return lines.reverse();
}

/**
 * The changed lines with some around them; `null` stands for lines that are left out.
 * @param {Line[]} lines
 * @returns {(Line | null)[]}
 */
export function hunks(lines) {
  const near = new Set();
  lines.forEach((line, index) => {
    if (line.mark === ' ') return;
    for (let at = index - CONTEXT; at <= index + CONTEXT; at += 1) near.add(at);
  });
  const shown = [];
  lines.forEach((line, index) => {
    if (near.has(index)) shown.push(line);
    else if (shown[shown.length - 1] !== null) shown.push(null);
  });
  return shown;
}
