// What the page knows. Everything in it has a bound: a tab may stay open for months.

import { ids, nameOf, portOf } from './text.js';

const MOST_ROWS = 5000;
const MOST_WITHHELD = 200;
/** How far back a row that comes late may go to stand where its time is. */
const LONGEST_WALK = 800;
export const RATE_SECONDS = 300;

export class Model {
  /** As GET /health says it; null before the first answer. */
  health = null;
  devices = [];
  heldBack = [];
  /** Whether the daemon has said which devices there are. */
  isListed = false;
  withheld = [];
  /** What has been told, oldest first: { kind, at, data, hay, eventId }. */
  rows = [];
  /** Rows that are no longer kept. */
  forgotten = 0;
  rates = new Rates();
  /** How far the daemon's clock is ahead of this one. */
  aheadMs = 0;
  /** 'starting', 'live', 'lost', or 'refused' where the daemon answers but gives no stream. */
  link = { state: 'starting' };
  #byEvent = new Map();
  #order = 0;

  /** The daemon's time now. */
  now() {
    return Date.now() + this.aheadMs;
  }

  /** Takes in one event of the stream; gives the row that is new, if there is one. */
  take(type, data) {
    if (type === 'attach' || type === 'detach') return this.#transition(type, data);
    if (type === 'progress') return void this.#progress(data);
    if (type === 'ready') return void this.#ready(data);
    if (type === 'withheld') {
      // The list may have had it already.
      if (this.withheld.some((one) => sameness(one) === sameness(data))) return undefined;
      this.withheld.push(data);
      if (this.withheld.length > MOST_WITHHELD) this.withheld.shift();
      this.rates.count('withheld', data.timestamp);
      return this.#row({ kind: 'withheld', at: data.timestamp, data });
    }
    // Notices have what they are about under their own name.
    const body = data[type] && typeof data[type] === 'object' ? data[type] : data;
    return this.#row({ kind: type, at: body.timestamp ?? this.now(), data: body });
  }

  /** What was withheld before the page was there. The stream may have told meanwhile of what is not in that list yet. */
  takeWithheld(list) {
    const known = new Set(this.withheld.map(sameness));
    const news = list.filter((one) => !known.has(sameness(one)));
    this.withheld = [...this.withheld, ...news].sort((one, other) => one.timestamp - other.timestamp).slice(-MOST_WITHHELD);
    for (const data of news) {
      this.rates.count('withheld', data.timestamp);
      this.#row({ kind: 'withheld', at: data.timestamp, data });
    }
  }

  #transition(kind, data) {
    if (this.#byEvent.has(data.eventId)) return undefined;
    const at = data.device.timestamp;
    const row = this.#row({ kind, at, data, eventId: data.eventId });
    this.#byEvent.set(data.eventId, row);
    this.rates.count(kind, at);
    return row;
  }

  #progress(data) {
    const row = this.#byEvent.get(data.eventId);
    if (!row) return;
    const { seenBy, steps, streamId } = data;
    row.data = { ...row.data, seenBy: { ...row.data.seenBy, ...seenBy }, steps: { ...row.data.steps, ...steps }, ...(streamId === undefined ? {} : { streamId }) };
    row.revision += 1;
  }

  /** Of a device whose attach is shown; that it is ready is no row of its own. */
  #ready(data) {
    const row = this.#byEvent.get(data.eventId);
    if (!row) return;
    row.data = { ...row.data, readiness: data };
    row.revision += 1;
  }

  #row({ kind, at, data, eventId }) {
    const row = { kind, at, data, eventId, order: (this.#order += 1), revision: 0, hay: haystack(kind, data) };
    let place = this.rows.length;
    for (let walked = 0; place > 0 && this.rows[place - 1].at > at && walked < LONGEST_WALK; walked += 1) place -= 1;
    if (place === this.rows.length) this.rows.push(row);
    else this.rows.splice(place, 0, row);
    this.#forget();
    return row;
  }

  /** A tenth at a time, so that it costs nothing to speak of. */
  #forget() {
    if (this.rows.length < MOST_ROWS * 1.1) return;
    for (const { eventId } of this.rows.splice(0, this.rows.length - MOST_ROWS)) {
      if (eventId) this.#byEvent.delete(eventId);
      this.forgotten += 1;
    }
  }
}

function sameness({ timestamp, name, reason, action }) {
  return [timestamp, name, reason, action].join();
}

/** What stands on a row for what the daemon calls otherwise. */
const SHOWN = {
  withheld: ['no event'],
  filtered: ['no event', 'held back'],
  duplicate: ['no event', 'reported twice'],
  unknown: ['no event', 'was not known'],
};

/** What a search looks through. */
function haystack(kind, data) {
  const device = data.device ?? data;
  const texts = device.vendorId === undefined
    ? Object.values(data).filter((value) => typeof value !== 'object')
    : [nameOf(device, 300), device.manufacturer, device.product, device.serialNumber, ids(device), portOf(device), device.stableId, device.backend, device.synthetic,
      data.reason, data.detail, data.source, data.action, ...(device.tags ?? [])];
  return [kind, ...(SHOWN[data.reason] ?? SHOWN[kind] ?? []), ...texts].filter((text) => text !== undefined).join('\n').toLowerCase();
}

/** Whether a row has all words of a search. */
export function matches(row, words) {
  return words.every((word) => row.hay.includes(word));
}

/** IDs may be written as code and as `lsusb` write them. */
export function wordsOf(search) {
  return search.toLowerCase().replace(/\bid (?=[0-9a-f]{4}:)/g, '').split(/\s+/).map((word) => word.replace(/^0x(?=[0-9a-f]{1,4}$)/, '')).filter(Boolean);
}

/** How many of each kind there were in each of the last seconds. */
export class Rates {
  #seconds = new Map();

  count(kind, timestamp) {
    const second = Math.floor(timestamp / 1000);
    const counts = this.#seconds.get(second) ?? { attach: 0, detach: 0, withheld: 0 };
    counts[kind] += 1;
    this.#seconds.set(second, counts);
    if (this.#seconds.size <= 2 * RATE_SECONDS) return;
    const kept = [...this.#seconds].sort(([one], [other]) => one - other).slice(-RATE_SECONDS);
    this.#seconds = new Map(kept);
  }

  /** Sums over `width` seconds each, oldest first; the last one ends now. */
  columns(now, width = 5) {
    const columns = Array.from({ length: RATE_SECONDS / width }, () => ({ attach: 0, detach: 0, withheld: 0 }));
    const end = Math.floor(now / 1000);
    for (const [second, counts] of this.#seconds) {
      const age = end - second;
      // A clock that is a second ahead of the daemon's is now, too.
      const column = columns[columns.length - 1 - Math.max(0, Math.floor(age / width))];
      if (age < -width || !column) continue;
      for (const kind of Object.keys(counts)) column[kind] += counts[kind];
    }
    return columns;
  }
}
