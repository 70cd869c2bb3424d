'use strict';

// The daemons' figures in the host's meter: those of /metrics, under the same names.

const { guarded } = require('./guarded.js');

/** What the host's meter makes of each kind. A histogram cannot be observed. */
const MAKES = {
  counter: 'createObservableCounter',
  upDownCounter: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
  info: 'createObservableGauge',
};
/** The specification's histogram is recorded; others would say the same in other units. */
const DURATION = 'usb_event_processing_duration_ms';

/**
 * Has `meter` ask `take` whenever it collects: for `{ daemons: [[number, snapshot]], durations }`, with each figure's series, and with
 * how long events took; null says that it is over. `known` has what is told: `{ metrics, bounds }`.
 */
function observe(meter, { metrics, bounds }, take) {
  const instruments = new Map();
  for (const { name, help, unit, kind } of metrics) {
    const make = MAKES[kind];
    if (make !== undefined) instruments.set(name, meter[make](name, { description: help, unit }));
  }
  const { help, unit } = metrics.find(({ name }) => name === DURATION);
  const histogram = meter.createHistogram(DURATION, { description: help, unit, advice: { explicitBucketBoundaries: bounds } });

  const tell = (result) => {
    const figures = take();
    if (figures === null) return meter.removeBatchObservableCallback(collect, observed);
    const { daemons, durations } = figures;
    for (const [number, { families }] of daemons) {
      // As a rule there is one daemon, and nothing to tell it from.
      const mark = number > 1 ? { daemon: String(number) } : {};
      for (const { name, series } of families) {
        const instrument = instruments.get(name);
        if (instrument === undefined) continue;
        // A process has one of each of its own, whichever daemon tells it.
        const own = name.startsWith('process_') ? {} : mark;
        for (const { labels, value } of series) result.observe(instrument, value, { ...labels, ...own });
      }
    }
    for (const took of durations) histogram.record(took);
    return undefined;
  };
  const collect = (result) => {
    guarded(() => tell(result));
  };
  const observed = [...instruments.values()];
  meter.addBatchObservableCallback(collect, observed);
}

module.exports = { observe };
