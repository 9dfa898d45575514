// SHA-256 of a file in pieces. `crypto.subtle` takes only whole buffers, and only on pages with TLS or of this machine.

const K = new Uint32Array(64);
const INITIAL = new Uint32Array(8);
{
  // The first bits of the fractional parts of the cube and square roots of the first primes (FIPS 180-4).
  const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32);
  const primes = [];
  for (let number = 2; primes.length < 64; number += 1) {
    if (primes.every((prime) => number % prime)) primes.push(number);
  }
  primes.forEach((prime, index) => {
    K[index] = fraction(Math.cbrt(prime));
    if (index < 8) INITIAL[index] = fraction(Math.sqrt(prime));
  });
}

const BLOCK = 64;
const PIECE = 4 * 1024 * 1024;

export class Sha256 {
  constructor() {
    this.state = INITIAL.slice();
    this.rest = new Uint8Array(BLOCK);
    this.restLength = 0;
    this.length = 0;
    this.words = new Uint32Array(64);
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.restLength) {
      at = Math.min(BLOCK - this.restLength, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.restLength);
      this.restLength += at;
      if (this.restLength < BLOCK) return this;
      this.block(this.rest, 0);
      this.restLength = 0;
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.block(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.restLength = bytes.length - at;
    return this;
  }

  /** @returns {string} In hex digits. */
  digest() {
    const bits = this.length * 8;
    const padded = new Uint8Array(this.restLength < 56 ? BLOCK : 2 * BLOCK);
    padded.set(this.rest.subarray(0, this.restLength));
    padded[this.restLength] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padded.length - 4, bits >>> 0);
    for (let at = 0; at < padded.length; at += BLOCK) this.block(padded, at);
    return Array.from(this.state, (word) => word.toString(16).padStart(8, '0')).join('');
  }

  block(bytes, at) {
    const w = this.words;
    for (let i = 0; i < 16; i += 1, at += 4) w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.state;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const s = this.state;
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
  }
}

/**
 * @param {Blob} blob
 * @param {(share: number) => void} progress From 0 to 1.
 * @param {AbortSignal} signal
 */
export async function sha256(blob, progress, signal) {
  const hash = new Sha256();
  for (let from = 0; from < blob.size; from += PIECE) {
    signal.throwIfAborted();
    hash.update(new Uint8Array(await blob.slice(from, from + PIECE).arrayBuffer()));
    progress(Math.min(1, (from + PIECE) / blob.size));
  }
  return hash.digest();
}
