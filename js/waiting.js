'use strict';

const { aborted, coded, notRunning } = require('./failure.js');

/**
 * The first device that `matches`, of those present or, failing that, of those that attach.
 *
 * @param audience that of a daemon's run
 */
function waitForDevice(audience, present, matches, limits) {
  return waiting(audience, limits, () => `no such device came within ${limits.timeout} ms`, (found) => {
    for (const device of present) if (matches(device) && found(device)) return {};
    return { transition: (type, device) => type === 'attach' && matches(device) && found(device) };
  });
}

/**
 * The first device that `matches` and may be used, with how it may be.
 *
 * @param told how far devices are of which that has been told
 */
function waitForReady(audience, told, matches, limits) {
  let obstacle;
  const late = () => `no such device was ready within ${limits.timeout} ms${obstacle ? `: ${obstacle}` : ''}`;
  return waiting(audience, limits, late, (found) => {
    const look = (ready) => {
      if (!matches(known(ready))) return false;
      if (ready.isReady) return found(ready);
      obstacle = `port ${ready.device.location.portPath}: ${ready.obstacles[0].detail}`;
      return false;
    };
    for (const ready of told) if (look(ready)) return {};
    return { ready: look };
  });
}

/** The device with all that is known of it by now: what it can do was not all known when it came. */
function known({ device, capabilities }) {
  const more = capabilities.filter((word) => !device.capabilities.includes(word));
  return more.length === 0 ? device : { ...device, capabilities: [...device.capabilities, ...more] };
}

/**
 * @param late says why there is nothing once the time is over
 * @param begin is given `found`, which ends the waiting, and gives what listens: what it throws, as a match of the caller's may, rejects
 */
function waiting(audience, { signal, timeout }, late, begin) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(signal));
      return;
    }
    let leave;
    let timer;
    const over = () => {
      leave?.();
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error) => {
      reject(error);
      over();
    };
    const onAbort = () => fail(aborted(signal));
    let isFound = false;
    const found = (value) => {
      isFound = true;
      resolve(value);
      over();
      return true;
    };
    const listeners = begin(found);
    if (isFound) return;
    // First: where this throws, nobody is left in the audience.
    signal?.addEventListener('abort', onAbort, { once: true });
    const guarded = (listen) => (...args) => {
      try {
        listen?.(...args);
      } catch (error) {
        fail(error);
      }
    };
    leave = audience.add({ transition: guarded(listeners.transition), ready: guarded(listeners.ready), end: () => fail(notRunning()) });
    if (timeout !== undefined) timer = setTimeout(() => fail(coded('ERR_USB_TIMEOUT', late())), timeout);
  });
}

module.exports = { waitForDevice, waitForReady };
