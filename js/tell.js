'use strict';

/** Does something. What that throws is its owner's uncaught exception, and what comes after it is done all the same. */
function apart(work) {
  try {
    work();
  } catch (error) {
    throwLater(error);
  }
}

function throwLater(error) {
  process.nextTick(() => {
    throw error;
  });
}

/**
 * Calls each listener, as `emit` does. One that throws takes the event from no other, as it would in `emit`. And without a
 * listener for `error`, `emit` itself would throw: that is for errors of programs, not of a USB port.
 */
function tell(emitter, event, ...args) {
  const listeners = emitter.rawListeners(event);
  // Without a function for each, which would be new to the processor: this is on an event's way.
  for (let at = 0; at < listeners.length; at += 1) {
    try {
      Reflect.apply(listeners[at], emitter, args);
    } catch (error) {
      throwLater(error);
    }
  }
}

module.exports = { apart, tell, throwLater };
