// The entries that a real kernel's devices leave in the stream, field by field, beside what sysfs says and what the device was made of.

import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { GuestRedis, acknowledged, addressOf, presentInSysfs } from './kernel-witnesses.mjs';
import { isTransition, observe } from './observe.mjs';

const cli = fileURLToPath(new URL('../bin/usb-daemon.js', import.meta.url));

const ORDER = (
  'source action vendor_id product_id device_signature manufacturer product serial_number bus_number device_address port_path timestamp device_descriptor ' +
  'event_id seq host backend stable_id speed interfaces partial synthetic traceparent'
).split(' ');
const DESCRIPTOR_FIELDS = (
  'bLength bDescriptorType bcdUSB bDeviceClass bDeviceSubClass bDeviceProtocol bMaxPacketSize0 idVendor idProduct bcdDevice iManufacturer iProduct iSerialNumber ' +
  'bNumConfigurations'
).split(' ');

const units = (text) => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
const plain = '0902120001010080320904000000ff000000';
// A serial line of two interfaces joined by an association, and a vendor-specific one; then a configuration with one more class.
const composite = [
  ['0902620003010080fa', '080b000202020100', '0904000001020201000524001001', '0424020205240600010524010001', '0705830308000a'].join(''),
  ['09040100020a000000', '0705020200020007058102000200', '0904020000ff000000'].join(''),
].join('');
const second = '0902120001020080320904000000fe010200';

/** `plugged` is what the device is made of; `strings` what must come of its manufacturer, product and serial number; undefined is none. */
const DEVICES = [
  {
    name: 'a composite device with an interface association',
    plugged: {
      deviceDescriptor: { vid: 0x1234, pid: 0xabcd, bcdUSB: 0x0201, bcdDevice: 0x9876, bDeviceClass: 0xef, bDeviceSubClass: 2, bDeviceProtocol: 1 },
      configurations: [composite, second],
      strings: ['Maker', 'Composite', 'SYN-1'],
    },
    descriptor: [18, 1, 0x0201, 0xef, 2, 1, 64, 0x1234, 0xabcd, 0x9876, 1, 2, 3, 2],
    strings: ['Maker', 'Composite', 'SYN-1'],
    interfaces: '02/02/01,0a/00/00,ff/00/00,fe/01/02',
    capabilities: ['serial:cdc-acm', 'vendor:other', 'firmware:dfu'],
    maxMilliamps: 500,
    speed: '480',
    stableId: '1234:abcd:SYN-1',
  },
  {
    name: 'a device without strings',
    plugged: { deviceDescriptor: { vid: 0x0001, pid: 0x0002 }, speed: 'full' },
    descriptor: [18, 1, 0x0200, 0, 0, 0, 64, 1, 2, 0x0100, 0, 0, 0, 1],
    strings: [undefined, undefined, undefined],
    interfaces: 'ff/00/00',
    speed: '12',
    // The USB ID Repository's name, where the device has none of its own.
    vendorName: "Fry's Electronics",
  },
  {
    name: 'a slow device whose strings stall, are malformed, and are of another type',
    plugged: { deviceDescriptor: { vid: 0x00ff, pid: 0x0a0b }, speed: 'low', strings: [null, { raw: '0503410042' }, { raw: '06014100420a' }] },
    descriptor: [18, 1, 0x0200, 0, 0, 0, 8, 0xff, 0x0a0b, 0x0100, 1, 2, 3, 1],
    // The kernel makes what it can of the second; sysfs decides.
    interfaces: 'ff/00/00',
    speed: '1.5',
  },
  {
    name: 'newlines and control characters, 126 UTF-16 units, and lone surrogates',
    plugged: {
      deviceDescriptor: { vid: 0xffff, pid: 0xffff },
      speed: 'super',
      strings: [units('\nline\r\nbreak\t\u0007\u001b[31mred\u007f\u0085\u009b2J\n\n'), Array.from({ length: 126 }, (_, at) => 0x4e00 + at), [0x41, 0xd800, 0x42, 0xdc00, 0x2028, 0x202e, 0xfeff, 0xffff]],
    },
    descriptor: [18, 1, 0x0300, 0, 0, 0, 9, 0xffff, 0xffff, 0x0100, 1, 2, 3, 1],
    strings: [
      '\nline\r\nbreak\t\u0007\u001b[31mred\u007f\u0085\u009b2J\n\n',
      String.fromCharCode(...Array.from({ length: 126 }, (_, at) => 0x4e00 + at)),
      'AB\u2028\u202e\ufeff\uffff',
    ],
    interfaces: 'ff/00/00',
    // In units of 8 mA, where the others' are of 2.
    maxMilliamps: 400,
    speed: '5000',
  },
  {
    name: 'a NUL that cuts a string short, nothing but surrogates without a partner, and 63 pairs',
    plugged: { deviceDescriptor: { vid: 0xabc, pid: 0xdef }, strings: [units('cut\u0000off'), [0xdc00, 0xd800, 0xd800], units('\u{1f600}'.repeat(63))] },
    descriptor: [18, 1, 0x0200, 0, 0, 0, 64, 0xabc, 0xdef, 0x0100, 1, 2, 3, 1],
    strings: ['cut', undefined, '\u{1f600}'.repeat(63)],
    interfaces: 'ff/00/00',
    speed: '480',
  },
  {
    name: 'strings that look like the formats they are written in',
    plugged: { deviceDescriptor: { vid: 0x10, pid: 0x20 }, strings: ['"}],\\n\\', '*1\r\n$4\r\nPING\r\n', ' %41/ü:@-._~!\'()* '] },
    descriptor: [18, 1, 0x0200, 0, 0, 0, 64, 0x10, 0x20, 0x0100, 1, 2, 3, 1],
    strings: ['"}],\\n\\', '*1\r\n$4\r\nPING\r\n', ' %41/ü:@-._~!\'()* '],
    interfaces: 'ff/00/00',
    speed: '480',
  },
];

// Runs in the guest, in the device's directory.
const readSysfs = `
  const fs = require('fs');
  const found = { descriptors: fs.readFileSync('descriptors').toString('hex'), host: require('os').hostname() };
  for (const name of ['busnum', 'devnum', 'speed', 'idVendor', 'idProduct', 'manufacturer', 'product', 'serial']) {
    try { found[name] = fs.readFileSync(name, 'utf8').slice(0, -1) } catch (error) { if (error.code !== 'ENOENT') throw error }
  }
  console.log(JSON.stringify(found));`;

for (const { udev, user } of [{ udev: true, user: 'nobody' }, { udev: false }]) {
  describe(`the stream of a real kernel ${udev ? 'with' : 'without'} udevd, of ${user ?? 'root, who may read the kernel\'s log'}`, () => {
    let bed;
    let redis;
    let observer;
    let command;
    let presentAtStart;
    const commandLines = [];
    /** By name of the device: { sysfs, handle, attach, detach } with attach and detach as { js, entry }. */
    const seen = new Map();

    beforeAll(async () => {
      bed = await openQemuBed({ udev });
      redis = await GuestRedis.start(bed);
      // Brings vhci's controllers in before anybody listens.
      const first = await bed.plugSynthetic({});
      await bed.settle(first, 'bind');
      await bed.unplug(first);
      await bed.settle(first, 'gone');
      presentAtStart = await presentInSysfs(bed);

      const config = { redis: { host: '127.0.0.1', port: redis.port }, monitoring: { enabled: false } };
      observer = await observe(bed, { config, user, published: true });
      await observer.ask('start');
      // A database of its own: each program numbers its own series.
      command = bed.spawn([process.execPath, cli, '--no-http'], { user: 'nobody', env: { REDIS_DB: '1', NO_COLOR: '1' } });
      while (commandLines.length < presentAtStart.length) commandLines.push(await command.waitForLine(() => true));

      for (const { name, plugged } of DEVICES) {
        const since = observer.said.length;
        const began = await guestTime();
        const handle = await bed.plugSynthetic(plugged);
        await bed.settle(handle, 'bind');
        const read = await bed.exec([process.execPath, '-e', readSysfs], { cwd: `/sys${handle.devpath}` });
        if (read.code !== 0) throw new Error(`sysfs in the guest: ${read.stderr}`);
        await observer.transitions(1, { since });
        await bed.unplug(handle);
        await bed.settle(handle, 'gone');
        const lines = await observer.transitions(2, { since });
        seen.set(name, { handle, sysfs: JSON.parse(read.stdout), lines, began, ended: await guestTime() });
      }
      await acknowledged(observer, observer.said.findLast(isTransition).value.eventId);
      const entries = await redis.entries();
      for (const each of seen.values()) {
        [each.attach, each.detach] = each.lines.map(({ event, value }) => ({ event, js: value, entry: entries.find(({ fields }) => fields.event_id === value.eventId) }));
      }
      while (commandLines.length < presentAtStart.length + 2 * DEVICES.length) commandLines.push(await command.waitForLine(() => true));
      command.kill('SIGTERM');
      await command.exit;
      commandLines.push(...command.stdout.drain());
    }, 120_000);
    afterAll(() => bed?.close());

    async function guestTime() {
      return Number((await bed.shell('date +%s%3N')).stdout);
    }

    for (const { name, descriptor, strings, interfaces, speed, stableId, vendorName, capabilities = ['vendor:other'], maxMilliamps = 100 } of DEVICES) {
      it(`is right for ${name}`, () => {
        const { handle, sysfs, attach, detach, began, ended } = seen.get(name);
        const device = Object.fromEntries(DESCRIPTOR_FIELDS.map((field, at) => [field, descriptor[at]]));
        const [manufacturer, product, serial] = strings ?? [sysfs.manufacturer, sysfs.product, sysfs.serial];
        const { fields } = attach.entry;

        // What sysfs says, what the device was made of, and the entry are one.
        expect([sysfs.manufacturer, sysfs.product, sysfs.serial]).toEqual([manufacturer, product, serial]);
        const fromRaw = (raw) => [raw[0], raw[1], raw.readUInt16LE(2), raw[4], raw[5], raw[6], raw[7], raw.readUInt16LE(8), raw.readUInt16LE(10), raw.readUInt16LE(12), ...raw.subarray(14, 18)];
        expect(fromRaw(Buffer.from(sysfs.descriptors, 'hex'))).toEqual(descriptor);
        expect(fields).toMatchObject({
          source: 'node-usb',
          action: 'attach',
          vendor_id: device.idVendor.toString(16),
          product_id: device.idProduct.toString(16),
          manufacturer: manufacturer ?? '',
          product: product ?? '',
          serial_number: serial ?? '',
          bus_number: sysfs.busnum,
          device_address: sysfs.devnum,
          port_path: handle.port,
          host: sysfs.host,
          backend: 'netlink',
          speed,
          interfaces,
        });
        expect(sysfs.speed).toBe(speed);
        expect([handle.busnum, handle.devnum].map(String)).toEqual([sysfs.busnum, sysfs.devnum]);
        expect(Object.entries(JSON.parse(fields.device_descriptor))).toEqual(Object.entries(device));
        const signed = `${device.idVendor}:${device.idProduct}:${sysfs.busnum}:${sysfs.devnum}`;
        expect(fields.device_signature).toBe(createHash('sha256').update(signed).digest('hex').slice(0, 16));
        const [, producer, seq] = /^(.+):([1-9]\d*)$/.exec(fields.event_id);
        expect(fields.seq).toBe(seq);
        expect(detach.entry.fields.event_id).toBe(`${producer}:${Number(seq) + 1}`);

        const ids = `${sysfs.idVendor}:${sysfs.idProduct}`;
        if (serial === undefined) expect(fields.stable_id).toBe(`${ids}@${handle.controller}-usb${Number(speed) >= 5000 ? 3 : 2}-${handle.port}`);
        else {
          expect(fields.stable_id).toMatch(new RegExp(`^${ids}:[\\w.~%-]+$`));
          expect(decodeURIComponent(fields.stable_id.slice(ids.length + 1))).toBe(serial);
        }
        if (stableId) expect(fields.stable_id).toBe(stableId);

        for (const { entry } of [attach, detach]) {
          expect(entry.names).toEqual(ORDER.filter((field) => !['partial', 'synthetic', 'traceparent'].includes(field)));
          expect(entry.fields.timestamp).toMatch(/^\d{13}$/);
          expect(Number(entry.fields.timestamp)).toBeGreaterThanOrEqual(began);
          expect(Number(entry.fields.timestamp)).toBeLessThanOrEqual(ended);
        }
        const changing = { action: 'detach', timestamp: expect.any(String), event_id: expect.any(String), seq: expect.any(String) };
        expect(detach.entry.fields).toEqual({ ...fields, ...changing });
      });

      it(`says the same in JavaScript of ${name}`, () => {
        const { attach, detach } = seen.get(name);
        for (const { event, js, entry } of [attach, detach]) {
          const { fields } = entry;
          expect(event).toBe(`device:${fields.action}`);
          expect(js).toEqual({
            vendorId: parseInt(fields.vendor_id, 16),
            productId: parseInt(fields.product_id, 16),
            deviceDescriptor: JSON.parse(fields.device_descriptor),
            ...(fields.manufacturer && { manufacturer: fields.manufacturer }),
            ...(fields.product && { product: fields.product }),
            ...(fields.serial_number && { serialNumber: fields.serial_number }),
            location: { busNumber: Number(fields.bus_number), deviceAddress: Number(fields.device_address), portPath: fields.port_path },
            timestamp: Number(fields.timestamp),
            signature: fields.device_signature,
            attachedAt: Number(attach.entry.fields.timestamp),
            eventId: fields.event_id,
            stableId: fields.stable_id,
            ...(vendorName && { vendorName }),
            identity: fields.serial_number ? 'serial' : 'port',
            interfaces: fields.interfaces.split(',').map((each) => {
              const [interfaceClass, subclass, protocol] = each.split('/').map((hex) => parseInt(hex, 16));
              return { class: interfaceClass, subclass, protocol };
            }),
            capabilities,
            speed: Number(fields.speed),
            power: { selfPowered: false, remoteWakeup: false, maxMilliamps },
            backend: fields.backend,
            partial: false,
          });
        }
      });
    }

    it('marks what was present at start, root hubs among it, as synthetic startup', async () => {
      const startup = (await redis.entries()).slice(0, presentAtStart.length);
      for (const { names, fields } of startup) {
        expect(names).toEqual(ORDER.filter((field) => !['partial', 'traceparent'].includes(field)));
        expect(fields).toMatchObject({ action: 'attach', synthetic: 'startup', backend: 'snapshot', vendor_id: '1d6b', port_path: '0', interfaces: '09/00/00' });
        expect(fields.serial_number).toMatch(/^(0000:00:1[0-3]\.0|vhci_hcd\.\d+)$/);
      }
      expect(startup.map(({ fields }) => `${fields.bus_number}:${fields.device_address}`).toSorted()).toEqual(presentAtStart.toSorted());
    });

    it('holds one entry per transition and nothing else', async () => {
      const entries = await redis.entries();
      expect(entries).toHaveLength(presentAtStart.length + 2 * DEVICES.length);
      expect(entries.map(({ fields }) => fields.event_id)).toEqual(observer.said.filter(isTransition).map(({ value }) => value.eventId));
      expect(observer.of('event:published').map(({ value }) => value.streamId)).toEqual(entries.map(({ id }) => id));
    });

    it('gives two devices that are there at the same time two stable IDs', async () => {
      const since = observer.said.length;
      // The first port of a controller's high-speed and of its SuperSpeed bus; no serial number tells the two apart.
      const twins = [];
      for (const speed of ['high', 'super']) {
        const handle = await bed.plugSynthetic({ deviceDescriptor: { vid: 0x1209, pid: 0x0001 }, speed });
        await bed.settle(handle, 'bind');
        twins.push(handle);
      }
      const [first, other] = (await observer.transitions(2, { since })).map(({ value }) => value);
      for (const twin of twins) await bed.unplug(twin);
      await observer.transitions(4, { since });
      expect(addressOf(first)).not.toBe(addressOf(other));
      expect(first.stableId).not.toBe(other.stableId);
    });

    it('is printed by the command as one line for each event, with nothing in it that a terminal obeys', async () => {
      const said = command.stderrText();
      expect(await command.exit, said).toEqual({ code: 0, signal: null });
      expect(commandLines).toHaveLength(presentAtStart.length + 2 * DEVICES.length);
      for (const line of commandLines) expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u);
      const live = commandLines.slice(presentAtStart.length);
      for (const [at, { name, descriptor }] of DEVICES.entries()) {
        const { sysfs } = seen.get(name);
        const ids = `${sysfs.idVendor}:${sysfs.idProduct}`;
        expect(ids).toBe([descriptor[7], descriptor[8]].map((id) => id.toString(16).padStart(4, '0')).join(':'));
        for (const [action, line] of [['attach', live[2 * at]], ['detach', live[2 * at + 1]]]) {
          expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);
          expect(line.split(/\s+/)).toEqual(expect.arrayContaining([action, ids, `${sysfs.busnum}:${sysfs.devnum.padStart(3, '0')}`]));
        }
      }
      expect(live[0]).toContain('Maker Composite');
      expect(live[0]).toContain('SYN-1');
      expect(said).not.toMatch(/\n\s+at |panicked/);
    });
  });
}
