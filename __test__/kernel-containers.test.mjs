// Real containers under a real kernel: what is heard in each mode, which source hears it, and that no right is needed for it.
// docs/CONTAINERS.md tells people what is shown here.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openQemuBed } from './beds/qemu/index.mjs';
import { prepareContainers, startContainer } from './containers/container.mjs';
import { MODES } from './containers/modes.mjs';
import { PROGRAM } from './containers/spec.mjs';
import { addressOf } from './kernel-witnesses.mjs';

const isTransition = ({ type }) => type === 'attach' || type === 'detach';
/**
 * So often at least is a device plugged, and until each container has had one with its strings. Where the driver keeps those for
 * half a second, as on a slow machine it does, the device is told without; so often at most.
 */
const PLUGS = { least: 2, most: 8 };

let bed;
let containers;
let rootHubs;
/** The addresses of the devices plugged, with their serial numbers. */
const plugged = new Map();

beforeAll(async () => {
  bed = await openQemuBed();
  await prepareContainers(bed);
  rootHubs = (await bed.shell('ls /sys/bus/usb/devices | grep -c ^usb', { cwd: '/' })).stdout.trim();
  containers = new Map((await Promise.all(MODES.map((mode, at) => startContainer(bed, mode, at)))).map((container) => [container.mode.name, container]));
  // Whoever is deaf finds that out with the first device.
  const heardWhole = ({ said }) => said.said.some((line) => isTransition(line) && plugged.has(addressOf(line.info)) && !line.info.partial);
  while (plugged.size < PLUGS.least || (plugged.size < PLUGS.most && ![...containers.values()].every(heardWhole))) {
    const serial = `PLUG-${plugged.size}`;
    const handle = await bed.plug({ kind: 'keyboard', controller: 0, port: '3', serial });
    const { busnum, devnum } = await bed.settle(handle, 'bind');
    const address = `${busnum}:${devnum}`;
    plugged.set(address, serial);
    const everywhere = (action) =>
      Promise.all([...containers.values()].map(({ said, mode }) => said.waitFor(({ type, info }) => type === action && addressOf(info) === address, `${action} of ${serial} in ${mode.name}`)));
    await everywhere('attach');
    await bed.unplug(handle);
    await everywhere('detach');
  }
  const partial = [...containers.values()].map(({ said }) => said.said.filter(({ type, info }) => type === 'attach' && info.partial).length);
  console.log(`${plugged.size} plugs; told without strings, by container: ${partial.join(' ')}`);
}, 400_000);
afterAll(() => bed?.close());

describe.each(MODES)('$name', (mode) => {
  const { name, backend, netlink, health, deviceNodes = false } = mode;
  let container;
  beforeAll(() => {
    container = containers.get(name);
  });

  it(`hears what comes and goes: ${backend} tells it`, () => {
    const { said } = container.said;
    const before = said.slice(0, said.findIndex(({ type }) => type === 'started')).filter(isTransition);
    expect(before).toHaveLength(Number(rootHubs));
    const after = said.filter(isTransition).slice(before.length);
    expect(after.map(({ type, info }) => `${type} ${addressOf(info)} ${info.backend}`)).toEqual(
      [...plugged.keys()].flatMap((address) => [`attach ${address} ${backend}`, `detach ${address} ${backend}`]),
    );
    expect(after.map(({ info }) => info.serialNumber)).toEqual(after.map(({ info }) => (info.partial ? undefined : plugged.get(addressOf(info)))));
    expect(after.filter(({ info }) => !info.partial).length, 'told with strings').toBeGreaterThan(0);
    expect(said.filter(({ type }) => type === 'gap')).toHaveLength(netlink === 'deaf' ? 1 : 0);
  });

  it(`says by its health check how it hears: netlink is ${netlink}, and the daemon ${health}`, async () => {
    const { code, status, sources } = await container.health();
    expect([code, status]).toEqual([0, health]);
    const states = Object.fromEntries(sources.map(({ source, state }) => [source, state]));
    const nodes = deviceNodes ? 'up' : 'unavailable';
    expect(states).toMatchObject({ netlink, snapshot: 'up', libusb: nodes, inotify: nodes });
  });

  it(`is told by its doctor ${netlink === 'deaf' ? 'why it is deaf' : 'of nothing in the way of uevents'}`, async () => {
    const { stdout } = await container.exec([process.execPath, PROGRAM, 'doctor', '--json']);
    const findings = stdout.trim().split('\n').map((line) => JSON.parse(line));
    expect(findings.find(({ subject }) => subject === 'namespaces').grade).toBe(netlink === 'deaf' ? 'warn' : 'ok');
  });

  it('needs no right: not root, no capability, the engine’s list of system calls, a root that is read-only', async () => {
    const tries = 'cat /proc/1/status; echo x >/app/x; echo x >/tmp/x; cat /dev/bus/usb/*/* | wc -c';
    const { stdout, stderr } = await container.exec(['sh', '-c', tries]);
    const field = (key) => stdout.match(new RegExp(`^${key}:\\s*(.*)$`, 'm'))[1];
    expect(field('Uid')).toBe(Array(4).fill(65532).join('\t'));
    expect(['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field)).toEqual(Array(5).fill('0000000000000000'));
    expect([field('NoNewPrivs'), field('Seccomp')]).toEqual(['1', '2']);
    expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(stdout.trim().split('\n').at(-1), 'bytes read from devices').toBe('0');
  });

  it('ends in good order as process 1 where it is told to', async () => {
    await container.kill('TERM');
    expect(await container.exit).toEqual({ code: 0, signal: null });
    expect(container.said.said.at(-1)).toEqual({ type: 'stopped' });
  });
});
