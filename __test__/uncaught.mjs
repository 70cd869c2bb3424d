// Uncaught exceptions, taken from the test runner for as long as a test lasts.

import { onTestFinished } from 'vitest';

/** Messages of those that come. */
export function uncaught() {
  const messages = [];
  const listeners = process.rawListeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => messages.push(error.message));
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  return messages;
}
