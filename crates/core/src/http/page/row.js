// One row of the stream, and the same thing as a sentence.

import { bdi, h } from './dom.js';
import { STEPS, totalOf } from './figures.js';
import { clock, count, ids, ms, nameOf, portOf, visible } from './text.js';
import { forFilter } from './advice.js';

const SIGNS = { attach: '+', detach: '−', withheld: '∅', gap: '≠', source: '◉', redis: '⇄', error: '!' };
const WORDS = { attach: 'attach', detach: 'detach', withheld: 'no event', gap: 'gap', source: 'source', redis: 'Redis', error: 'error' };
const SYNTHETIC = { startup: 'was there at the start', gap: 'found after a gap', 'missed-while-down': 'missed while the daemon was down', reboot: 'ended by a reboot' };

/** Fills the element of a row. */
export function drawRow(element, row) {
  const isDevice = row.kind === 'attach' || row.kind === 'detach';
  element.dataset.kind = row.kind;
  element.replaceChildren(
    h('span', { class: 'when' }, clock(row.at, 0), h('span', { class: 'fraction' }, clock(row.at).slice(8))),
    h('span', { class: 'kind' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[row.kind] ?? '·'), h('span', { class: 'kind-word' }, WORDS[row.kind] ?? visible(row.kind, 16))),
    ...(isDevice || row.kind === 'withheld' ? deviceCells(row) : [h('span', { class: 'what wide' }, bdi(sentenceOf(row)))]),
  );
}

function deviceCells(row) {
  const device = row.data.device ?? row.data;
  const cells = [
    h('span', { class: 'what' }, bdi(nameOf(device, 80)), ' ', h('code', { class: 'ids' }, ids(device))),
    h('span', { class: 'at' }, h('code', null, portOf(device))),
  ];
  if (row.kind === 'withheld') return [...cells, h('span', { class: 'seen why' }, bdi(whyWithheld(row.data)))];
  const seen = witnesses(row.data);
  const total = totalOf(row.data.steps);
  return [...cells,
    h('span', { class: 'seen' }, seen.length > 0 ? seen.map(({ source, after }, at) => h('span', { class: 'witness' }, source, at > 0 && h('span', { class: 'after-ms' }, ` +${ms(after)}`), ' ')) : h('span', { class: 'witness faint' }, SYNTHETIC[device.synthetic] ?? visible(device.backend, 16))),
    h('span', { class: 'took' }, total !== undefined && stepsBar(row.data.steps, total), h('span', { class: 'total' }, total === undefined ? '' : ms(total)))];
}

/** Sources that saw it, the first one first. */
export function witnesses({ seenBy = {} }) {
  return Object.entries(seenBy).map(([source, after]) => ({ source: visible(source, 16), after })).sort((one, other) => one.after - other.after);
}

function stepsBar(steps, total) {
  const bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
  for (const step of STEPS) {
    if (!Number.isFinite(steps[step])) continue;
    const part = h('span', { class: 'part', 'data-step': step });
    part.style.setProperty('flex-grow', String(total > 0 ? steps[step] / total : 0));
    bar.append(part);
  }
  return bar;
}

export function whyWithheld(data) {
  if (data.reason === 'filtered') return `held back by ${forFilter(data).setting}`;
  if (data.reason === 'duplicate') return `${data.action} reported twice, told once`;
  return 'left, but was not known';
}

/** What a row says, for the details and for who does not see. */
export function sentenceOf({ kind, data }) {
  switch (kind) {
    case 'attach':
    case 'detach':
      return `${nameOf(data.device)} ${ids(data.device)} ${kind === 'attach' ? 'came' : 'left'} at ${portOf(data.device)}`;
    case 'withheld':
      return `${nameOf(data)} ${ids(data)} at ${portOf(data)}: ${whyWithheld(data)}`;
    case 'gap':
      return `Events may be missing in ${visible(data.source, 20)}: ${visible(data.cause, 20)}${data.lost ? `, ${count(data.lost, 'event')} lost` : ''}, ${count(data.synthesized ?? 0, 'event')} made up for it`;
    case 'source':
      return `${visible(data.source, 20)} is ${visible(data.state, 20)}: ${visible(data.reason, 200)}`;
    case 'redis':
      return data.connected ? `Redis at ${visible(data.address)} is connected` : `Redis at ${visible(data.address)} is away: ${visible(data.reason, 200)}`;
    case 'error':
      return `${visible(data.code, 40)}: ${visible(data.message, 300)}`;
    default:
      return visible(JSON.stringify(data), 200);
  }
}

export function syntheticWord(device) {
  return SYNTHETIC[device.synthetic];
}
