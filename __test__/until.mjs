// Waiting for something that announces itself nowhere: asked again and again until it holds, with a deadline.

import { setTimeout as pause } from 'node:timers/promises';

export async function until(holds, subject, { timeoutMs = 20_000 } = {}) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${subject}`);
    await pause(10);
  }
}
