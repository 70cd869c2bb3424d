'use strict';

const { NativeLogLevel } = require('./native.js');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

let level = null;

/** LOG_LEVEL is other programs' as well: a level that is only theirs is no mistake. */
function levelOfEnvironment() {
  const named = process.env.LOG_LEVEL?.toLowerCase();
  return LEVELS.includes(named) ? named : 'info';
}

/** One for all logs of this thread of JavaScript's; LOG_LEVEL is looked at when the first of them is made. */
function logLevel() {
  level ??= new NativeLogLevel(levelOfEnvironment());
  return level;
}

function setLogLevel(name) {
  logLevel().set(name);
}

module.exports = { LEVELS, levelOfEnvironment, logLevel, setLogLevel };
