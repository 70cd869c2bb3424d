'use strict';

const { badArgument, reasonOf } = require('./failure.js');

/**
 * What `read` gives of a caller's argument. A getter or a proxy that throws is the caller's mistake like any other, which
 * `refuse` names.
 */
function readArgument(path, read, refuse = badArgument) {
  try {
    return read();
  } catch (cause) {
    throw refuse(`${path} cannot be read: ${reasonOf(cause).slice(0, 200)}`, { cause });
  }
}

module.exports = { readArgument };
