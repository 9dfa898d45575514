// Numbers, sizes and times as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** @param {number | null | undefined} count */
export function size(count) {
  if (count === null || count === undefined) return '–';
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** @param {number | null | undefined} value */
export const number = (value) => (value === null || value === undefined ? '–' : value.toLocaleString('en-US'));

/** A part of a whole, such as hits of reads. */
export const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : '–');

/** A count with its noun: `count(1, 'entry', 'entries')`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A moment in the time zone of the visitor. @param {number | null | undefined} ms */
export function time(ms) {
  if (ms === null || ms === undefined) return '–';
  const at = new Date(ms);
  const two = (part) => String(part).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** @type {[string, number][]} */
const SPANS = [['year', 31557600], ['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** How long ago, or how long until. @param {number | null | undefined} ms */
export function ago(ms, now = Date.now()) {
  if (ms === null || ms === undefined) return '–';
  const seconds = Math.round((now - ms) / 1000);
  const [name, length] = SPANS.find(([, span]) => Math.abs(seconds) >= span) || SPANS[4];
  const value = Math.round(Math.abs(seconds) / length);
  if (value === 0) return 'now';
  return seconds > 0 ? `${count(value, name)} ago` : `in ${count(value, name)}`;
}

/** Hours as a lifetime. @param {number} hours */
export function lifetime(hours) {
  if (hours % 24 === 0) return count(hours / 24, 'day');
  return count(hours, 'hour');
}

/** The strategy in words. */
export const strategyName = (strategy) => (strategy || '').replaceAll('_', ' ');
