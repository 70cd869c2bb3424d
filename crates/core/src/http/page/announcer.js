// What a screen reader is told by itself: sums now and then, not each event.

import { count, nameOf } from './text.js';

const LEAST_PAUSE_MS = 8000;

export function announcer(region, model) {
  let came = [];
  let left = [];
  let said = 0;
  let timer = null;

  function speak() {
    timer = null;
    if (came.length + left.length === 0) return;
    const parts = [sentence(came, 'came'), sentence(left, 'left')].filter(Boolean);
    region.textContent = `${parts.join(', ')}. ${count(model.devices.length, 'device')} connected.`;
    [came, left, said] = [[], [], Date.now()];
  }

  return {
    /** A device has come or left. */
    heard({ kind, data }) {
      if (document.hidden) return;
      // Of a flood only the number is said, so only so much is kept.
      (kind === 'attach' ? came : left).push(data.device);
      timer ??= setTimeout(speak, Math.max(1000, said + LEAST_PAUSE_MS - Date.now()));
    },
  };
}

function sentence(devices, verb) {
  if (devices.length === 0) return '';
  return devices.length === 1 ? `${nameOf(devices[0], 60)} ${verb}` : `${count(devices.length, 'device')} ${verb}`;
}
