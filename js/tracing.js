'use strict';

const { readArgument } = require('./argument-reading.js');
const { coded } = require('./failure.js');
const { shown } = require('./device-values.js');
const { LEVELS, levelOfEnvironment } = require('./log-level.js');
const { nearest } = require('./nearest.js');

const refused = (message, options) => coded('ERR_USB_CONFIG', message, options);

/** `initializeTracing`, which has `setLevel` make a level that of all logs. */
function tracingOf(setLevel) {
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
    setLevel(level ?? levelOfEnvironment());
  };
}

module.exports = { tracingOf };
