'use strict';

/** What has been thrown is its owner's uncaught exception, and what comes after it is done all the same. */
function throwLater(error) {
  process.nextTick(() => {
    throw error;
  });
}

/** Does something, and goes on where that throws. */
function apart(work) {
  try {
    work();
  } catch (error) {
    throwLater(error);
  }
}

/**
 * Calls each listener, as `emit` does. One that throws takes the event from no other, as it would in `emit`. And without a
 * listener for `error`, `emit` itself would throw: that is for errors of programs, not of a USB port.
 */
function tell(emitter, event, ...args) {
  for (const listener of emitter.rawListeners(event)) {
    try {
      Reflect.apply(listener, emitter, args);
    } catch (error) {
      throwLater(error);
    }
  }
}

module.exports = { apart, tell, throwLater };
