'use strict';

// What this thread of JavaScript's exports, for all of its daemons. There is none until initializeTracing is called, and no start waits for its code.

let current = null;

const readTelemetry = () => require('./telemetry.js');

/** What daemons export that start from now on. Gives what is wrong with the variables. */
function startTelemetry(options) {
  const { telemetryOf } = readTelemetry();
  const started = telemetryOf(options, current);
  if (started === current) return [];
  current = started;
  return current.warnings;
}

/** Null where nobody has asked for any. */
const currentTelemetry = () => current;

module.exports = { currentTelemetry, readTelemetry, startTelemetry };
