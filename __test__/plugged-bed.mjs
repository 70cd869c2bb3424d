// A USB tree for one test, with devices on it from the beginning.

import { onTestFinished } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';

/** Opens the bed, plugs these devices, and closes it once the test has finished. */
export async function openPlugged(devices, options) {
  const bed = await openNamespaceBed(options);
  onTestFinished(() => bed.close());
  for (const device of devices) await bed.plug(device);
  return bed;
}
