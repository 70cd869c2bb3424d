'use strict';

const { coded, reasonOf } = require('./failure.js');
const { shown } = require('./device-values.js');
const { nearest } = require('./nearest.js');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

/** `initializeTracing` of an addon. This one has no logs to set as yet: options are checked, and have no effect. */
function tracingOf(addon) {
  return function initializeTracing(options = {}) {
    if (typeof options !== 'object' || options === null) {
      throw coded('ERR_USB_CONFIG', `options is ${shown(options)}: expected an object`);
    }
    const { keys, level } = read(options);
    for (const key of keys) {
      if (key !== 'level') throw coded('ERR_USB_CONFIG', `${key} is no known key: ${nearest(key, ['level'])}`);
    }
    if (level !== undefined && !LEVELS.includes(level)) {
      throw coded('ERR_USB_CONFIG', `level is ${shown(level)}: expected one of ${LEVELS.join(', ')}`);
    }
    // LOG_LEVEL is other programs' as well: a level that is only theirs is no mistake.
    const environment = process.env.LOG_LEVEL?.toLowerCase();
    const inForce = level ?? (LEVELS.includes(environment) ? environment : 'info');
    addon.initializeTracing?.(JSON.stringify({ level: inForce }));
  };
}

/** A getter or a proxy that throws is the caller's mistake like any other. */
function read(options) {
  try {
    return { keys: Object.keys(options), level: options.level };
  } catch (cause) {
    throw coded('ERR_USB_CONFIG', `options cannot be read: ${reasonOf(cause).slice(0, 200)}`, { cause });
  }
}

module.exports = { tracingOf };
