// How the daemon is: one sentence for the whole, and each part with its reason.

import { SOURCE_WORDS } from './advice.js';
import { bdi, h, morph } from './dom.js';
import { ago, clock, count, ms, span, visible } from './text.js';

const STATE_WORDS = { up: 'hears', deaf: 'deaf', failed: 'failed', unavailable: 'not here', off: 'off' };
const TITLE_MARKS = { ok: '', none: '', note: '! ', bad: '✕ ' };
const STATE_GRADES = { up: 'ok', deaf: 'bad', failed: 'bad', unavailable: 'none', off: 'none' };

/** { grade, sentence } of the whole. */
export function verdictOf({ health, link }) {
  if (link.state === 'lost') return { grade: 'bad', sentence: 'The daemon does not answer' };
  if (!health) return { grade: 'none', sentence: 'Asking the daemon …' };
  if (health.status === 'unhealthy') return { grade: 'bad', sentence: health.sources.some(({ state }) => state === 'up') ? 'Nothing can be stored' : 'No source hears' };
  if (!health.started) return { grade: 'note', sentence: 'Starting' };
  if (health.status === 'healthy') return { grade: 'ok', sentence: health.redis ? 'Hears and publishes' : 'Hears what is plugged in' };
  const failed = health.sources.filter(({ state }) => state === 'failed' || state === 'deaf').map(({ source }) => source);
  const parts = [];
  if (failed.length > 0) parts.push(`${failed.join(' and ')} ${failed.length === 1 ? 'does' : 'do'} not hear`);
  if (health.redis && !health.redis.connected) parts.push('Redis is away');
  if (health.outbox.reason) parts.push('events are not kept on disk');
  const sentence = parts.join(', ') || 'Degraded';
  return { grade: 'note', sentence: sentence[0].toUpperCase() + sentence.slice(1) };
}

export function statusSection({ verdict, facts, sources, parts }, model) {
  function paint() {
    const { grade, sentence } = verdictOf(model);
    verdict.dataset.grade = grade;
    morph(verdict.querySelector('.sentence'), sentence);
    // So that a tab among many says it, too.
    const title = `${TITLE_MARKS[grade]}usb-daemon: ${sentence}`;
    if (document.title !== title) document.title = title;
    const { health } = model;
    if (!health) return;
    morph(facts, [`v${visible(health.version, 20)}`, `up ${span(health.uptime * 1000)}`, count(health.events, 'event')].map((text) => h('span', null, text)));
    morph(sources, health.sources.map((source) => drawSource(source, model)));
    morph(parts, drawRedis(health), drawOutbox(health), drawGaps(health, model), drawLoop(health));
  }
  return { paint };
}

function badge(grade, text) {
  return h('span', { class: 'badge', 'data-grade': grade }, text);
}

function drawSource({ source, state, reason, lastEventAt }, model) {
  const heard = lastEventAt ? `last event ${ago(model.now() - lastEventAt)}` : state === 'up' ? 'no event yet' : '';
  return h('li', { class: 'source', 'data-key': source, 'data-state': state },
    h('div', { class: 'part-head' }, h('span', { class: 'part-name' }, visible(source, 20)), badge(STATE_GRADES[state] ?? 'none', STATE_WORDS[state] ?? visible(state, 20))),
    h('p', { class: 'part-what' }, SOURCE_WORDS[source] ?? ''),
    state !== 'off' && h('p', { class: 'part-why' }, bdi(visible(reason, 300))),
    heard && h('p', { class: 'part-when' }, heard));
}

function part(name, head, ...rest) {
  return h('section', { class: 'part', 'data-key': name }, h('div', { class: 'part-head' }, h('h3', { class: 'part-name' }, name), head), rest);
}

function facts(list) {
  return h('dl', { class: 'facts-list' }, list.filter(Boolean).map(([term, value]) => h('div', { 'data-key': term }, h('dt', null, term), h('dd', null, value))));
}

function drawRedis({ redis, otherProducers = {} }) {
  if (!redis) return part('Redis', badge('none', 'off'), h('p', { class: 'part-why' }, 'This daemon publishes nothing.'));
  const others = Object.values(otherProducers);
  return part('Redis', redis.connected ? badge('ok', 'connected') : badge('bad', 'away'),
    h('p', { class: 'part-what' }, bdi(visible(redis.address, 200))),
    redis.reason && h('p', { class: 'part-why' }, bdi(visible(redis.reason, 400))),
    facts([redis.delivery && ['Delivery', redis.delivery.replaceAll('-', ' ')], ['Behind by', redis.lagMs > 0 ? span(redis.lagMs) : 'nothing']]),
    others.length > 0 && h('p', { class: 'part-why warn' }, 'Another daemon publishes this machine’s events too: ', bdi(visible(others.join(', '), 200))));
}

function drawOutbox({ outbox, redis }) {
  const { waiting, oldestMs, durable, path, reason, carriedOver, seen, published, filtered, dropped } = outbox;
  const grade = reason || dropped > 0 ? 'bad' : waiting > 0 ? 'note' : 'ok';
  const holds = carriedOver + seen === published + filtered + waiting + dropped;
  const sum = [['carried over', carriedOver], ['seen', seen], [redis ? 'published' : 'stored', published], ['filtered', filtered], ['waiting', waiting], ['dropped', dropped]];
  return part('Outbox', badge(grade, waiting > 0 ? `${waiting.toLocaleString('en')} waiting` : 'empty'),
    h('p', { class: 'part-what' }, durable ? bdi(visible(path, 200)) : 'in memory: what waits ends with the process'),
    reason && h('p', { class: 'part-why' }, bdi(visible(reason, 400))),
    facts([['Oldest that waits', waiting > 0 && oldestMs > 0 ? span(oldestMs) : 'none'], ['Survives the process', durable ? 'yes' : 'no']]),
    h('dl', { class: 'law', 'data-holds': holds, 'aria-label': 'Every event is accounted for' }, sum.map(([term, value], at) => h('div', { 'data-sign': ['', '+', '=', '+', '+', '+'][at] }, h('dt', null, term), h('dd', null, value.toLocaleString('en'))))));
}

const CAUSES = { overflow: 'the kernel’s buffer was full', unheard: 'something was not heard', 'socket-lost': 'the socket broke', 'queue-full': 'the program was too slow', 'outbox-full': 'the outbox was full', 'not-kept': 'older events are no longer kept' };

function drawGaps({ gaps, lastGap, duplicates }, model) {
  return part('Gaps', badge(gaps > 0 ? 'note' : 'ok', gaps > 0 ? count(gaps, 'gap') : 'none'),
    lastGap && h('p', { class: 'part-why' }, `Last ${ago(model.now() - lastGap.timestamp)} (${clock(lastGap.timestamp, 0)}), in ${visible(lastGap.source, 20)}: ${CAUSES[lastGap.cause] ?? visible(lastGap.cause, 20)}${lastGap.lost ? `; ${count(lastGap.lost, 'event')} lost` : ''}.`),
    facts([['Duplicates passed over', duplicates.toLocaleString('en')]]));
}

function drawLoop({ eventLoop }) {
  if (!eventLoop) return part('Event loop', badge('none', 'none'), h('p', { class: 'part-why' }, 'No JavaScript stands in the way of events here.'));
  return part('Event loop', eventLoop.responding ? badge('ok', 'answers') : badge('bad', 'blocked'),
    !eventLoop.responding && h('p', { class: 'part-why' }, 'The program’s JavaScript does not come round: its listeners hear nothing meanwhile. Events are stored and published all the same.'),
    facts([[eventLoop.responding ? 'Delay' : 'Blocked for at least', ms(eventLoop.delayMs)]]));
}
