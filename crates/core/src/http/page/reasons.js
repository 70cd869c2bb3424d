// Why a device is not here: the questions that somebody who knows the daemon would ask, with their answers. No drawing here.

import { code, forFilter, forPermission, forSilence, isPermission, SOURCE_WORDS, WHERE_FILTERS } from './advice.js';
import { matches, wordsOf } from './model.js';
import { ago, clock, count, ids, nameOf, portOf, span, visible } from './text.js';

/** Gives { id, question, verdict: 'ok' | 'note' | 'bad' | 'unknown', answer, findings: [{ key, what, why, todo }] } for each. */
export function checks(model) {
  const { health } = model;
  if (!health) return [];
  const list = [hears(health), isAllowed(health), isFiltered(model), isKnown(model), isMissed(health, model), reachesRedis(health), ...isTaken(health)];
  if (model.link.state === 'lost') {
    list.unshift({ id: 'answers', question: 'Does the daemon answer?', verdict: 'bad', answer: 'No. All that this page shows is as it was when it last did.', findings: [] });
  }
  return list;
}

/** What was no news so long ago is no longer worth a look. */
const RECENT_MS = 900_000;

/** How many of them keep, or may have kept, a device away. */
export function trouble(list) {
  return list.filter(({ verdict }) => verdict === 'bad' || verdict === 'note').length;
}

const SILENT_STATES = { deaf: 'is deaf', failed: 'has failed', unavailable: 'is not available' };

function silent({ sources }) {
  return sources.filter(({ state }) => state in SILENT_STATES);
}

const OFF = {
  key: 'netlink off',
  what: [code('netlink'), ` (${SOURCE_WORDS.netlink}) is switched off`],
  why: ['Changes are found by comparison only.'],
  todo: [['Switch ', code('sources.netlink'), ' and ', code('fallback.enable_udev'), ' on.']],
};

function hears(health) {
  const question = 'Does the daemon hear what is plugged in?';
  const up = health.sources.filter(({ state }) => state === 'up');
  const findings = silent(health).filter(({ reason }) => !isPermission(reason)).map(({ source, state, reason }) => ({
    key: source,
    what: [code(source), ` (${SOURCE_WORDS[source] ?? 'a source'}) ${SILENT_STATES[state]}`],
    why: [visible(reason, 400)],
    todo: forSilence(source, state),
  }));
  const netlink = health.sources.find(({ source }) => source === 'netlink');
  const isOff = netlink?.state === 'off';
  if (isOff && up.some(({ source }) => source !== 'simulated')) findings.push(OFF);
  const isDeaf = health.status === 'unhealthy' || up.length === 0;
  const base = { id: 'hears', question, findings };
  if (isDeaf) return { ...base, verdict: 'bad', answer: 'No source can hear: no device gives an event now.' };
  const listening = `${up.map(({ source }) => source).join(', ')} ${up.length === 1 ? 'hears' : 'hear'}`;
  if (!health.started) return { ...base, verdict: 'note', answer: `It is still starting; ${listening}.` };
  if (findings.some(({ key }) => key === 'netlink')) {
    return { ...base, verdict: 'bad', answer: `Late, and not everything: ${listening}, the kernel’s own events are missing. What is unplugged again before the next comparison gives no event.` };
  }
  if (up.every(({ source }) => source === 'simulated')) {
    return { ...base, verdict: 'note', answer: 'Only devices for demonstration: the sources that hear real ones are switched off.' };
  }
  if (findings.length === 0) return { ...base, verdict: 'ok', answer: `Yes: ${listening}.` };
  if (isOff) return { ...base, verdict: 'note', answer: `Late: ${listening}; the kernel’s own events are switched off.` };
  // What this environment does not have keeps nothing away while the kernel's own events are heard.
  const worked = silent(health).some(({ state }) => state !== 'unavailable');
  return { ...base, verdict: worked ? 'note' : 'ok', answer: `Yes: ${listening}. ${count(findings.length, 'other source does', 'other sources do')} not.` };
}

function isAllowed(health) {
  const findings = silent(health).filter(({ reason }) => isPermission(reason)).map(({ source, state, reason }) => ({
    key: source,
    what: [code(source), ` (${SOURCE_WORDS[source] ?? 'a source'}) ${SILENT_STATES[state]}: it lacks a permission`],
    why: [visible(reason, 400)],
    todo: forPermission(source),
  }));
  const base = { id: 'allowed', question: 'Is the daemon allowed to look?', findings };
  if (findings.length === 0) return { ...base, verdict: 'ok', answer: 'Yes: no source lacks a permission.' };
  const isHeard = health.sources.some(({ source, state }) => (source === 'netlink' || source === 'simulated') && state === 'up');
  const answer = `No: ${count(findings.length, 'source')} may not look.`;
  return isHeard ? { ...base, verdict: 'note', answer: `${answer} The kernel’s own events are heard all the same.` } : { ...base, verdict: 'bad', answer };
}

function isFiltered({ heldBack, withheld }) {
  const base = { id: 'filtered', question: 'Does a filter hold it back?' };
  const present = heldBack.map((held) => ({ ...filterFinding(held), key: `held ${held.name}` }));
  const there = new Set(heldBack.map(({ name }) => name));
  // The newest of each port; what is held back now is in the list already.
  const gone = newestOfEach(withheld.filter(({ reason, name }) => reason === 'filtered' && !there.has(name)), ({ name }) => name)
    .map((one) => ({ ...filterFinding(one), key: `gone ${one.name}` }));
  const findings = [...present, ...gone];
  if (findings.length === 0) return { ...base, verdict: 'ok', answer: 'No: nothing has been held back.', findings };
  const answer = present.length > 0 ? `Yes: ${namesOf(heldBack)} ${present.length === 1 ? 'is' : 'are'} plugged in now, and held back.` : `${count(gone.length, 'device was', 'devices were')} held back; none is plugged in now.`;
  return { ...base, verdict: present.length > 0 ? 'bad' : 'note', answer, findings, after: WHERE_FILTERS };

  function filterFinding(held) {
    const { setting, means, change } = forFilter(held);
    return {
      what: [`${nameOf(held)} at `, code(portOf(held)), ' ', code(ids(held))],
      why: [`${clock(held.timestamp, 0)}: ${means}: `, code(setting)],
      todo: [change],
    };
  }
}

function namesOf(devices) {
  const names = devices.slice(0, 2).map((device) => nameOf(device, 40));
  return devices.length > 2 ? `${names.join(', ')} and ${devices.length - 2} more` : names.join(' and ');
}

function newestOfEach(list, keyOf) {
  return [...new Map(list.map((one) => [keyOf(one), one])).values()].reverse().slice(0, 20);
}

function isKnown(model) {
  const { withheld, devices, heldBack } = model;
  const question = 'Was it known already?';
  const findings = newestOfEach(withheld.filter(({ reason }) => reason === 'duplicate' || reason === 'unknown'), ({ name, action }) => `${name} ${action}`).map((one) => {
    const isThere = (device) => portOf(device) === portOf(one);
    const [here, held] = [devices.find(isThere), heldBack.find(isThere)];
    const source = code(one.source);
    return {
      key: `${one.name} ${one.action}`,
      what: [`${nameOf(one)} at `, code(portOf(one)), ' ', code(ids(one))],
      why: one.reason === 'duplicate'
        ? [`${clock(one.timestamp, 0)}: `, source, ` reported its ${one.action} once more; that had been told already, and the same is told only once.`]
        : [`${clock(one.timestamp, 0)}: `, source, ' reported that it left, and no such device was known.'],
      todo: here
        ? [['It is in the list of devices, since ', `${clock(here.attachedAt, 0)}. A new event comes when it is unplugged and plugged in again.`]]
        : held ? [['It is held back by ', code(forFilter(held).setting), ': see “Does a filter hold it back?”.']]
        : [['Its event is further back in the list of events: search there for ', code(portOf(one)), '.']],
    };
  });
  if (findings.length === 0) return { id: 'known', question, verdict: 'ok', answer: 'No: every report was news.', findings };
  const isRecent = withheld.some(({ reason, timestamp }) => reason !== 'filtered' && timestamp > model.now() - RECENT_MS);
  return { id: 'known', question, verdict: isRecent ? 'note' : 'ok', answer: `Yes: ${count(findings.length, 'report was', 'reports were')} no news. A duplicate gives no second event.`, findings };
}

const CAUSES = {
  overflow: 'more came at once than the kernel’s buffer holds',
  unheard: 'a comparison found what no event had told',
  'socket-lost': 'the connection to the kernel broke and was made anew',
  'queue-full': 'too many events waited for the program',
  'outbox-full': 'too many events waited to be published, and some were dropped',
  'not-kept': 'older events are no longer kept',
};

function isMissed({ gaps, lastGap }, model) {
  const base = { id: 'missed', question: 'Was something missed?' };
  if (!gaps) return { ...base, verdict: 'ok', answer: 'No: there was no gap since the start.', findings: [] };
  const findings = lastGap ? [{
    key: 'gap',
    what: [`The last one, ${ago(model.now() - lastGap.timestamp)}, in `, code(lastGap.source)],
    why: [`${CAUSES[lastGap.cause] ?? lastGap.cause}${lastGap.lost ? `; ${count(lastGap.lost, 'event is', 'events are')} lost` : ''}; ${count(lastGap.synthesized, 'event', 'events')} made up for it.`],
    todo: [['A device that came and left within the gap gave no event. What is there now is in the list of devices.']],
  }] : [];
  return { ...base, verdict: 'note', answer: `Perhaps: ${count(gaps, 'gap')} since the start.`, findings };
}

function reachesRedis({ redis, outbox }) {
  const base = { id: 'published', question: 'Was it told, but not published?' };
  if (!redis) return { ...base, verdict: 'ok', answer: 'This daemon publishes nothing: events reach only its own program and this page.', findings: [] };
  if (redis.connected && !(redis.lagMs > 5000)) return { ...base, verdict: 'ok', answer: 'No: Redis takes what comes.', findings: [] };
  const waiting = outbox?.waiting ?? redis.waiting ?? 0;
  const findings = [{
    key: 'redis',
    what: ['Redis at ', code(visible(redis.address))],
    why: [redis.connected ? `It is behind: the oldest event has waited for ${span(redis.lagMs)}.` : visible(redis.reason ?? 'not connected', 400)],
    todo: [[`${count(waiting, 'event waits', 'events wait')} and will be published in order. Who reads the stream does not see them yet.`]],
  }];
  return { ...base, verdict: waiting > 0 ? 'bad' : 'note', answer: redis.connected ? 'Redis is behind.' : 'Redis is away.', findings };
}

/** Only a program in JavaScript may keep itself from hearing. */
function isTaken({ eventLoop }) {
  if (!eventLoop) return [];
  const base = { id: 'taken', question: 'Was it told, but not taken by the program?' };
  if (eventLoop.responding) return [{ ...base, verdict: 'ok', answer: 'No: the program’s event loop answers.', findings: [] }];
  const findings = [{
    key: 'loop',
    what: ['The event loop of the program that runs this daemon'],
    why: [`It has not come round for ${span(eventLoop.delayMs)} at least: something in the program keeps it busy.`],
    todo: [['Its listeners hear of everything, in order, once it is free. The stream in Redis is not held up by that.']],
  }];
  return [{ ...base, verdict: 'bad', answer: 'Yes: the program is busy, and its listeners hear nothing until it is done.', findings }];
}

/** What is known of the device that somebody looks for: { key, verdict, text } each, the most telling first; null without a search. */
export function lookFor(search, model) {
  const words = wordsOf(search);
  if (words.length === 0) return null;
  const has = (device, ...more) => {
    const hay = [nameOf(device, 300), ids(device), portOf(device), device.serialNumber, device.stableId, ...more].filter(Boolean).join('\n').toLowerCase();
    return words.every((word) => hay.includes(word));
  };
  const title = (device) => [`${nameOf(device)} `, code(ids(device)), ' at ', code(portOf(device))];
  const held = model.heldBack.filter((one) => has(one)).map((one) => ({ key: `held ${one.name}`, verdict: 'bad', text: [...title(one), ' is plugged in, and held back: ', forFilter(one).means, ' (', code(forFilter(one).setting), ').'] }));
  const here = model.devices.filter((one) => has(one)).map((one) => ({ key: `here ${one.signature}`, verdict: 'ok', text: [...title(one), ` is here, since ${clock(one.attachedAt, 0)}.`] }));
  const presentNames = new Set([...model.devices, ...model.heldBack].map(portOf));
  const told = [];
  for (let at = model.rows.length - 1; at >= 0 && told.length < 5; at -= 1) {
    const row = model.rows[at];
    const device = row.data.device ?? row.data;
    if (device.vendorId === undefined || !matches(row, words)) continue;
    if (row.kind === 'detach' && !presentNames.has(portOf(device))) {
      told.push({ key: `event ${row.order}`, verdict: 'note', text: [...title(device), ` was told of: it came at ${clock(device.attachedAt, 0)} and left at ${clock(row.at, 0)}.`] });
    } else if (row.kind === 'withheld' && row.data.reason !== 'filtered') {
      told.push({ key: `event ${row.order}`, verdict: 'note', text: [...title(device), ` gave no event at ${clock(row.at, 0)}: ${row.data.reason === 'duplicate' ? 'a duplicate of what had been told' : 'it left without being known'}.`] });
    } else if (row.kind === 'withheld' && !presentNames.has(portOf(device))) {
      told.push({ key: `event ${row.order}`, verdict: 'bad', text: [...title(device), ` gave no event at ${clock(row.at, 0)}: ${forFilter(row.data).means} (`, code(forFilter(row.data).setting), ').'] });
    }
  }
  return [...held, ...told.filter(({ verdict }) => verdict === 'bad'), ...here, ...told.filter(({ verdict }) => verdict !== 'bad')].slice(0, 12);
}
