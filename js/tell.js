'use strict';

/**
 * Calls each listener, as `emit` does. One that throws is its owner's uncaught exception: `emit` would also take the
 * event from the listeners after it. And without a listener for `error`, `emit` itself would throw: that is for errors of
 * programs, not of a USB port.
 */
function tell(emitter, event, ...args) {
  for (const listener of emitter.rawListeners(event)) {
    try {
      Reflect.apply(listener, emitter, args);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

module.exports = { tell };
