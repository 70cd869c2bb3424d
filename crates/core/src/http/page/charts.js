// The two drawings: how long it takes until an event is told, and how many there are. Each has its figures beside it as text.

import { h, morph, svg } from './dom.js';
import { BOUNDS, latencies, STEPS, STEP_WORDS } from './figures.js';
import { count, ms } from './text.js';

const [WIDTH, HEIGHT] = [300, 96];
/** The daemon's own promise: an event is told within so many ms. */
const PROMISE_MS = 10;

export function charts({ latency, latencyText, steps, rate, rateText }, model) {
  function paint() {
    const figures = latencies(model.rows, model.now());
    const { told } = figures;
    morph(latency, drawHistogram(figures.columns));
    morph(latencyText, told.count === 0 ? 'No event has come in the last five minutes.'
      : `Half of ${count(told.count, 'event')} were told within ${ms(told.median)}, 99 of 100 within ${ms(told.p99)}; the slowest took ${ms(told.most)}.`);
    morph(steps, STEPS.map((step) => h('tr', { 'data-key': step }, h('th', { scope: 'row' }, STEP_WORDS[step]), h('td', null, ms(figures.steps[step].median)), h('td', null, ms(figures.steps[step].p99)))));
    const columns = model.rates.columns(model.now());
    morph(rate, drawRate(columns));
    morph(rateText, sentenceOfRate(columns));
  }
  return { paint };
}

function text(x, y, words, attributes) {
  return svg('text', { x, y, ...attributes }, words);
}

function drawHistogram(columns) {
  const most = Math.max(1, ...columns);
  const [base, top, width] = [HEIGHT - 16, 12, WIDTH / columns.length];
  const promise = (BOUNDS.indexOf(PROMISE_MS) + 1) * width;
  return [
    ...columns.map((many, at) => {
      // A single event is seen, too.
      const height = many === 0 ? 0 : Math.max(2, (many / most) * (base - top));
      return svg('rect', { class: BOUNDS[at] > PROMISE_MS ? 'column late' : 'column', x: (at * width + 1).toFixed(1), y: (base - height).toFixed(1), width: (width - 2).toFixed(1), height: height.toFixed(1), rx: 1.5 });
    }),
    svg('line', { class: 'axis', x1: 0, x2: WIDTH, y1: base + 0.5, y2: base + 0.5 }),
    svg('line', { class: 'promise', x1: promise, x2: promise, y1: top - 6, y2: base }),
    text(promise + 4, top, '10 ms', { class: 'promise-text' }),
    ...BOUNDS.slice(0, -1).map((bound, at) => at % 2 === 1 ? text((at + 1) * width, HEIGHT - 4, String(bound), { 'text-anchor': 'middle' }) : null).filter(Boolean),
    text(WIDTH - 1, HEIGHT - 4, 'ms', { 'text-anchor': 'end' }),
  ];
}

function drawRate(columns) {
  const most = Math.max(1, ...columns.map(({ attach, detach }) => Math.max(attach, detach)));
  const [middle, reach, width] = [(HEIGHT - 16) / 2 + 4, (HEIGHT - 16) / 2 - 4, WIDTH / columns.length];
  const bar = (kind, many, at) => {
    if (many === 0) return null;
    const height = Math.max(1.5, (many / most) * reach);
    return svg('rect', { class: `bar-${kind}`, x: (at * width + 0.4).toFixed(1), y: (kind === 'attach' ? middle - height - 0.5 : middle + 0.5).toFixed(1), width: (width - 0.8).toFixed(1), height: height.toFixed(1), rx: 0.8 });
  };
  return [
    ...columns.flatMap(({ attach, detach }, at) => [bar('attach', attach, at), bar('detach', detach, at)]).filter(Boolean),
    svg('line', { class: 'axis', x1: 0, x2: WIDTH, y1: middle, y2: middle }),
    text(1, 9, `+${most}`, {}),
    text(1, HEIGHT - 16, `−${most}`, {}),
    ...[4, 3, 2, 1].map((minutes) => text(WIDTH - minutes * 60, HEIGHT - 4, `−${minutes}`, { 'text-anchor': 'middle' })),
    text(WIDTH - 1, HEIGHT - 4, 'now', { 'text-anchor': 'end' }),
    text(1, HEIGHT - 4, 'minutes', {}),
  ];
}

function sentenceOfRate(columns) {
  const sum = (list, kind) => list.reduce((total, column) => total + column[kind], 0);
  const [came, left, withheld] = ['attach', 'detach', 'withheld'].map((kind) => sum(columns, kind));
  const minute = columns.slice(-12);
  const peak = Math.max(...columns.map(({ attach, detach }) => attach + detach)) / 5;
  if (came + left + withheld === 0) return 'Nothing in the last five minutes.';
  return `In five minutes ${came.toLocaleString('en')} came and ${left.toLocaleString('en')} left${withheld > 0 ? `, ${count(withheld, 'report')} gave no event` : ''}; `
    + `${(sum(minute, 'attach') + sum(minute, 'detach')).toLocaleString('en')} of these in the last minute, ${peak >= 10 ? Math.round(peak).toLocaleString('en') : Number(peak.toFixed(1))} a second at most.`;
}
