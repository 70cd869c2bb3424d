// What is made of many measured values.

/** The smallest value that at least this share of all do not exceed: 0.5 is the median. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  // What binary fractions add to a whole number must not make it the next one.
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)];
}

/** The middle of all, or of the two that are next to it. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const [below, above] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return below === above ? below : (below + above) / 2;
}

/** Of each of `shares`, the median over rounds: one round in which the machine was busy does not decide. */
export function quantilesOverRounds(rounds, shares) {
  return shares.map((share) => median(rounds.map((round) => quantile(round, share))));
}

/** The median, over rounds that were measured side by side, of the ratio of one quantile: the machine changes its speed, but for both. */
export function ratioOverRounds(rounds, others, share) {
  return median(rounds.map((round, at) => quantile(round, share) / quantile(others[at], share)));
}
