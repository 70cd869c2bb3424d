'use strict';

const { aborted, coded, notRunning } = require('./failure.js');

/**
 * The first device that `matches`, of those present or, failing that, of those that attach.
 *
 * @param audience that of a daemon's run
 */
function waitForDevice(audience, present, matches, { signal, timeout }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(signal));
      return;
    }
    // What throws in here, as a match of the caller's may, rejects.
    for (const device of present) {
      if (matches(device)) {
        resolve(device);
        return;
      }
    }
    const over = () => {
      leave();
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error) => {
      reject(error);
      over();
    };
    const onAbort = () => fail(aborted(signal));
    // First: where this throws, nobody is left in the audience.
    signal?.addEventListener('abort', onAbort, { once: true });
    const leave = audience.add({
      transition(type, device) {
        if (type !== 'attach') return;
        try {
          if (!matches(device)) return;
        } catch (error) {
          fail(error);
          return;
        }
        resolve(device);
        over();
      },
      end: () => fail(notRunning()),
    });
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => fail(coded('ERR_USB_TIMEOUT', `no such device came within ${timeout} ms`)), timeout);
  });
}

module.exports = { waitForDevice };
