// Chance that can be repeated: the same seed gives the same run.
export class Chance {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  /** A number in [0, 1). */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
  /** A whole number in [low, high]. */
  int(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  /** True once in `times`. */
  one(times) {
    return this.next() * times < 1;
  }
  pick(list) {
    return list[this.int(0, list.length - 1)];
  }
  list(low, high, make) {
    return Array.from({ length: this.int(low, high) }, (_, at) => make(at));
  }
  shuffled(list) {
    const out = [...list];
    for (let at = out.length - 1; at > 0; at -= 1) {
      const other = this.int(0, at);
      [out[at], out[other]] = [out[other], out[at]];
    }
    return out;
  }
  /** A chance of its own, so that what is asked of one part does not move the others. */
  fork() {
    return new Chance(Math.floor(this.next() * 4294967296));
  }
}

const oddities = [
  '😀', 'é', '漢字', '\u0000', '"', '\\', '\n', '\t', '\u2028', '\u00a0x', '</s>', '{"a":1}', '\u200d', '🏳️‍🌈', '%00', '\r\n', '\\u0041', "'", '\u007f',
];

/** Text of odd letters around `core`. */
export function oddText(chance, core = '') {
  const side = () => chance.list(0, 3, () => chance.pick(oddities)).join(chance.pick(['', ' ']));
  return `${side()}${core}${side()}`;
}

/** `text` cut anywhere but inside of a character. */
export function cutText(chance, text, most = 8) {
  const letters = [...text];
  const pieces = [];
  for (let at = 0; at < letters.length;) {
    const size = chance.int(1, most);
    pieces.push(letters.slice(at, at + size).join(''));
    at += size;
  }
  return pieces;
}
