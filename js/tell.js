'use strict';

/** Does something. What that throws is its owner's uncaught exception, and what comes after it is done all the same. */
function apart(work) {
  try {
    work();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/**
 * Calls each listener, as `emit` does. One that throws takes the event from no other, as it would in `emit`. And without a
 * listener for `error`, `emit` itself would throw: that is for errors of programs, not of a USB port.
 */
function tell(emitter, event, ...args) {
  for (const listener of emitter.rawListeners(event)) apart(() => Reflect.apply(listener, emitter, args));
}

module.exports = { apart, tell };
