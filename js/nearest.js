'use strict';

/** What to say of a key that nobody knows: the one that was probably meant, else all there are. */
function nearest(key, known) {
  const meant = probable(key, known);
  return meant === undefined ? `known are ${known.join(', ')}` : `did you mean "${meant}"?`;
}

/** The one of `known` that `key` was probably to be; undefined where it is like none of them. */
function probable(key, known) {
  const [best] = known.map((name) => ({ name, far: distance(plain(key), plain(name)) })).sort((a, b) => a.far - b.far);
  return best.far <= Math.max(2, best.name.length / 3) ? best.name : undefined;
}

/** `vendor_id` and `vendorID` are two spellings of one name. A name of any length costs no more than a long one. */
function plain(name) {
  return name.slice(0, 40).replaceAll('_', '').toLowerCase();
}

/** Levenshtein's: insertions, deletions and replacements from one text to the other. */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length];
}

module.exports = { nearest, probable };
