// Every USB device that QEMU has: what its descriptors are, and what the daemon makes of them in a real kernel.
//
// crates/core/fixtures/qemu-descriptors.json has the bytes for Rust's tests, and the words that are expected of each. With
// USB_DAEMON_WRITE_FIXTURES=1 the bytes are written anew, of the QEMU that is here; the words stay, for whoever reads them to judge.

import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openQemuBed } from './beds/qemu/index.mjs';
import { checkout } from './beds/qemu/kernel.mjs';

const FIXTURE = new URL('../crates/core/fixtures/qemu-descriptors.json', import.meta.url);
const KINDS = ['keyboard', 'mouse', 'tablet', 'pen', 'braille', 'storage', 'uas', 'bulkOnly', 'serial', 'network', 'audio', 'mtp', 'smartcard', 'hub'];
const CONTROLLERS = 4;
const SETTLE_MS = 60_000;

let bed;
const found = new Map();

beforeAll(async () => {
  bed = await openQemuBed({ udev: false, controllers: CONTROLLERS });
  const handles = [];
  for (const [at, kind] of KINDS.entries()) handles.push(await bed.plug({ kind, controller: at % CONTROLLERS, port: String(Math.floor(at / CONTROLLERS) + 1) }));
  for (const handle of handles) {
    await bed.settle(handle, 'bind', SETTLE_MS);
    found.set(handle.kind, { handle, ...(await bytesOf(handle.name)) });
  }
});
afterAll(() => bed?.close());

/** The raw descriptors of a device, and of its HID interfaces the report descriptors, all in hex. */
async function bytesOf(name) {
  const device = `/sys/bus/usb/devices/${name}`;
  const { stdout } = await bed.shell(`for file in ${device}/descriptors ${device}/${name}:*/0003:*/report_descriptor; do [ -e "$file" ] && od -An -v -tx1 "$file" | tr -d ' \\n' && echo; done`);
  const [descriptors, ...reports] = stdout.split('\n').filter(Boolean);
  return { descriptors, reports };
}

function fixture() {
  try {
    return JSON.parse(readFileSync(FIXTURE, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' && process.env.USB_DAEMON_WRITE_FIXTURES) return [];
    throw error;
  }
}

it('has in its fixture every USB device of QEMU', () => {
  const known = new Map(fixture().map((entry) => [entry.kind, entry]));
  if (process.env.USB_DAEMON_WRITE_FIXTURES) {
    const entries = KINDS.map((kind) => {
      const { capabilities = [], report_capabilities = [] } = known.get(kind) ?? {};
      const { descriptors, reports } = found.get(kind);
      return { kind, descriptors, capabilities, reports, report_capabilities };
    });
    writeFileSync(FIXTURE, `${JSON.stringify(entries, null, 1)}\n`);
    return;
  }
  expect([...known.keys()]).toEqual(KINDS);
  for (const kind of KINDS) {
    // Of another QEMU the release may be another one; how many HID interfaces there are tells that they were read.
    expect(found.get(kind).reports, kind).toHaveLength(known.get(kind).reports.length);
  }
});

it('lists each with what it can do', async () => {
  const { stdout, stderr, code } = await bed.exec([process.execPath, `${checkout}/bin/usb-daemon.js`, 'list', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const listed = stdout.trim().split('\n').map((line) => JSON.parse(line));
  const words = Object.fromEntries(KINDS.map((kind) => {
    const { busnum, devnum } = found.get(kind).handle;
    const device = listed.find(({ location }) => location.busNumber === Number(busnum) && location.deviceAddress === Number(devnum));
    return [kind, device?.capabilities];
  }));
  expect(words).toEqual(Object.fromEntries(fixture().map(({ kind, capabilities }) => [kind, capabilities])));
});
