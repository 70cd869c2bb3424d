'use strict';

const { reasonOf } = require('./failure.js');

let isTold = false;

/**
 * Does something with the host's OpenTelemetry, and gives what that gives; undefined where it throws. A fault of whoever watches is
 * none of what is watched: it is a warning, once, and nothing else.
 */
function guarded(work) {
  try {
    return work();
  } catch (thrown) {
    if (!isTold) {
      isTold = true;
      process.emitWarning(`OpenTelemetry's SDK in this process fails: ${reasonOf(thrown)}; what it was to be told is dropped`, { code: 'USB_TELEMETRY' });
    }
    return undefined;
  }
}

module.exports = { guarded };
