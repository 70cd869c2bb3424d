'use strict';

const { badArgument, coded } = require('./failure.js');
const { shown } = require('./device-values.js');
const { producerOf } = require('./event-id.js');

/** Events that one reading of the store gives at most. */
const PAGE = 256;

/** `since` as `{ seq, producer }`; the producer is unknown where only a number is given. Throws ERR_USB_ARGUMENT. */
function sinceOf(since) {
  if (Number.isSafeInteger(since) && since >= 0) return { seq: since };
  const parts = typeof since === 'string' ? /^(.+):(\d{1,15})$/.exec(since) : null;
  if (!parts) throw badArgument(`options.since is ${shown(since)}: expected an eventId or a whole number from 0`);
  return { seq: Number(parts[2]), producer: parts[1] };
}

/** The outbox file has gone back in time: its events are numbered anew, by another producer. */
function anotherSeries(producer, another) {
  return coded('ERR_USB_HISTORY', `events of ${producer} go on under other numbers: go on with since: '${another}:0'`);
}

/**
 * What the store has after `since`, then what comes, each event once and none left out in between.
 *
 * `live` has listened since before this is called. What was told before that, and what has found no room there, is the
 * store's to give: that has an event by the time at which it is asked about it.
 *
 * @param lastTold number of the last event that had been told of when `live` had begun to listen
 * @param readHistory `(seq, limit)`: a promise of `{ seq, type, device }`, those after `seq` in their order; of undefined once
 * the daemon is about to stop
 */
async function* spliced(live, { since, lastTold, producer, readHistory }) {
  live.keepTo(producer);
  if (since > lastTold) throw coded('ERR_USB_HISTORY', `event ${since} has not been here: the last one is ${lastTold}`);
  let seen = since;
  /** The last one that is known to come before what waits. */
  const due = () => Math.max(lastTold, live.lastDropped, (live.first(seen)?.seq ?? 0) - 1);
  const given = (event) => {
    live.throwIfFailed();
    seen = event.seq;
    return event;
  };
  /** Those before `end` that the store does not give: they may wait here. */
  function* before(end, fault) {
    while (seen + 1 < end) {
      const event = live.first(seen);
      if (event?.seq !== seen + 1) throw coded('ERR_USB_HISTORY', fault(seen + 1, (event?.seq ?? end) - 1));
      yield given(event);
    }
  }
  const forgotten = (from, to) => `events ${from} to ${to} are no longer kept: go on with since: ${to}`;
  const unread = (from) =>
    `the daemon has stopped before event ${from} was read: when it is started again, go on with since: '${producer}:${from - 1}'`;

  for (;;) {
    if (seen >= due()) {
      const event = await live.next(seen);
      if (event === undefined) return;
      if (event.seq === seen + 1) yield given(event);
      continue;
    }
    const page = await live.orEnd(readHistory(seen, PAGE));
    if (live.isClosed) return;
    for (const { seq, type, device } of page ?? []) {
      if (producerOf(device.eventId) !== producer) throw anotherSeries(producer, producerOf(device.eventId));
      // All that is kept begins anywhere, and each further one is the next.
      if (seen > 0) yield* before(seq, forgotten);
      yield given({ type, device, eventId: device.eventId, seq });
    }
    if (page === undefined) yield* before(due() + 1, unread);
    else if (page.length > 0) continue;
    else if (seen > 0) yield* before(due() + 1, forgotten);
    // Nothing is kept: what waits here, or else comes, is the beginning.
    else seen = (live.first(0)?.seq ?? due() + 1) - 1;
  }
}

module.exports = { anotherSeries, sinceOf, spliced };
