// A real kernel with a udevd whose rules are slow, and a program in it that has each node opened once `device:ready` names it.

import { fileURLToPath } from 'node:url';

import { openQemuBed } from './beds/qemu/index.mjs';
import { bringInVhci, saidBy } from './guest-shell.mjs';
import { observing } from './observe.mjs';

/** Of the daemon in the guest. */
export const config = { redis: false, monitoring: { enabled: false }, ready: { timeout_ms: 120_000 } };
/** A plug with slow rules takes a second or two; a machine that is shared may take many times that. Longer than the daemon's own: it says what stood in the way. */
export const PLUG_LIMIT_MS = config.ready.timeout_ms + 30_000;
const opener = fileURLToPath(new URL('./ready-opener.cjs', import.meta.url));

/**
 * Before the rules say whose a node is, and once more after its links are there. Nodes wait longer: of a device that is probed for long the attach itself comes
 * late, and whoever does not wait for udev has to be caught on a busy machine, too.
 */
const SLOW_RULES = [
  'ACTION!="remove", SUBSYSTEM=="usb|net|scsi_generic", PROGRAM="/bin/sleep 0.15"',
  'ACTION!="remove", SUBSYSTEM=="tty|block|input|hidraw|sound", PROGRAM="/bin/sleep 1"',
  'ACTION!="remove", SUBSYSTEM=="tty|block|input|hidraw|sound", RUN+="/bin/sleep 0.1"',
].join('\n');

/** Opens the bed with these modules in, and starts the program, whose daemon has the configuration `daemon`. */
export async function openReadyBed({ modules, daemon = config, ...options }) {
  const bed = await openQemuBed({ udev: true, ...options });
  await bed.loadModule(...modules);
  // Dozens of root hubs, which are there before the rules are slow.
  await bringInVhci(bed);
  await saidBy(bed, `mkdir -p /etc/udev/rules.d && cat > /etc/udev/rules.d/01-slow.rules <<'END'\n${SLOW_RULES}\nEND\nudevadm control --reload`);
  const ready = new ReadyBed(bed, await openingAll(bed, daemon));
  await ready.observer.ask('start');
  return ready;
}

/** The program that has nodes opened; it does not listen yet. */
export function openingAll(bed, own = config) {
  return observing(bed, [process.execPath, opener, JSON.stringify({ config: own })]);
}

export class ReadyBed {
  constructor(bed, observer) {
    this.bed = bed;
    this.observer = observer;
  }

  /** Plugs what `plug` plugs, and waits until it is ready. */
  async plugged(plug, subject = 'it') {
    // Addresses come again.
    const since = this.observer.said.length;
    const handle = await plug();
    await this.bed.settle(handle, 'bind', PLUG_LIMIT_MS);
    const ready = await this.observer.waitFor(isAbout('device:ready', handle), `${subject} to be ready`, { since, timeoutMs: PLUG_LIMIT_MS });
    return { handle, ready };
  }

  async pulled(handle) {
    const since = this.observer.said.length;
    await this.bed.unplug(handle);
    await this.bed.settle(handle, 'gone', PLUG_LIMIT_MS);
    await this.observer.waitFor(isAbout('device:detach', handle), 'its detach', { since, timeoutMs: PLUG_LIMIT_MS });
  }

  close() {
    return this.bed.close();
  }
}

/** Tells a line of the program's about the device of this handle. */
export function isAbout(event, handle) {
  return (line) => line.event === event && addressOf(line) === `${handle.busnum}:${handle.devnum}`;
}

/** Bus and address of the device that a line is about. */
export function addressOf({ event, value }) {
  const { location } = event === 'device:ready' ? value.device : value;
  return `${location.busNumber}:${location.deviceAddress}`;
}

/** The kinds of what stands in the way. */
export const reasonsOf = ({ value }) => value.obstacles.map(({ reason }) => reason);

/** What must hold of all that has been said: each device attaches, is ready once, and detaches. Gives how often those were ready that are there still. */
export function checkOrder(said) {
  const open = new Map();
  for (const line of said.filter(({ event }) => event?.startsWith('device:'))) {
    const at = addressOf(line);
    if (line.event === 'device:attach') {
      if (open.has(at)) throw new Error(`${at} has attached twice`);
      open.set(at, 0);
    } else {
      if (!open.has(at)) throw new Error(`${line.event} of ${at}, which is not there`);
      if (line.event === 'device:ready') open.set(at, open.get(at) + 1);
      if (line.event !== 'device:detach') continue;
      if (open.get(at) !== 1) throw new Error(`${at} was ready ${open.get(at)} times`);
      open.delete(at);
    }
  }
  return [...open.values()];
}
