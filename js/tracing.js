'use strict';

const { readArgument } = require('./argument-reading.js');
const { warn } = require('./config.js');
const { coded } = require('./failure.js');
const { shown } = require('./device-values.js');
const { LEVELS, levelOfEnvironment } = require('./log-level.js');
const { nearest } = require('./nearest.js');

const KEYS = ['level', 'otlp'];

const refused = (message, options) => coded('ERR_USB_CONFIG', message, options);

/**
 * `initializeTracing`: `setLevel` makes a level that of all logs; `startTelemetry` has daemons that start from now on export, and gives what is
 * wrong with that.
 */
function tracingOf(setLevel, startTelemetry = () => []) {
  return function initializeTracing(options = {}) {
    if (typeof options !== 'object' || options === null) {
      throw refused(`options is ${shown(options)}: expected an object`);
    }
    const { keys, level, otlp } = readArgument('options', () => ({ keys: Object.keys(options), level: options.level, otlp: options.otlp }), refused);
    for (const key of keys) {
      if (!KEYS.includes(key)) throw refused(`${key} is no known key: ${nearest(key, KEYS)}`);
    }
    if (level !== undefined && !LEVELS.includes(level)) {
      throw refused(`level is ${shown(level)}: expected one of ${LEVELS.join(', ')}`);
    }
    if (otlp !== undefined && typeof otlp !== 'boolean') throw refused(`otlp is ${shown(otlp)}: expected true or false`);
    setLevel(level ?? levelOfEnvironment());
    warn(startTelemetry({ otlp: otlp ?? true }));
  };
}

module.exports = { tracingOf };
