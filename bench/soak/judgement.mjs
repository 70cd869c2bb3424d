// What a course says: whether anything has grown, and where each event is.

import { median } from '../figures.mjs';
import { FLAT, KEPT, WARM } from './course.mjs';

const KB = 1024;
const MB = 1024 * KB;
/** `aw-engine` threads that there are at most (docs/ARCHITECTURE.md): a leader, and those that wait for drivers. */
const ENGINE_THREADS = 17;

/** The median of one series over the samples from one number of pairs to another, of which there is one where the process itself is asked. */
function level(samples, series, from, to) {
  const values = samples.filter((sample) => sample.pairs >= from && sample.pairs <= to && sample[series] !== undefined).map((sample) => sample[series]);
  return values.length > 0 ? median(values) : NaN;
}

/** Growth of a series while things warm up, over the medians of the samples around both ends. */
export function earlyGrowth({ samples }, series) {
  return level(samples, series, FLAT - WARM, FLAT) - level(samples, series, WARM / 2, WARM * 1.5);
}

/** Growth of a series from there to the end: over the medians of two windows, each a twentieth of the course. */
export function lateGrowth({ samples, pairs }, series) {
  const window = pairs / 20;
  return level(samples, series, pairs - window, pairs) - level(samples, series, FLAT, FLAT + window);
}

/** The value of a series at one number of pairs, as it was read. */
export function plain({ samples }, series, pairs) {
  return samples.find((sample) => sample.pairs === pairs)?.[series];
}

/** The most that a series came to. */
export function highest({ samples }, series) {
  return samples.reduce((most, sample) => Math.max(most, sample[series] ?? 0), 0);
}

/** What must hold of memory; also of a short course, that ends at FLAT. */
export function memoryChecks(course) {
  return [
    { name: 'RSS above bare Node once started, MB', value: (course.atStart.rss - course.bare.rss) / MB, atMost: 8 },
    { name: `heap, KB more after ${FLAT} pairs than after ${WARM}`, value: earlyGrowth(course, 'settledHeap') / KB, atMost: 100 },
    { name: `RSS, KB more after ${FLAT} pairs than after ${WARM}`, value: earlyGrowth(course, 'rss') / KB, atMost: 2 * KB },
  ];
}

/** What must be flat from FLAT to the end. */
function flatChecks(course) {
  const grown = (series, unit, text, atMost) => ({ name: `${text} more at the end than after ${FLAT} pairs`, value: lateGrowth(course, series) / unit, atMost });
  return [
    grown('collectedRss', KB, 'RSS at rest and collected, KB', KB),
    // V8 may have a larger young generation while so much is allocated.
    grown('rss', KB, 'RSS under load, KB', 4 * KB),
    grown('settledHeap', KB, 'heap, KB', 100),
    grown('settledExternal', KB, 'memory outside the heap, KB', 100),
    grown('descriptors', 1, 'file descriptors', 0),
    grown('threads', 1, 'threads', 0),
    grown('resources', 1, 'timers and handles', 0),
    // It does not shrink: what waited at the worst moment has left room in it.
    grown('store', MB, 'outbox file, MB', 4),
    // It begins anew once it has 64 MB (outbox/checkpoint.rs), when nobody reads it.
    { name: 'write-ahead log, MB, at most', value: highest(course, 'wal') / MB, atMost: 96 },
    { name: 'threads of the engine, at most', value: highest(course, 'engine'), atMost: ENGINE_THREADS },
    // Redis is asked to trim with each sign of life, however many have come meanwhile: of 5,000 a second some 50,000.
    { name: 'entries in the stream, times redis.maxlen, at most', value: highest(course, 'stream') / KEPT, atMost: 8 },
  ];
}

/** Each event is told once, in its turn, stored, and in the stream. */
function accountChecks({ pairs, account: { heard, outbox, lastInStream, addedToStream }, ended }) {
  const events = pairs * 2 + heard.present;
  const none = (name, value) => ({ name, value, atMost: 0 });
  return [
    none('attaches too few or too many', Math.abs(heard.attach - pairs)),
    none('detaches too few or too many', Math.abs(heard.detach - pairs)),
    none('holes in the numbers of events', heard.holes),
    none('events out of turn', heard.outOfTurn),
    none('gaps and errors told', heard.gaps + heard.errors),
    none('events stored too few or too many', Math.abs(outbox.seen - events)),
    none('events not published', outbox.seen - outbox.published),
    none('events dropped or left waiting', outbox.dropped + outbox.waiting),
    none('entries added to the stream too few or too many', Math.abs(addedToStream - events)),
    none('numbers between the last event and the last entry', Math.abs(heard.last - lastInStream)),
    none('exit code', ended.code ?? 1),
  ];
}

export function checksOf(course) {
  const long = course.pairs > FLAT ? flatChecks(course) : [];
  return [...memoryChecks(course), ...long, ...accountChecks(course)];
}
