// Figures out of what events say of their own way: how long each step took, and the time until an event was told.

/** Upper ends of the histogram's columns in ms; the last one is open. */
export const BOUNDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, Infinity];
export const STEPS = ['describe', 'announce', 'store', 'publish'];
export const STEP_WORDS = {
  describe: 'read what it is',
  announce: 'tell it',
  store: 'store it',
  publish: 'publish it to Redis',
};
const WINDOW_MS = 300_000;

/** From the first report until it was told; undefined where that is not known. */
export function toldAfter({ describe, announce } = {}) {
  return describe === undefined && announce === undefined ? undefined : (describe ?? 0) + (announce ?? 0);
}

/** All steps that are known, as one sum. */
export function totalOf(steps = {}) {
  const known = STEPS.map((step) => steps[step]).filter(Number.isFinite);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}

/** Events of the last five minutes that have come by themselves: how long each step took them. */
export function latencies(rows, now) {
  const told = [];
  const steps = Object.fromEntries(STEPS.map((step) => [step, []]));
  for (let at = rows.length - 1; at >= 0; at -= 1) {
    const { data, at: when } = rows[at];
    if (when < now - WINDOW_MS) break;
    // What a comparison made up has waited for the comparison, and says nothing about speed.
    if (!data.steps || data.device?.synthetic) continue;
    const whole = toldAfter(data.steps);
    if (whole !== undefined) told.push(whole);
    for (const step of STEPS) if (Number.isFinite(data.steps[step])) steps[step].push(data.steps[step]);
  }
  return { told: summary(told), columns: columnsOf(told), steps: Object.fromEntries(STEPS.map((step) => [step, summary(steps[step])])) };
}

function columnsOf(values) {
  const columns = BOUNDS.map(() => 0);
  for (const value of values) columns[BOUNDS.findIndex((bound) => value <= bound)] += 1;
  return columns;
}

function summary(values) {
  values.sort((one, other) => one - other);
  return { count: values.length, median: quantile(values, 0.5), p99: quantile(values, 0.99), most: values.at(-1) };
}

/** Of sorted values: the least that is not below this part of them. */
export function quantile(sorted, part) {
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)];
}
