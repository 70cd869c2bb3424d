'use strict';

// What a thread of JavaScript's exports, for all of its daemons. Read once that is asked for, or a start is over.

const { observe } = require('./meter.js');
const { NativeTelemetry } = require('./native.js');
const { guarded } = require('./guarded.js');
const opentelemetry = require('./opentelemetry.js');

/** How often it is said that the host gets less than there is, in ms. */
const BETWEEN_WARNINGS = 60_000;

class TelemetryOfThread {
  /** What it was made of. */
  key;
  #native;
  #isReplaced = false;
  #lost = 0;
  #toldAt = -Infinity;

  /** Numbers of daemons are not those of `earlier`'s, some of which may run yet: the host's meter tells them apart by these. */
  constructor(key, variables, earlier) {
    this.key = key;
    const self = new WeakRef(this);
    // Asked now: an SDK that is registered later gets the next call's.
    const relay = opentelemetry.hasTracer() ? () => self.deref()?.#pump() : undefined;
    const meter = opentelemetry.meter();
    this.#native = new NativeTelemetry(variables, relay, meter !== null, earlier?.native);
    if (meter !== null && this.#native.leavesFigures()) {
      guarded(() => observe(meter, JSON.parse(NativeTelemetry.knownFigures()), () => this.#takeFigures()));
    }
  }

  /** What a daemon is given when it starts. */
  get native() {
    return this.#native;
  }

  get warnings() {
    return this.#native.warnings();
  }

  /** Daemons that come have another one; those that run keep this one. */
  replace() {
    this.#isReplaced = true;
  }

  /** Calls a consumer's handler, within the trace of its event if that has one. */
  handling(event, place, handle) {
    return opentelemetry.handling(event, place, handle);
  }

  /** Gives all that waits by now to the host. */
  drain() {
    while (this.#relay());
  }

  /** Null once nobody is left whose figures they could be. */
  #takeFigures() {
    const figures = JSON.parse(this.#native.takeFigures());
    return this.#isReplaced && figures.daemons.length === 0 ? null : figures;
  }

  #pump() {
    // Nothing else wakes it.
    if (this.#relay()) setImmediate(() => this.#pump());
  }

  /** Traces that found no room, because this thread did not come to take them; once a minute at most. */
  #tellLost(count) {
    this.#lost += count;
    if (performance.now() - this.#toldAt < BETWEEN_WARNINGS) return;
    process.emitWarning(`traces of ${this.#lost} events found no room: JavaScript did not come to take them`, { code: 'USB_TELEMETRY' });
    this.#toldAt = performance.now();
    this.#lost = 0;
  }

  /** One batch. Gives whether more waits. */
  #relay() {
    const { more, traces, lost } = JSON.parse(this.#native.takeTraces());
    for (const spans of traces) opentelemetry.relay(spans);
    if (lost > 0) this.#tellLost(lost);
    return more;
  }
}

/** The variables that say what is to be exported; with `otlp: false`, that nothing is. */
function variablesOf(environment, otlp) {
  const variables = Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('OTEL_')));
  const none = { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
  return JSON.stringify(otlp ? variables : { ...variables, ...none });
}

/** What daemons export that start from now on: `current`, where that is the same. */
function telemetryOf({ otlp, environment = process.env }, current) {
  opentelemetry.load();
  const variables = variablesOf(environment, otlp);
  const key = `${variables} ${opentelemetry.hasTracer()} ${opentelemetry.meter() !== null}`;
  // Asked for again, it is the same: daemons that run and those that come share one.
  if (current?.key === key) return current;
  current?.replace();
  return new TelemetryOfThread(key, variables, current);
}

module.exports = { telemetryOf };
