// What a screen reader is told by itself: sums now and then, not each event.

import { count, nameOf } from './text.js';

const LEAST_PAUSE_MS = 8000;

export function announcer(region, model) {
  let [came, left] = [nobody(), nobody()];
  let said = 0;
  let timer = null;

  function speak() {
    timer = null;
    const parts = [sentence(came, 'came'), sentence(left, 'left')].filter(Boolean);
    region.textContent = `${parts.join(', ')}. ${count(model.devices.length, 'device')} connected.`;
    [came, left, said] = [nobody(), nobody(), Date.now()];
  }

  return {
    /** A device has come or left. */
    heard({ kind, data }) {
      if (document.hidden) return;
      const sum = kind === 'attach' ? came : left;
      sum.count += 1;
      sum.last = data.device;
      timer ??= setTimeout(speak, Math.max(1000, said + LEAST_PAUSE_MS - Date.now()));
    },
  };
}

/** Of a flood only the number is said, so no more is kept. */
function nobody() {
  return { count: 0, last: null };
}

function sentence({ count: many, last }, verb) {
  if (many === 0) return '';
  return many === 1 ? `${nameOf(last, 60)} ${verb}` : `${count(many, 'device')} ${verb}`;
}
