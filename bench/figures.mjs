// What is made of many measured values.

/** The value that this share of all are at most: 0.5 is the median. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function median(values) {
  return quantile(values, 0.5);
}

/** Of each of `shares`, the median over rounds: one round in which the machine was busy does not decide. */
export function quantilesOverRounds(rounds, shares) {
  return shares.map((share) => median(rounds.map((round) => quantile(round, share))));
}

/** The median, over rounds that were measured side by side, of the ratio of one quantile: the machine changes its speed, but for both. */
export function ratioOverRounds(rounds, others, share) {
  return median(rounds.map((round, at) => quantile(round, share) / quantile(others[at], share)));
}
