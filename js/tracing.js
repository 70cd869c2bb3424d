'use strict';

const { readArgument } = require('./argument-reading.js');
const { coded } = require('./failure.js');
const { shown } = require('./device-values.js');
const { nearest } = require('./nearest.js');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

const refused = (message, options) => coded('ERR_USB_CONFIG', message, options);

/** `initializeTracing` of an addon. This one has no logs to set as yet: options are checked, and have no effect. */
function tracingOf(addon) {
  return function initializeTracing(options = {}) {
    if (typeof options !== 'object' || options === null) {
      throw refused(`options is ${shown(options)}: expected an object`);
    }
    const { keys, level } = readArgument('options', () => ({ keys: Object.keys(options), level: options.level }), refused);
    for (const key of keys) {
      if (key !== 'level') throw refused(`${key} is no known key: ${nearest(key, ['level'])}`);
    }
    if (level !== undefined && !LEVELS.includes(level)) {
      throw refused(`level is ${shown(level)}: expected one of ${LEVELS.join(', ')}`);
    }
    // LOG_LEVEL is other programs' as well: a level that is only theirs is no mistake.
    const environment = process.env.LOG_LEVEL?.toLowerCase();
    const inForce = level ?? (LEVELS.includes(environment) ? environment : 'info');
    addon.initializeTracing?.(JSON.stringify({ level: inForce }));
  };
}

module.exports = { tracingOf };
