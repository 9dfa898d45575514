// The text format of Prometheus, and what the console makes of it.

/**
 * @typedef {{ name: string, labels: Record<string, string>, value: number }} Sample
 * @param {string} text
 * @returns {Sample[]}
 */
export function parseMetrics(text) {
  return text.split('\n').flatMap((line) => {
    const found = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    return found ? [{ name: found[1], labels: labelsOf(found[2] || ''), value: Number(found[3].replace('Inf', 'Infinity')) }] : [];
  });
}

function labelsOf(text) {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char))]));
}

const P = 'mgraph_cache_';

/**
 * @typedef {{ at: number, requests: number, hits: number, misses: number, failed: number, storage: Record<string, number>, inFlight: number, cacheHits: number,
 *   cacheMisses: number, cacheBytes: number, read: number, written: number, startedAt: number, version: string, mode: string, operations: Map<string, Operation> }} Snapshot
 * @typedef {{ name: string, count: number, outcomes: Record<string, number>, seconds: number, buckets: [number, number][] }} Operation
 * @param {Sample[]} samples
 * @returns {Snapshot}
 */
export function snapshot(samples, at) {
  const value = (name) => samples.find((sample) => sample.name === name)?.value ?? 0;
  const operations = operationsOf(samples);
  const all = [...operations.values()];
  const outcomes = (name) => all.reduce((sum, one) => sum + (one.outcomes[name] || 0), 0);
  const build = samples.find((sample) => sample.name === `${P}build_info`)?.labels || {};
  return {
    at,
    requests: all.reduce((sum, one) => sum + Object.values(one.outcomes).reduce((total, count) => total + count, 0), 0),
    hits: outcomes('hit'),
    misses: outcomes('miss'),
    failed: all.reduce((sum, one) => sum + failures(one), 0),
    storage: Object.fromEntries(samples.filter((sample) => sample.name === `${P}storage_requests_total`).map((sample) => [sample.labels.operation, sample.value])),
    inFlight: value(`${P}requests_in_flight`),
    cacheHits: value(`${P}object_cache_hits_total`),
    cacheMisses: value(`${P}object_cache_misses_total`),
    cacheBytes: value(`${P}object_cache_bytes`),
    read: value(`${P}storage_read_bytes_total`),
    written: value(`${P}storage_written_bytes_total`),
    startedAt: value('process_start_time_seconds') * 1000,
    version: build.version || '',
    mode: build.storage_mode || '',
    operations,
  };
}

/**
 * The reads in each namespace since the process started; those of namespaces beyond the first hundred are together `*`.
 * @param {Sample[]} samples
 * @returns {Map<string, { hit: number, miss: number }>}
 */
export function readsByNamespace(samples) {
  const reads = new Map();
  for (const { name, labels, value } of samples) {
    if (name !== `${P}namespace_reads_total`) continue;
    reads.set(labels.namespace, { hit: 0, miss: 0, ...reads.get(labels.namespace), [labels.outcome]: value });
  }
  return reads;
}

/** How many requests of an operation were refused or failed. @param {Operation} operation */
export const failures = ({ outcomes }) =>
  Object.entries(outcomes).reduce((sum, [name, count]) => sum + (['ok', 'hit', 'miss'].includes(name) ? 0 : count), 0);

function operationsOf(samples) {
  const operations = new Map();
  const of = (name) => {
    if (!operations.has(name)) operations.set(name, { name, count: 0, outcomes: {}, seconds: 0, buckets: [] });
    return operations.get(name);
  };
  for (const { name, labels, value } of samples) {
    if (name === `${P}requests_total`) of(labels.operation).outcomes[labels.outcome] = value;
    if (name === `${P}request_duration_seconds_count`) of(labels.operation).count = value;
    if (name === `${P}request_duration_seconds_sum`) of(labels.operation).seconds = value;
    if (name === `${P}request_duration_seconds_bucket`) of(labels.operation).buckets.push([Number(labels.le.replace('Inf', 'Infinity')), value]);
  }
  return operations;
}

/**
 * The duration that a share of the requests stayed below, in seconds; `null` without requests.
 * @param {[number, number][]} buckets Upper bound, and how many were at most that.
 */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (!total) return null;
  const wanted = share * total;
  let lower = 0;
  let below = 0;
  for (const [bound, upTo] of buckets) {
    if (upTo >= wanted) return bound === Infinity ? lower : lower + ((bound - lower) * (wanted - below)) / Math.max(1, upTo - below);
    lower = bound;
    below = upTo;
  }
  return lower;
}

/** The buckets of several operations as one. */
export function together(operations) {
  const sums = new Map();
  for (const { buckets } of operations) {
    for (const [bound, value] of buckets) sums.set(bound, (sums.get(bound) || 0) + value);
  }
  return [...sums].sort(([a], [b]) => a - b);
}

/** What came since an earlier state of the same buckets. */
export const since = (later, earlier) => {
  const old = new Map(earlier);
  return later.map(([bound, value]) => [bound, value - (old.get(bound) || 0)]);
};
