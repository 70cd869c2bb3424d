'use strict';

const { coded } = require('./failure.js');

/** A string descriptor's length is one byte. */
const LONGEST_TEXT = 255;

/** ERR_USB_DEVICE: where, what was found, what was expected. */
function malformed(path, found, expected) {
  return coded('ERR_USB_DEVICE', `${path} is ${shown(found)}: expected ${expected}`);
}

/** A value in a few words. Nothing of the value's own is called. */
function shown(value) {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `a text of ${value.length} characters` : JSON.stringify(value);
    case 'bigint':
      return 'a BigInt';
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    default:
      return String(value);
  }
}

/** A string that a device may have. The addon reads UTF-8, which knows no half of a surrogate pair. */
function checkedText(text, path) {
  if (typeof text !== 'string' || text.length > LONGEST_TEXT) {
    throw malformed(path, text, `a text of ${LONGEST_TEXT} characters at most`);
  }
  return text.toWellFormed();
}

module.exports = { checkedText, malformed, shown };
