// Three accounts of the same plugs, in one form, so that they can be laid side by side: the kernel's, JavaScript's and Redis's.

import { isTransition } from './observe.mjs';

const ACTIONS = { add: 'attach', remove: 'detach' };

/** What the kernel said, from the bed's ledger. */
export function kernelsAccount(ledger) {
  return ledger.map(({ action, busnum, devnum }) => `${ACTIONS[action]} ${busnum}:${devnum}`);
}

/** What USBDaemon said, from an observer's lines. */
export function javascriptsAccount(lines) {
  return lines
    .filter(isTransition)
    .map(({ event, value }) => `${event.slice('device:'.length)} ${value.location.busNumber}:${value.location.deviceAddress}`);
}

/** What stands in the stream. */
export function redisAccount(entries) {
  return entries.map(({ fields }) => `${fields.action} ${fields.bus_number}:${fields.device_address}`);
}

/**
 * An account with each device's events together, in their order. Between devices there is none: one whose driver still
 * probes is told after one that is ready.
 */
export function byDevice(account) {
  const place = (line) => line.split(' ')[1];
  return account.toSorted((a, b) => (place(a) < place(b) ? -1 : Number(place(a) > place(b))));
}

/** A redis-server in the guest; the daemon finds it at `port`. */
export class GuestRedis {
  port = 6379;
  #bed;

  static async start(bed) {
    const redis = new GuestRedis();
    redis.#bed = bed;
    const server = bed.spawn(['redis-server', '--port', String(redis.port), '--save', '', '--appendonly', 'no'], { cwd: '/tmp' });
    await server.waitForLine((line) => /ready to accept connections/i.test(line), { timeoutMs: 30_000 });
    return redis;
  }

  /** Every entry as `redis-cli XRANGE` gives it: `{ id, names, fields }`, `names` in their order. */
  async entries({ db = 0 } = {}) {
    const argv = ['redis-cli', '-p', String(this.port), '-n', String(db), '--json', 'XRANGE', 'aw:hotplug', '-', '+'];
    const { code, stdout, stderr } = await this.#bed.exec(argv, { cwd: '/' });
    if (code !== 0) throw new Error(`redis-cli in the guest: ${stderr || stdout}`);
    return JSON.parse(stdout).map(([id, flat]) => {
      const names = flat.filter((_, at) => at % 2 === 0);
      return { id, names, fields: Object.fromEntries(names.map((name, at) => [name, flat[2 * at + 1]])) };
    });
  }
}

/** Waits until Redis has acknowledged the event; the observer must have been started with `published`. */
export function acknowledged(observer, eventId, timeoutMs) {
  const match = ({ event, value }) => event === 'event:published' && value.eventId === eventId;
  return observer.waitFor(match, `${eventId} to be acknowledged by Redis`, { timeoutMs });
}

/** Every usb_device that the guest's sysfs shows now, as `bus:address`. */
export async function presentInSysfs(bed) {
  const { code, stdout, stderr } = await bed.shell('for at in /sys/bus/usb/devices/*/busnum; do echo $(cat $at):$(cat ${at%busnum}devnum); done', { cwd: '/' });
  if (code !== 0) throw new Error(`sysfs in the guest: ${stderr}`);
  return stdout.trim().split('\n');
}

export function addressOf({ location }) {
  return `${location.busNumber}:${location.deviceAddress}`;
}
