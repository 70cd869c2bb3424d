// docs/MIGRATING.md: what is written there for npm usb 2 does with npm usb 2, in a real kernel with udevd, what stands under it.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openQemuBed } from './beds/qemu/index.mjs';
import { argumentsFor, examples, has } from './migrating-page.mjs';
import { installPeer } from './peer-usb2.mjs';
import { until } from './until.mjs';

const PATIENCE_MS = 60_000;
/** The longest that a plug may stay unanswered before it is taken for one that came too early. */
const UNANSWERED_MS = 5_000;

let bed;
let cwd;
beforeAll(async () => {
  cwd = join(await installPeer(), '../..');
  bed = await openQemuBed({ udev: true, controllers: 1 });
}, 2 * PATIENCE_MS);
afterAll(() => bed?.close());

function start({ title, before, prints }) {
  const program = bed.spawn([process.execPath, ...argumentsFor(before)], { cwd });
  const lines = [];
  const read = (async () => {
    for await (const line of program.stdout) lines.push(line);
  })();
  // Without strings, which usb 2 does not have at a detach, and which the second example does not ask for.
  const wanted = before.includes('getStringDescriptor') ? prints : prints.replaceAll(' A1B2C3', '');
  return { title, program, lines, read, wanted: wanted.trimEnd().split('\n') };
}

it('both programs for usb 2 print what stands there of a plug and a pull', async () => {
  const programs = examples().filter(({ before }) => before.includes("require('usb')")).map(start);
  expect(programs).toHaveLength(2);
  const answered = (counts) => until(() => programs.every(({ lines }, at) => lines.length > counts[at]), 'a line of each', { timeoutMs: UNANSWERED_MS }).catch(() => {});
  await until(async () => {
    for (const { program } of programs) expect(program.running, program.stderrText()).toBe(true);
    const counts = programs.map(({ lines }) => lines.length);
    const handle = await bed.plug({ kind: 'serial', controller: 0, port: '2', serial: 'A1B2C3' });
    await bed.settle(handle, 'bind');
    await answered(counts);
    await bed.unplug(handle);
    await bed.settle(handle, 'gone');
    await answered(counts.map((count) => count + 1));
    return programs.every(({ lines, wanted }) => has(lines, wanted));
  }, 'each program to print what it says', { timeoutMs: PATIENCE_MS });
  for (const { title, program, lines, wanted } of programs) {
    expect({ title, others: lines.filter((line) => !wanted.includes(line)), stderr: program.stderrText() }).toEqual({ title, others: [], stderr: '' });
    program.kill('SIGKILL');
  }
  await Promise.all(programs.map(({ program, read }) => Promise.all([program.exit, read])));
}, 3 * PATIENCE_MS);
