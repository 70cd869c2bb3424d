'use strict';

const { EventEmitter } = require('node:events');

/** What adds or removes listeners; `once` and its like do it by one of these. */
const CHANGING = ['addListener', 'on', 'prependListener', 'removeListener', 'off', 'removeAllListeners'];

/**
 * Has `changed(emitter, event)` called after listeners of `event` have come or gone; of every event, where that is undefined.
 * Not by a listener for `newListener`, which would be everybody's to see and to remove.
 */
function watchListeners(prototype, changed) {
  for (const name of CHANGING) {
    const inherited = EventEmitter.prototype[name];
    const watched = function (...args) {
      Reflect.apply(inherited, this, args);
      changed(this, args[0]);
      return this;
    };
    Object.defineProperty(prototype, name, { value: watched, writable: true, configurable: true });
  }
}

module.exports = { watchListeners };
