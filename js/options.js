'use strict';

const { readArgument } = require('./argument-reading.js');
const { badArgument } = require('./failure.js');
const { shown } = require('./device-values.js');
const { nearest } = require('./nearest.js');

/** The longest delay that a timer takes. */
const LONGEST_MS = 0x7fffffff;

/** Options of a call, whose keys are all known, each read once. Throws ERR_USB_ARGUMENT. */
function optionsOf(options, known) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) {
    throw badArgument(`options is ${shown(options)}: expected an object`);
  }
  for (const key of readArgument('options', () => Object.keys(options))) {
    if (!known.includes(key)) throw badArgument(`options.${key} is no known key: ${nearest(key, known)}`);
  }
  const found = Object.fromEntries(known.map((name) => [name, readArgument(`options.${name}`, () => options[name])]));
  const { signal, timeout } = found;
  if (signal !== undefined && !readArgument('options.signal', () => isSignal(signal))) {
    throw badArgument(`options.signal is ${shown(signal)}: expected an AbortSignal`);
  }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0 && timeout <= LONGEST_MS)) {
    throw badArgument(`options.timeout is ${shown(timeout)}: expected a number of ms from 0 to ${LONGEST_MS}`);
  }
  return found;
}

/** An AbortSignal of any realm. What is half a signal would fail where a wait ends, and the daemon's stop with it. */
function isSignal(value) {
  return (
    Object.prototype.toString.call(value) === '[object AbortSignal]' &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function' &&
    typeof value.removeEventListener === 'function'
  );
}

module.exports = { optionsOf };
