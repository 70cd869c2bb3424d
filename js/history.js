'use strict';

const { badArgument, coded } = require('./failure.js');
const { shown } = require('./device-values.js');

/** Events that one reading of the store gives at most. */
const PAGE = 256;
/** JavaScript is told of an event before it is stored: so often and so long it is waited for. */
const PAUSE_MS = 20;
const PATIENCE_MS = 5000;

/** The number in `<producer>:<seq>`. */
function seqOf(eventId) {
  return Number(eventId.slice(eventId.lastIndexOf(':') + 1));
}

/** `since` as `{ seq, producer }`; the producer is unknown where only a number is given. Throws ERR_USB_ARGUMENT. */
function sinceOf(since) {
  if (Number.isSafeInteger(since) && since >= 0) return { seq: since };
  const parts = typeof since === 'string' ? /^(.+):(\d{1,15})$/.exec(since) : null;
  if (!parts) throw badArgument(`options.since is ${shown(since)}: expected an eventId or a whole number from 0`);
  return { seq: Number(parts[2]), producer: parts[1] };
}

/**
 * What the store has after `since`, then what comes, each event once and none left out in between.
 *
 * `live` has listened since before this is called: the store is read until it has all that was told by then, and what comes
 * is taken from where the store has ended.
 *
 * @param readHistory `(seq, limit)`: a promise of `{ seq, type, device }`, those after `seq` in their order
 * @param lastTold number of the last event that the store has or will have
 */
async function* spliced(live, { since, lastTold, readHistory }) {
  let seen = since;
  let patience = PATIENCE_MS;
  while (seen < lastTold) {
    const page = await live.orEnd(readHistory(seen, PAGE));
    // Also where the daemon stops: what it has stored stays there for a later `since`.
    if (page === undefined) return;
    const [first] = page;
    if (first === undefined) {
      if (patience <= 0) throw coded('ERR_USB_HISTORY', `the store does not have events ${seen + 1} to ${lastTold}`);
      patience -= PAUSE_MS;
      const goOn = await live.orEnd(new Promise((resolve) => setTimeout(resolve, PAUSE_MS, true)));
      if (!goOn) return;
      continue;
    }
    if (seen === since && since > 0 && first.seq > since + 1) {
      throw coded('ERR_USB_HISTORY', `events ${since + 1} to ${first.seq - 1} are no longer kept: go on with since: ${first.seq - 1}`);
    }
    for (const { seq, type, device } of page) {
      if (seq <= seen) continue;
      seen = seq;
      yield { type, device, eventId: device.eventId, seq };
    }
    patience = PATIENCE_MS;
  }
  for (;;) {
    const event = await live.take();
    if (event === undefined) return;
    if (event.seq <= seen) continue;
    yield event;
  }
}

module.exports = { seqOf, sinceOf, spliced };
