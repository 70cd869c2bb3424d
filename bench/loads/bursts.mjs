// What is sent flat out, at a rate, to a process that stands still, or at fifty places at once.

import { standStill } from '../../__test__/stand-still.mjs';

export const RATES = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, null];

const FIFTY = Array.from({ length: 50 }, (_, at) => `${(at % 4) + 1}-${Math.floor(at / 4) + 1}`);

/** Row to what sends it. */
export const BURSTS = {
  'lost of 2,000, entry gone': (bed) => bed.burst({ pairs: 1_000, entry: 'removed' }),
  'lost of 20,000, entries kept': (bed) => bed.burst({ pairs: 10_000, entry: 'kept' }),
  'kept of 2,000 over a SIGSTOP': (bed, subject) => whileStopped(subject, () => bed.burst({ pairs: 1_000, entry: 'kept' })),
  'last of 50 at once, ms': (bed) => bed.burst({ pairs: 50, names: FIFTY, entry: 'kept' }),
};

/** 2,000 events at a rate, or flat out. */
export const atRate = (rate) => (bed) => bed.burst({ pairs: 1_000, entry: 'kept', ...(rate === null ? {} : { rate_per_second: rate }) });

/** More than a small buffer of our own takes, and two devices that are left. */
export const overflowing = (bed, subject) =>
  whileStopped(subject, async () => {
    await bed.burst({ pairs: 1_000, entry: 'removed', name: '1-2' });
    for (const port of ['14', '15']) await bed.plug({ kind: 'keyboard', controller: 1, port });
  });

async function whileStopped(subject, send) {
  await standStill(subject);
  await send();
  subject.kill('SIGCONT');
}
