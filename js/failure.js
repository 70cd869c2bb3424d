'use strict';

/** An error with a stable code, as the addon's are. */
function coded(code, message, options) {
  return Object.assign(new Error(message, options), { code });
}

/** What the addon answers later: a value, or why there is none. */
async function answered(asked) {
  const { value, code, message } = JSON.parse(await asked);
  if (code !== undefined) throw coded(code, message);
  return value;
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

function notRunning() {
  return coded('ERR_USB_NOT_RUNNING', 'the daemon is not running: call start() first');
}

/** The caller's mistake in an argument: a TypeError with a code. */
function badArgument(message, options) {
  return Object.assign(new TypeError(message, options), { code: 'ERR_USB_ARGUMENT' });
}

/** What Node's own functions throw when a signal has been aborted. */
function aborted(signal) {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

module.exports = { aborted, answered, badArgument, coded, jsonOf, notRunning, reasonOf };
