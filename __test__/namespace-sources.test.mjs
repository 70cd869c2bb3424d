// Sources that contradict one another, fall silent, or are lied to.

import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { checkHistory, isTransition, observe } from './observe.mjs';
import { fieldsOf, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const config = { redis: false, monitoring: { enabled: false, interval: 500 } };
const MOUSE = { kind: 'mouse', controller: 0, port: '3' };

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

async function started(options, observerOptions = {}) {
  bed = await openNamespaceBed(options);
  const observer = await observe(bed, { config, ...observerOptions });
  await observer.ask('start');
  return observer;
}

function statesOf(observer, source) {
  return observer.of('source:state').map(({ value }) => value).filter((status) => status.source === source);
}

function lastState(observer, source) {
  return statesOf(observer, source).at(-1);
}

describe('where uevents cannot be heard', () => {
  for (const devfs of [true, false]) {
    it(`snapshots ${devfs ? 'woken by device nodes' : 'of each interval'} find what comes and goes`, async () => {
      const observer = await started({ deaf: true, devfs });
      for (const port of ['3', '4']) {
        const since = observer.said.length;
        const handle = await bed.plug({ ...MOUSE, port });
        const [attach] = await observer.transitions(1, { since });
        expect(attach.value).toMatchObject({ backend: 'snapshot', location: { portPath: port }, partial: false });
        await bed.unplug(handle);
        const [, detach] = await observer.transitions(2, { since });
        expect(detach.event).toBe('device:detach');
      }
      expect(lastState(observer, 'netlink').state).toBe('deaf');
      expect(observer.of('gap')).toHaveLength(1);
      expect((await observer.ask('health')).status).toBe('degraded');
      checkHistory(observer.said);
    });
  }

  it('says so only once a snapshot has found what no uevent told', async () => {
    const observer = await started({ deaf: true });
    expect(lastState(observer, 'netlink').state).toBe('up');
    expect((await observer.ask('health')).status).toBe('healthy');
  });
});

describe('sources that contradict one another', () => {
  it('a device that sysfs shows and no uevent told is found, with a gap said first', async () => {
    const observer = await started();
    const since = observer.said.length;
    await bed.control('silent_plug', { name: '1-3', vendor_id: 0x1234, product_id: 0x5678 });
    const [attach] = await observer.transitions(1, { since });
    expect(attach.value).toMatchObject({ vendorId: 0x1234, synthetic: 'gap', backend: 'snapshot' });
    const lines = observer.said.slice(since);
    expect(lines.findIndex(({ event }) => event === 'gap')).toBeLessThan(lines.findIndex(isTransition));
    await bed.control('silent_unplug', { name: '1-3' });
    const [, detach] = await observer.transitions(2, { since });
    expect(detach).toMatchObject({ event: 'device:detach', value: { vendorId: 0x1234 } });
  });

  it('a uevent that is heard again ends the deafness', async () => {
    const observer = await started();
    await bed.control('silent_plug', { name: '1-3', vendor_id: 0x1234, product_id: 0x5678 });
    await observer.waitFor(({ event, value }) => event === 'source:state' && value.state === 'deaf', 'deafness');
    const since = observer.said.length;
    await bed.plug({ ...MOUSE, port: '6' });
    await observer.waitFor(({ event, value }) => event === 'source:state' && value.source === 'netlink' && value.state === 'up', 'hearing', { since });
  });

  it('a remove is final, whatever sysfs still shows', async () => {
    const observer = await started();
    const since = observer.said.length;
    const handle = await bed.plug(MOUSE);
    await bed.unplug(handle, { entry: 'kept' });
    await observer.transitions(2, { since });
    // Snapshots find this one only after the grace: by then they have had the other under their eyes as long.
    await bed.control('silent_plug', { name: '1-9', vendor_id: 0x1234, product_id: 0x5678 });
    await observer.transitions(3, { since });
    const ports = observer.said.slice(since).filter(isTransition).map(({ event, value }) => `${event} ${value.location.portPath}`);
    expect(ports).toEqual(['device:attach 3', 'device:detach 3', 'device:attach 9']);
  });

  it('a repeated add is no second device', async () => {
    const observer = await started();
    const since = observer.said.length;
    const handle = await bed.plug(MOUSE);
    for (let count = 0; count < 100; count += 1) await bed.control('uevent_only', { name: handle.name, action: 'add' });
    await bed.unplug(handle);
    expect((await observer.transitions(2, { since })).map(({ event }) => event)).toEqual(['device:attach', 'device:detach']);
  });

  it('a device pulled before it could be read is told with what the uevent knew', async () => {
    const observer = await started();
    const since = observer.said.length;
    await observer.pause();
    await bed.unplug(await bed.plug({ ...MOUSE, serial: 'unread' }));
    observer.kill('SIGCONT');
    const [attach, detach] = await observer.transitions(2, { since });
    expect(attach.value).toMatchObject({ partial: true, vendorId: 0x0627, productId: 0x0001, location: { portPath: '3' } });
    expect(attach.value.deviceDescriptor).toMatchObject({ bLength: 18, idVendor: 0x0627, idProduct: 1 });
    expect(detach.value.signature).toBe(attach.value.signature);
  });

  it('no device node is ever opened', async () => {
    const observer = await started();
    const since = observer.said.length;
    const trace = bed.spawn(['strace', '-f', '-e', 'trace=openat,open,ioctl', '-p', String(observer.pid)]);
    await vi.waitUntil(() => trace.stderrText().includes('attached') || !trace.running, { timeout: 10_000 });
    const handle = await bed.plug(MOUSE);
    await observer.transitions(1, { since });
    await bed.unplug(handle);
    await observer.transitions(2, { since });
    trace.kill('SIGINT');
    await trace.exit;
    const calls = trace.stderrText();
    expect(calls).toContain('descriptors');
    expect(calls).not.toMatch(/dev\/bus\/usb\/\d+\/\d+/);
    expect(calls).not.toContain('USBDEVFS');
  });
});

describe('what no start waits for', () => {
  const quiet = JSON.stringify({ ...config, ready: { enabled: false } });
  const head = `
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    const say = (text) => require('node:fs').writeSync(1, text + '\\n');
    const daemon = new USBDaemon(${quiet});`;

  it('is the kernel, which takes its time over a filter, where the receive buffer can wait for that', async () => {
    bed = await openNamespaceBed();
    const program = `${head}
      daemon.on('source:state', ({ source, reason }) => source === 'netlink' && say(reason));
      daemon.start().then(() => say('started'));
      process.stdin.once('end', () => daemon.stop()).resume();`;
    const traced = bed.spawn(['strace', '-f', '--seccomp-bpf', '-e', 'trace=setsockopt,write', process.execPath, '-e', program]);
    const calls = () => traced.stderrText().match(/SO_ATTACH_FILTER|"started/g) ?? [];
    // That of the uevents' socket, and that of departures alone, which waits for the start in any case.
    await until(() => calls().length >= 3 && calls().at(-1) !== '"started', 'a start and two filters');
    const [, receiveBuffer] = /receive buffer (\d+) bytes/.exec(traced.stderrText());
    expect(calls()[0]).toBe(receiveBuffer >= 64 << 20 ? '"started' : 'SO_ATTACH_FILTER');
    traced.endInput();
    expect((await traced.exit).code).toBe(0);
  });

  it('is not done for a daemon that has been stopped meanwhile, and once for one that has been started anew', async () => {
    bed = await openNamespaceBed();
    const program = `${head}
      USBDaemon.initializeTracing({ level: 'debug', otlp: false });
      let opened = 0;
      daemon.on('log', ({ message }) => (opened += message === 'the kernel keeps back all but departures'));
      const again = () => daemon.start().then(() => daemon.stop());
      again().then(again).then(() => daemon.start()).then(() => new Promise((resolve) => setImmediate(resolve)))
        .then(() => daemon.stop()).then(() => say(String(opened)));`;
    const child = bed.spawn([process.execPath, '-e', program]);
    expect(await child.waitForLine(() => true)).toBe('1');
    expect((await child.exit).code).toBe(0);
  });
});

describe('libusb', () => {
  it('is up with device nodes, and what it reports adds nothing', async () => {
    const observer = await started();
    expect(lastState(observer, 'libusb').state).toBe('up');
    const since = observer.said.length;
    for (let count = 0; count < 20; count += 1) await bed.unplug(await bed.plug(MOUSE));
    await observer.transitions(40, { since });
    expect(observer.said.slice(since).filter(isTransition)).toHaveLength(40);
  });

  /** What the daemon publishes to; by a socket, because a bed has a network of its own. */
  async function redis() {
    const path = join(stateFolder(), 'redis.sock');
    const server = await startRedis({ args: ['--unixsocket', path] });
    onTestFinished(() => server.close());
    return { server, config: { ...config, redis: { path } } };
  }

  /** The field `source` of what came and went live, with the port. */
  async function sources(server, count) {
    const fields = (await server.waitForEntries(count)).map(fieldsOf).filter(({ synthetic }) => synthetic === undefined);
    return fields.map(({ action, port_path, source, backend }) => `${action} ${port_path} ${source} ${backend}`);
  }

  it('is what the stream names as its source where it is up', async () => {
    const { server, config } = await redis();
    const observer = await started({}, { config });
    expect(lastState(observer, 'libusb').state).toBe('up');
    const present = (await observer.ask('list')).length;
    await bed.unplug(await bed.plug(MOUSE));
    expect(await sources(server, present + 2)).toEqual(['attach 3 node-usb netlink', 'detach 3 node-usb netlink']);
  });

  it('is unavailable without them, and the others carry on: the stream names udev as its source', async () => {
    const { server, config } = await redis();
    const observer = await started({ devfs: false }, { config });
    const present = (await observer.ask('list')).length;
    expect(lastState(observer, 'libusb').state).toBe('unavailable');
    const since = observer.said.length;
    await bed.plug(MOUSE);
    const [attach] = await observer.transitions(1, { since });
    expect(attach.value.backend).toBe('netlink');
    expect((await observer.ask('health')).status).toBe('healthy');
    expect(await sources(server, present + 1)).toEqual(['attach 3 udev netlink']);
    expect(new Set((await server.entries()).map((entry) => fieldsOf(entry).source))).toEqual(new Set(['udev']));
  });
});

describe('without uevents, as fallback.enable_udev: false asks for', () => {
  for (const devfs of [true, false]) {
    it(`snapshots find what comes and goes, ${devfs ? 'which libusb asks for' : 'also without libusb'}, and nothing says that netlink is up`, async () => {
      const quiet = { ...config, fallback: { enable_udev: false } };
      const observer = await started({ devfs }, { config: quiet });
      const since = observer.said.length;
      const handle = await bed.plug(MOUSE);
      const [attach] = await observer.transitions(1, { since });
      expect(attach.value).toMatchObject({ backend: expect.stringMatching(/^(snapshot|libusb)$/), location: { portPath: '3' } });
      expect(attach.value.synthetic).toBeUndefined();
      await bed.unplug(handle);
      const [, detach] = await observer.transitions(2, { since });
      expect(detach).toMatchObject({ event: 'device:detach', value: { backend: expect.stringMatching(/^(snapshot|libusb)$/) } });
      expect(lastState(observer, 'libusb').state).toBe(devfs ? 'up' : 'unavailable');
      expect(statesOf(observer, 'netlink')).toEqual([{ source: 'netlink', state: 'off', reason: 'switched off by configuration' }]);
      const { status, sources } = await observer.ask('health');
      expect(status).toBe('healthy');
      expect(sources.find(({ source }) => source === 'netlink').state).toBe('off');
      expect(observer.of('gap')).toEqual([]);
      checkHistory(observer.said);
    });
  }
});

describe('a source that cannot start', () => {
  it('is tried again, and comes up once the environment has what it lacked', async () => {
    const observer = await started({ devfs: false });
    expect(lastState(observer, 'inotify').state).toBe('unavailable');
    await bed.exec(['sh', '-c', 'mkdir -p /dev/bus/usb/001 && : > /dev/bus/usb/001/001']);
    for (const source of ['inotify', 'libusb']) {
      await observer.waitFor(({ event, value }) => event === 'source:state' && value.source === source && value.state === 'up', source);
    }
  });
});

describe('messages that do not come from the kernel', () => {
  it('are refused', async () => {
    const observer = await started();
    const since = observer.said.length;
    const forged =
      'add@/devices/pci0000:00/0000:00:01.0/usb1/1-5\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:01.0/usb1/1-5\0SUBSYSTEM=usb\0' +
      'DEVTYPE=usb_device\0PRODUCT=666/666/0\0TYPE=0/0/0\0BUSNUM=001\0DEVNUM=066\0SEQNUM=1\0';
    await bed.control('forge', { text: forged });
    await bed.plug(MOUSE);
    const [attach] = await observer.transitions(1, { since });
    expect(attach.value.vendorId).toBe(0x0627);
    expect(observer.said.slice(since).filter(isTransition)).toHaveLength(1);
  });

  it('and unreadable ones of the kernel crash nothing', async () => {
    const observer = await started();
    const since = observer.said.length;
    const damaged = 'add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0PRODUCT=zz\0BUSNUM=\0';
    for (const text of [damaged, damaged.slice(0, 40), '@', 'add@\0ACTION=add\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0']) {
      await bed.control('raw', { text_hex: Buffer.from(text).toString('hex') });
    }
    await bed.control('other', { count: 500 });
    await bed.plug(MOUSE);
    await observer.transitions(1, { since });
    expect(observer.said.slice(since).filter(isTransition)).toHaveLength(1);
  });
});
