'use strict';

// What this thread of JavaScript's exports, for all of its daemons. There is none until initializeTracing is called.

const { NativeTelemetry } = require('./native.js');
const { apart } = require('./tell.js');
const opentelemetry = require('./opentelemetry.js');

let current = null;

class TelemetryOfThread {
  #native;

  constructor(variables) {
    const self = new WeakRef(this);
    // Asked now: an SDK that is registered later gets the next call's.
    const relay = opentelemetry.hasTracer() ? () => self.deref()?.#pump() : undefined;
    this.#native = new NativeTelemetry(variables, relay);
  }

  /** What a daemon is given when it starts. */
  get native() {
    return this.#native;
  }

  get warnings() {
    return this.#native.warnings();
  }

  /** Gives all that waits by now to the host. */
  drain() {
    while (this.#relay());
  }

  #pump() {
    // Nothing else wakes it.
    if (this.#relay()) setImmediate(() => this.#pump());
  }

  /** One batch. Gives whether more waits. */
  #relay() {
    const { more, traces } = JSON.parse(this.#native.takeTraces());
    for (const spans of traces) apart(() => opentelemetry.relay(spans));
    return more;
  }
}

/** The variables that say what is to be exported; with `otlp: false`, that nothing is. */
function variablesOf(environment, otlp) {
  const variables = Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('OTEL_')));
  const none = { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
  return JSON.stringify(otlp ? variables : { ...variables, ...none });
}

/** What daemons export that start from now on. Gives what is wrong with the variables. */
function startTelemetry({ otlp, environment = process.env }) {
  opentelemetry.load();
  const variables = variablesOf(environment, otlp);
  const key = `${variables} ${opentelemetry.hasTracer()}`;
  // Asked for again, it is the same: daemons that run and those that come share one.
  if (current?.key === key) return [];
  current = { key, telemetry: new TelemetryOfThread(variables) };
  return current.telemetry.warnings;
}

/** Null where nobody has asked for any. */
function currentTelemetry() {
  return current?.telemetry ?? null;
}

module.exports = { currentTelemetry, startTelemetry };
