'use strict';

const { badArgument } = require('./failure.js');
const { shown } = require('./device-values.js');
const { nearest } = require('./nearest.js');

/** The longest delay that a timer takes. */
const LONGEST_MS = 0x7fffffff;

/** Options of a call, whose keys are all known. Throws ERR_USB_ARGUMENT. */
function optionsOf(options, known) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) {
    throw badArgument(`options is ${shown(options)}: expected an object`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw badArgument(`options.${key} is no known key: ${nearest(key, known)}`);
  }
  const { signal, timeout } = options;
  if (signal !== undefined && !(typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function')) {
    throw badArgument(`options.signal is ${shown(signal)}: expected an AbortSignal`);
  }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0 && timeout <= LONGEST_MS)) {
    throw badArgument(`options.timeout is ${shown(timeout)}: expected a number of ms from 0 to ${LONGEST_MS}`);
  }
  return options;
}

module.exports = { optionsOf };
