// All about one event: what it is about, who saw it when, and how long each step took.

import { bdi, h, morph, svg } from './dom.js';
import { STEPS, STEP_WORDS, totalOf } from './figures.js';
import { sentenceOf, syntheticWord, witnesses } from './row.js';
import { clock, ids, kindOf, ms, portOf, speed, visible } from './text.js';

export function eventDetail({ panel, close }, model, onClose) {
  let shown = null;

  function paint() {
    panel.hidden = shown === null;
    if (shown === null) return;
    const body = panel.querySelector('.detail-body');
    const { kind, data } = shown;
    const isDevice = kind === 'attach' || kind === 'detach';
    morph(body,
      h('p', { class: 'detail-title' }, bdi(sentenceOf(shown))),
      isDevice && h('div', { class: 'detail-times' }, drawWitnesses(data), drawSteps(data, model)),
      h('dl', { class: 'detail-facts' }, factsOf(shown).map(([term, value, isCode]) => h('div', { 'data-key': term }, h('dt', null, term), h('dd', null, isCode ? h('code', null, value) : bdi(value))))));
  }

  close.addEventListener('click', () => onClose());
  panel.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') onClose();
  });

  return {
    paint,
    show(row) {
      const wasHidden = panel.hidden;
      shown = row;
      paint();
      // On a phone it is below what has been chosen.
      if (row && wasHidden) panel.scrollIntoView({ block: 'nearest' });
    },
  };
}

function drawWitnesses(data) {
  const seen = witnesses(data);
  const longest = seen.at(-1)?.after || 1;
  return h('table', { class: 'times', 'data-key': 'seen' }, h('caption', null, 'Seen by'),
    h('tbody', null, seen.length === 0
      ? h('tr', null, h('td', { class: 'faint' }, 'Not known of this event.'))
      : seen.map(({ source, after }, at) => h('tr', { 'data-key': source }, h('th', { scope: 'row' }, source), h('td', { class: 'figure' }, at === 0 ? 'first' : `+${ms(after)}`), h('td', { class: 'gauge' }, gauge(after / longest, 'seen'))))));
}

function drawSteps(data, model) {
  const total = totalOf(data.steps);
  const waits = model.health?.redis ? 'waits' : 'none';
  return h('table', { class: 'times', 'data-key': 'steps' }, h('caption', null, 'Took'),
    h('tbody', null, total === undefined
      ? h('tr', null, h('td', { class: 'faint' }, 'Not known of this event.'))
      : [...STEPS.map((step) => h('tr', { 'data-key': step }, h('th', { scope: 'row' }, STEP_WORDS[step]), h('td', { class: 'figure' }, Number.isFinite(data.steps[step]) ? ms(data.steps[step]) : step === 'publish' ? waits : '–'), h('td', { class: 'gauge' }, gauge((data.steps[step] ?? 0) / total, step)))),
        h('tr', { 'data-key': 'all' }, h('th', { scope: 'row' }, 'in all'), h('td', { class: 'figure' }, ms(total)), h('td', null))]));
}

/** When it could be used and through what, or what stands in the way. */
function readinessOf(readiness) {
  if (!readiness) return [];
  const { isReady, obstacles, elapsedMs, nodes } = readiness;
  const drivers = [...new Set(readiness.interfaces.map(({ driver }) => driver).filter(Boolean))];
  return [
    ['Ready', isReady ? `after ${ms(elapsedMs)}` : obstacles.map(({ detail }) => visible(detail, 200)).join('; ')],
    ['Drivers', drivers.map((driver) => visible(driver, 40)).join(' '), true],
    ['Nodes', nodes.map(({ path, name }) => visible(path ?? name, 60)).join(' '), true],
  ];
}

/** A bar as long as its part. */
function gauge(part, step) {
  const width = Math.max(0, Math.min(100, part * 100)).toFixed(2);
  return svg('svg', { class: 'part-of', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'track', width: 100, height: 6 }), svg('rect', { class: 'part', 'data-step': step, width, height: 6 }));
}

function factsOf({ kind, at, data }) {
  const device = data.device ?? (data.vendorId === undefined ? undefined : data);
  const when = [['Time', `${new Date(at).toLocaleDateString()} ${clock(at)}`]];
  if (!device) return [...when, ...Object.entries(data).filter(([name, value]) => typeof value !== 'object' && name !== 'timestamp').map(([name, value]) => [name, visible(value, 400)])];
  const facts = [
    ...when,
    ['IDs', ids(device), true],
    ['Port', portOf(device), true],
    ['Manufacturer', visible(device.manufacturer)],
    ['Product', visible(device.product)],
    ['Vendor by its ID', visible(device.vendorName)],
    ['Product by its ID', visible(device.productName)],
    ['Serial number', visible(device.serialNumber)],
    ['Kind', kindOf(device)],
    ['Can do', (device.capabilities ?? []).join(', ')],
    ['Speed', speed(device.speed)],
    ['Interfaces', (device.interfaces ?? []).map((one) => [one.class, one.subclass, one.protocol].map((part) => part.toString(16).padStart(2, '0')).join('/')).join(' '), true],
    ['Established by', visible(device.backend ?? data.source)],
    ['Synthetic', syntheticWord(device)],
    ['Not all is known', device.partial ? 'it left, or kept its texts, before all of it could be read' : ''],
    ...readinessOf(data.readiness),
    ['Tags', (device.tags ?? []).map((tag) => visible(tag, 40)).join(', ')],
    ['Came', kind === 'detach' && device.attachedAt ? clock(device.attachedAt) : ''],
    ['Reason', kind === 'withheld' ? visible(data.reason) : ''],
    ['Decided by', kind === 'withheld' ? visible(data.detail) : '', true],
    ['Stable ID', visible(device.stableId), true],
    ['Signature', visible(device.signature), true],
    ['Event', visible(data.eventId ?? device.eventId), true],
    ['Entry in Redis', visible(data.streamId), true],
  ];
  return facts.filter(([, value]) => value);
}
