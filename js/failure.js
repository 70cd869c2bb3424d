'use strict';

/** An error with a stable code, as the addon's are. */
function coded(code, message, options) {
  return Object.assign(new Error(message, options), { code });
}

/** The JSON that the addon reads; what has none (a cycle, a BigInt, a getter that throws) is the caller's fault. */
function jsonOf(value, code, what) {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (cause) {
    throw coded(code, `${what} cannot be written as JSON: ${reasonOf(cause)}`, { cause });
  }
}

/** What somebody threw, in words. */
function reasonOf(thrown) {
  try {
    return String(thrown?.message || thrown);
  } catch {
    return 'something was thrown that has no text';
  }
}

module.exports = { coded, jsonOf, reasonOf };
