// A real kernel with a udevd whose rules are slow: once `device:ready` has been told, every node that it names can be opened.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { seriesOf } from './exposition.mjs';
import { fetched, saidBy } from './guest-shell.mjs';
import { observe } from './observe.mjs';
import { PLUG_LIMIT_MS, checkOrder, config, isAbout, openReadyBed, openingAll, reasonsOf } from './ready-bed.mjs';

const PLUGS = Number(process.env.USB_DAEMON_READY_PLUGS ?? 12);
const PULLED = 4;
const CONTROLLERS = 4;
/** What each kind of device is there for. */
const NODES = { keyboard: 'input', storage: 'block', serial: 'tty', tablet: 'hidraw' };
const KINDS = Object.keys(NODES);
const [PORT, PORT_OF_NOBODY] = [8097, 8098];
const cli = fileURLToPath(new URL('../bin/usb-daemon.js', import.meta.url));

/** A serial line of two interfaces that an association joins, and one of the maker's own, with a name. */
const COMPOSITE = [
  ['0902620003010080fa', '080b000202020100', '0904000001020201000524001001', '0424020205240600010524010001', '0705830308000a'].join(''),
  ['09040100020a000000', '0705020200020007058102000200', '0904020000ff000004'].join(''),
].join('');

describe('readiness in a real kernel with a udevd whose rules are slow', () => {
  let readyBed;
  let bed;
  let observer;

  beforeAll(async () => {
    const watched = { ...config, monitoring: { healthcheck_port: PORT } };
    readyBed = await openReadyBed({ controllers: CONTROLLERS, modules: ['cdc_ether', 'cdc_acm'], daemon: watched });
    ({ bed, observer } = readyBed);
  }, 120_000);
  afterAll(() => readyBed?.close());

  const plugged = (request) => readyBed.plugged(() => bed.plug(request), request.kind);
  const synthetic = (description) => readyBed.plugged(() => bed.plugSynthetic(description));
  const pulled = (handle) => readyBed.pulled(handle);

  it(`names nodes that can be opened at once by those whom they belong to, ${PLUGS} times out of ${PLUGS}`, async () => {
    const failures = [];
    let [next, opened, slowest] = [0, 0, 0];
    await Promise.all(
      Array.from({ length: CONTROLLERS }, async (_, controller) => {
        for (let plug = next++; plug < PLUGS; plug = next++) {
          const kind = KINDS[plug % KINDS.length];
          const { handle, ready } = await plugged({ kind, controller, port: String(1 + (plug % 3)), serial: `READY-${plug}` });
          failures.push(...ready.opened.filter(({ failure }) => failure));
          const node = ready.value.nodes.find(({ subsystem, path }) => subsystem === NODES[kind] && path);
          expect(ready.value, kind).toMatchObject({ isReady: true, obstacles: [] });
          expect(node, `${kind}: ${JSON.stringify(ready.value.nodes)}`).toBeDefined();
          expect(ready.value.device).toMatchObject({ serialNumber: `READY-${plug}` });
          // Its codes do not say what a tablet is; its report descriptor does.
          if (kind === 'tablet') expect([ready.value.device.capabilities, ready.value.capabilities]).toEqual([['hid:other'], ['hid:mouse']]);
          if (kind === 'storage' || kind === 'serial') expect(node.links.join(' ')).toContain(`READY-${plug}`);
          opened += ready.opened.length;
          slowest = Math.max(slowest, ready.value.elapsedMs);
          await pulled(handle);
        }
      }),
    );
    expect(failures).toEqual([]);
    // Two at least of each device: its own node, and what it is there for.
    expect(opened).toBeGreaterThanOrEqual(2 * PLUGS);
    console.log(`${PLUGS} plugs, ${opened} nodes opened, the slowest ready after ${slowest.toFixed(0)} ms`);
  }, PLUGS * PLUG_LIMIT_MS);

  it('tells of readiness once, after the attach and before the detach', () => {
    expect(observer.said.filter(({ event }) => event === 'device:attach').length).toBeGreaterThanOrEqual(PLUGS + 2 * CONTROLLERS);
    // What is there still are the root hubs, which were there at the start.
    expect(new Set(checkOrder(observer.said))).toEqual(new Set([1]));
  });

  it('has its figures: how long each plug took, and nothing that stands in the way', async () => {
    const series = seriesOf(await fetched(bed, PORT, '/metrics'));
    const took = observer.said.filter(({ event }) => event === 'device:ready').filter(({ value }) => value.device.synthetic === undefined).map(({ value }) => value.elapsedMs / 1000);
    expect(took.length).toBeGreaterThan(0);
    expect(series.get('usb_ready_duration_seconds_count')).toBe(took.length);
    expect(series.get('usb_ready_duration_seconds_sum')).toBeCloseTo(took.reduce((sum, one) => sum + one, 0), 3);
    const all = observer.said.filter(({ event, value }) => event === 'device:ready' && value.isReady);
    expect(series.get('usb_ready_reports_total{outcome="ready"}')).toBe(all.length);
    const others = [...series].filter(([name]) => /^usb_(devices_not_ready|ready_reports_total)\{/.test(name) && !name.includes('"ready"'));
    expect(others).toHaveLength(12);
    expect(others.filter(([, value]) => value !== 0)).toEqual([]);
  });

  it('has the driver of each interface, and a network interface without a node', async () => {
    const { handle, ready } = await plugged({ kind: 'network', controller: 0, port: '1' });
    const net = ready.value.nodes.find(({ subsystem }) => subsystem === 'net');
    expect(net).toMatchObject({ driver: 'cdc_ether', interface: 0 });
    expect(net.path).toBeUndefined();
    // By then udev has given it its name.
    await saidBy(bed, `test -e /sys/class/net/${net.name}`);
    expect(ready.value.interfaces.map(({ driver }) => driver)).toEqual(['cdc_ether', 'cdc_ether']);
    await pulled(handle);
  });

  it('is ready without a driver where only a program can drive it', async () => {
    const { handle, ready } = await synthetic({ strings: ['Maker', 'Thing', 'S-1'] });
    expect(ready).toMatchObject({ value: { isReady: true, interfaces: [{ number: 0, class: 255 }], nodes: [{ subsystem: 'usb' }] }, opened: [{}] });
    expect(ready.opened[0].failure).toBeUndefined();
    await pulled(handle);
  });

  it('has both drivers and programs in one composite device', async () => {
    const { handle, ready } = await synthetic({ configurations: [COMPOSITE], strings: ['Maker', 'Composite', 'S-2', 'MTP'] });
    expect(ready.value.interfaces).toEqual([
      { number: 0, class: 2, driver: 'cdc_acm' },
      { number: 1, class: 10, driver: 'cdc_acm' },
      { number: 2, class: 255 },
    ]);
    expect(ready.value).toMatchObject({ isReady: true, capabilities: ['serial:cdc-acm', 'vendor:other', 'image:mtp'] });
    // Its string, which nothing has at the attach.
    expect(ready.value.device.capabilities).toEqual(['serial:cdc-acm', 'vendor:other']);
    expect(ready.value.nodes.map(({ name, interface: number }) => [name, number])).toEqual([[handle.name, undefined], ['ttyACM0', 0]]);
    // It can be asked for all the same.
    const { code, stdout } = await bed.exec([process.execPath, cli, 'wait', '--ready', '--capability', 'image:mtp', '--timeout', '60s', '--json']);
    expect([code, JSON.parse(stdout).device.serialNumber]).toEqual([0, 'S-2']);
    await pulled(handle);
  });

  it(`tells nothing of one that is pulled before that, ${PULLED} times`, async () => {
    const since = observer.said.length;
    for (let round = 0; round < PULLED; round += 1) {
      const handle = await bed.plug({ kind: 'storage', controller: 1, port: '2', serial: `PULLED-${round}` });
      await bed.settle(handle, 'bind');
      await observer.waitFor(isAbout('device:attach', handle), 'its attach', { since });
      await pulled(handle);
    }
    const said = observer.said.slice(since).map(({ event }) => event);
    expect(said).toEqual(Array(PULLED).fill(['device:attach', 'device:detach']).flat());
  }, 120_000);

  it('is waited for by the command line, which prints the nodes', async () => {
    const waiting = bed.exec([process.execPath, cli, 'wait', '--ready', '--serial', 'CLI-1', '--json', '--timeout', '60s']);
    const handle = await bed.plug({ kind: 'serial', controller: 3, port: '1', serial: 'CLI-1' });
    await bed.settle(handle, 'bind');
    const { code, stdout, stderr } = await waiting;
    expect([code, stderr]).toEqual([0, '']);
    const ready = JSON.parse(stdout);
    expect(ready).toMatchObject({ isReady: true, device: { serialNumber: 'CLI-1' } });
    expect(ready.nodes.find(({ subsystem }) => subsystem === 'tty')).toMatchObject({ driver: 'ftdi_sio', mode: 0o660, gid: 20, access: 'read-write' });
    // One that is ready already will do; of a line for people, too.
    const again = await bed.exec([process.execPath, cli, 'wait', '--ready', '--serial', 'CLI-1', '--timeout', '60s']);
    expect(again.stdout).toMatch(/ ready  .* port 1 .* after \d+ ms .*\/dev\/ttyUSB\d/);
    await pulled(handle);
  }, 120_000);

  it('says whom the nodes shut out, as soon as udev has nothing more to give, over HTTP as well', async () => {
    const monitoring = { healthcheck_port: PORT_OF_NOBODY };
    const nobody = await observe(bed, { config: { ...config, monitoring }, user: 'nobody', only: ['device:ready', 'error', 'log'] });
    await nobody.ask('start');
    const handle = await bed.plug({ kind: 'serial', controller: 2, port: '1', serial: 'SHUT' });
    await bed.settle(handle, 'bind');
    const ready = await nobody.waitFor(isAbout('device:ready', handle), 'what stands in the way', { timeoutMs: PLUG_LIMIT_MS });
    expect(reasonsOf(ready)).toEqual(['no-permission']);
    expect(ready.value.obstacles[0].detail).toMatch(/^the user with ID 65534 may open none of \/dev\/ttyUSB\d \(0660, user 0, group 20\)$/);
    expect(ready.value).toMatchObject({ isReady: false });
    const { device, ...readiness } = ready.value;
    const isItsLine = ({ event, value }) => event === 'log' && value.message === 'not ready' && value.eventId === device.eventId;
    const { value: line } = await nobody.waitFor(isItsLine, 'a line of the log');
    expect(line).toMatchObject({ level: 'info', fields: { port: handle.name, obstacles: ready.value.obstacles[0].detail } });
    const series = seriesOf(await fetched(bed, PORT_OF_NOBODY, '/metrics'));
    const shut = nobody.of('device:ready').filter((told) => reasonsOf(told).includes('no-permission')).length;
    expect([series.get('usb_devices_not_ready{reason="no-permission"}'), series.get('usb_ready_reports_total{outcome="no-permission"}'), series.get('usb_ready_duration_seconds_count')]).toEqual([shut, shut, 0]);
    const { devices } = JSON.parse(await fetched(bed, PORT_OF_NOBODY, '/devices'));
    expect(devices.find(({ signature }) => signature === device.signature).readiness).toEqual(readiness);
    await bed.unplug(handle);
    await bed.settle(handle, 'gone');
    await nobody.end();
  });
});

describe('readiness in a real kernel without udevd', () => {
  let bed;

  beforeAll(async () => {
    bed = await openQemuBed({ udev: false });
  }, 120_000);
  afterAll(() => bed?.close());

  it('comes with the driver and its node', async () => {
    const observer = await openingAll(bed);
    await observer.ask('start');
    for (const kind of KINDS) {
      const handle = await bed.plug({ kind, port: '1', serial: `BARE-${kind}` });
      await bed.settle(handle, 'bind');
      const ready = await observer.waitFor(isAbout('device:ready', handle), `${kind} to be ready`, { timeoutMs: PLUG_LIMIT_MS });
      expect(ready.value.isReady, JSON.stringify(ready.value)).toBe(true);
      expect(ready.value.nodes.map(({ subsystem }) => subsystem)).toContain(NODES[kind]);
      expect(ready.opened.filter(({ failure }) => failure)).toEqual([]);
      await bed.unplug(handle);
      await bed.settle(handle, 'gone');
    }
    await observer.ask('stop');
    observer.endInput();
  }, 120_000);

  it('says after the time that it is given what stands in the way, and says it again once nothing does', async () => {
    const observer = await observe(bed, { config: { ...config, ready: { timeout_ms: 1_500 } }, user: 'nobody', only: ['device:ready'] });
    await observer.ask('start');
    const handle = await bed.plug({ kind: 'serial', port: '2', serial: 'LATE' });
    await bed.settle(handle, 'bind');
    const late = await observer.waitFor(isAbout('device:ready', handle), 'what stands in the way', { timeoutMs: PLUG_LIMIT_MS });
    expect(reasonsOf(late)).toEqual(['no-permission']);
    expect(late.value.elapsedMs).toBeGreaterThanOrEqual(1_500);
    const since = observer.said.length;
    await saidBy(bed, `chmod 666 /dev/ttyUSB* && echo change > /sys${handle.devpath}/uevent`);
    const ready = await observer.waitFor(isAbout('device:ready', handle), 'it to be ready', { since, timeoutMs: PLUG_LIMIT_MS });
    expect(ready.value).toMatchObject({ isReady: true, obstacles: [] });
    await observer.end();
  }, 60_000);
});
