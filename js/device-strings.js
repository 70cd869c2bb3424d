'use strict';

const { checkedText } = require('./device-values.js');

/** All strings of a device together may take so many milliseconds. What has not come by then is empty. */
const PATIENCE_MS = 1000;

/**
 * Asks a device for strings by index.
 *
 * @param wanted `{ name, index }` of each
 * @param done is called once, possibly at once: `(null, texts)` with those that came, by name; or with ERR_USB_DEVICE for
 * what no device can have said
 */
function readStrings(device, { open, close, getStringDescriptor }, wanted, done) {
  const texts = {};
  let missing = wanted.length;
  let over = false;
  let isOpen = open !== undefined;
  let timer;

  // libusb refuses to close while it waits for the device: then the last answer that comes late closes it.
  const shut = () => {
    if (!isOpen || !close) return;
    try {
      quietly(Reflect.apply(close, device, []));
      isOpen = false;
    } catch {
      // The device has left meanwhile, or is asked still.
    }
  };
  const finish = (error) => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    shut();
    done(error, texts);
  };
  const answer = (name, index, error, text) => {
    missing -= 1;
    if (over) {
      if (missing === 0) shut();
      return;
    }
    try {
      if (!error && text !== undefined && text !== null) {
        texts[name] = checkedText(text, `device.getStringDescriptor(${index})`);
      }
    } catch (malformed) {
      finish(malformed);
      return;
    }
    if (missing === 0) finish(null);
  };
  const ask = ({ name, index }) => {
    if (over) return;
    let answered = false;
    const once = (error, text) => {
      if (answered) return;
      answered = true;
      answer(name, index, error, text);
    };
    try {
      quietly(Reflect.apply(getStringDescriptor, device, [index, once]));
    } catch (error) {
      once(error);
    }
  };

  try {
    if (open) quietly(Reflect.apply(open, device, []));
  } catch {
    done(null, texts);
    return;
  }
  wanted.forEach(ask);
  if (!over) timer = setTimeout(finish, PATIENCE_MS, null);
}

/** A promise where node-usb gives none: its rejection is not to end the process. */
function quietly(given) {
  if (given instanceof Promise) given.catch(() => {});
}

module.exports = { readStrings };
