// Whoever may write to the stream may write anything: each entry that is no event becomes one dead letter that names the field,
// and nothing else changes.

import { beforeAll, describe, expect, it } from 'vitest';
import { add, DEAD, noneIsPending, STREAM } from './consumers.mjs';
import { USBEventConsumer } from './daemon.mjs';
import { fieldsOf, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const MEGABYTE = 'x'.repeat(1 << 20);
const PLACE = { bus_number: '1', device_address: '5' };
const IDS = { action: 'attach', vendor_id: '46d', product_id: 'c31c' };
/** 2^53: the first whole number that JavaScript cannot tell from the one after it. */
const INEXACT = '9007199254740992';

/** What is wrong: the field that the reason names, then fields that are put in place of good ones. */
const HOSTILE = [
  ['action', { action: undefined }],
  ['action', { action: '' }],
  ['action', { action: 'change' }],
  ['action', { action: 'ATTACH' }],
  ['action', { action: 'attach\0' }],
  ['action', { action: '__proto__' }],
  ['action', { action: MEGABYTE }],
  ['action', { action: Buffer.from([0xff, 0xfe]) }],
  ['vendor_id', { vendor_id: undefined }],
  ['vendor_id', { vendor_id: '' }],
  ['vendor_id', { vendor_id: '-1' }],
  ['vendor_id', { vendor_id: '+1' }],
  ['vendor_id', { vendor_id: '1.5' }],
  ['vendor_id', { vendor_id: '0x' }],
  ['vendor_id', { vendor_id: ' 46d' }],
  ['vendor_id', { vendor_id: '46d\0' }],
  ['product_id', { product_id: '10000' }],
  ['product_id', { product_id: MEGABYTE }],
  ['source', { source: MEGABYTE }],
  ['source', { source: 'node-usb\u001b[31m' }],
  ['device_signature', { device_signature: 'not-hex' }],
  ['device_signature', { device_signature: '0a6bf5b65ba7442' }],
  ['manufacturer', { manufacturer: 'x'.repeat(256) }],
  ['product', { product: MEGABYTE }],
  ['product', { product: Buffer.from([0x61, 0xff]) }],
  ['serial_number', { serial_number: 'x'.repeat(1 << 24) }],
  ['bus_number', { ...PLACE, bus_number: '65536' }],
  ['bus_number', { ...PLACE, bus_number: '-1' }],
  ['device_address', { ...PLACE, device_address: '1.5' }],
  ['device_address', { ...PLACE, device_address: '1e2' }],
  ['port_path', { ...PLACE, port_path: '../../etc/passwd' }],
  ['port_path', { ...PLACE, port_path: '4.' }],
  ['port_path', { ...PLACE, port_path: '256' }],
  ['port_path', { ...PLACE, port_path: '1.'.repeat(1000) + '1' }],
  ['timestamp', { timestamp: 'soon' }],
  ['timestamp', { timestamp: '-1' }],
  ['timestamp', { timestamp: INEXACT }],
  ['timestamp', { timestamp: '18446744073709551616' }],
  ['device_descriptor', { device_descriptor: 'null' }],
  ['device_descriptor', { device_descriptor: '[18,1]' }],
  ['device_descriptor', { device_descriptor: '{"idVendor":1' }],
  ['device_descriptor', { device_descriptor: '['.repeat(60_000) }],
  ['device_descriptor', { device_descriptor: `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}` }],
  ['device_descriptor', { device_descriptor: `{"a":"${MEGABYTE}"}` }],
  ['device_descriptor.idVendor', { device_descriptor: '{"idVendor":"evil"}' }],
  ['device_descriptor.idVendor', { device_descriptor: '{"idVendor":65536}' }],
  ['device_descriptor.bLength', { device_descriptor: '{"bLength":-18}' }],
  ['device_descriptor.bLength', { device_descriptor: '{"bLength":18.5}' }],
  ['device_descriptor.bcdUSB', { device_descriptor: '{"bcdUSB":{"__proto__":{"polluted":true}}}' }],
  ['event_id', { event_id: 'nonsense' }],
  ['event_id', { event_id: ':1' }],
  ['event_id', { event_id: `p:${INEXACT}` }],
  ['event_id', { event_id: `${MEGABYTE}:1` }],
  ['seq', { seq: '18446744073709551615' }],
  ['seq', { seq: INEXACT }],
  ['seq', { seq: '-1' }],
  ['seq', { seq: '0' }],
  ['seq', { seq: '1.5' }],
  ['host', { host: 'a\nb' }],
  ['backend', { backend: MEGABYTE }],
  ['stable_id', { stable_id: '{}' }],
  ['stable_id', { stable_id: '046d:c31c:' }],
  ['stable_id', { stable_id: '046d:c31c:a b' }],
  ['stable_id', { stable_id: `046d:c31c:${'x'.repeat(5000)}` }],
  ['speed', { speed: '-5' }],
  ['speed', { speed: '0' }],
  ['speed', { speed: '1e300' }],
  ['speed', { speed: 'NaN' }],
  ['interfaces', { interfaces: '03/01' }],
  ['interfaces', { interfaces: '03/01/02/05' }],
  ['interfaces', { interfaces: 'zz/01/02' }],
  ['interfaces', { interfaces: ',,,' }],
  ['interfaces', { interfaces: Array(200_000).fill('03/01/02').join(',') }],
  ['partial', { partial: 'maybe' }],
  ['synthetic', { synthetic: MEGABYTE }],
  ['tags', { tags: ',,,' }],
  ['tags', { tags: 'a,' }],
  ['traceparent', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nx' }],
  ['traceparent', { traceparent: '00-xyz-b7ad6b7169203331-01' }],
];
/** Names that are there twice, be it with one value. */
const DOUBLED = [
  ['vendor_id', 'vendor_id', '9'],
  ['action', 'action', 'attach'],
  ['seq', 'seq', '1', 'seq', '2'],
  ['product', 'product', ''],
];

/** An entry's flat list: good ones for what is not said. */
function flat(product, fields, more = []) {
  const entry = { ...IDS, product, ...fields };
  return [...Object.entries(entry).filter(([, value]) => value !== undefined).flat(), ...more];
}

/** Good entries of any kind: what is unusual and is no fault. */
const UNUSUAL = {
  'words of a later version': [{ backend: 'my-backend', synthetic: 'whatever', source: 'a script' }, { backend: 'my-backend', synthetic: 'whatever', source: 'a script' }],
  'fields that nobody knows': [{ ['__proto__']: 'x', colour: Buffer.from([0xff, 0]), constructor: MEGABYTE }, {}],
  'a hundred thousand fields': [Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`x${at}`, ''])), {}],
  'a string of control characters': [{ serial_number: 'a\0b\u001b[31m\n' }, { serialNumber: 'a\0b\u001b[31m\n' }],
  'the longest strings': [{ manufacturer: '𝕏'.repeat(255) }, { manufacturer: '𝕏'.repeat(255) }],
  'labels of any characters': [{ tags: `a b,\0,${'x'.repeat(1000)}` }, { tags: ['a b', '\0', 'x'.repeat(1000)] }],
  'the largest numbers': [{ seq: '9007199254740991', timestamp: '9007199254740991' }, { seq: Number.MAX_SAFE_INTEGER, timestamp: Number.MAX_SAFE_INTEGER }],
  'a descriptor with more than USB has': [
    { device_descriptor: '{"bLength":18,"x":{"y":[1]},"__proto__":{"polluted":true}}' },
    { deviceDescriptor: { bLength: 18, bDescriptorType: 0, bcdUSB: 0, bDeviceClass: 0, bDeviceSubClass: 0, bDeviceProtocol: 0, bMaxPacketSize0: 0, idVendor: 0x46d, idProduct: 0xc31c, bcdDevice: 0, iManufacturer: 0, iProduct: 0, iSerialNumber: 0, bNumConfigurations: 0 } },
  ],
  'as many interfaces as descriptors can hold': [{ interfaces: Array(7281).fill('03/01/02').join(',') }, { interfaces: Array(7281).fill({ class: 3, subclass: 1, protocol: 2 }), capabilities: ['hid:mouse'] }],
};

describe('a consumer that is given a hostile stream', () => {
  const events = [];
  const told = { dead: [], error: [], 'redis:state': [] };
  const good = [];
  const bad = [];
  let server;
  beforeAll(async () => {
    server = await startRedis();
    const put = (fields) => server.client.xadd(STREAM, '*', fields);
    const rows = [...HOSTILE.map(([field, fields], at) => [field, flat(`bad ${at}`, fields)]), ...DOUBLED.map(([field, ...more]) => [field, flat('doubled', { seq: undefined }, more)])];
    for (const [at, [field, fields]] of rows.entries()) {
      bad.push([await put(fields), field]);
      good.push([await put(flat(`good ${at}`, {})), { product: `good ${at}` }]);
    }
    for (const [product, [fields, expected]] of Object.entries(UNUSUAL)) good.push([await put(flat(product, fields)), { product, ...expected }]);
    const consumer = new USBEventConsumer({ host: '127.0.0.1', port: server.port }, undefined, undefined, { start_at: '0' });
    for (const [event, list] of Object.entries(told)) consumer.on(event, (what) => list.push(what));
    consumer.startConsuming((event) => void events.push(event));
    await until(() => events.length >= good.length && told.dead.length >= bad.length, 'all of them', { timeoutMs: 30_000 });
    await noneIsPending(server);
    return async () => {
      await consumer.stop();
      await server.close();
    };
  });

  it('is a long list', () => expect(bad.length).toBeGreaterThan(80));

  it('tells of each bad entry once, by code and by the name of its field, in few words', () => {
    const expected = bad.map(([messageId, field]) => ({ messageId, code: 'ERR_USB_ENTRY', reason: expect.stringMatching(new RegExp(`^(vendor_id or )?${field} (is|has) `)), attempts: 0 }));
    const vendorIsMissing = (reason) => reason.replace(/^vendor_id or product_id is/, 'vendor_id is');
    expect(told.dead.map((letter) => ({ ...letter, reason: vendorIsMissing(letter.reason) }))).toEqual(expected);
    for (const { reason } of told.dead) {
      expect(reason.length).toBeLessThan(200);
      expect(reason).not.toMatch(/\p{Cc}/u);
    }
  });

  it('gives each good one to the handler once, unchanged and in order', () => {
    expect(events.map(({ messageId }) => messageId)).toEqual(good.map(([id]) => id));
    for (const [at, [messageId, expected]] of good.entries()) {
      const timestamp = Number(messageId.split('-')[0]);
      const plain = { source: 'node-usb', action: 'attach', vendorId: 0x46d, productId: 0xc31c, deviceSignature: '', manufacturer: '', serialNumber: '', timestamp, deviceDescriptor: null, location: null, interfaces: [], capabilities: [], partial: false };
      expect(events[at]).toEqual({ ...plain, messageId, ...expected });
    }
  });

  it('changes nothing else', async () => {
    expect(told.error).toEqual([]);
    expect(told['redis:state']).toEqual([{ connected: true, address: `127.0.0.1:${server.port}` }]);
    expect({}.polluted).toBeUndefined();
    const letters = await server.entries(DEAD);
    expect(letters.map((letter) => fieldsOf(letter).dead_entry_id)).toEqual(bad.map(([id]) => id));
    for (const letter of letters) expect(fieldsOf(letter)).toMatchObject({ dead_code: 'ERR_USB_ENTRY', dead_attempts: '0', dead_reason: expect.stringMatching(/^.{1,200}$/) });
    // It goes on.
    await add(server, ['afterwards']);
    await until(() => events.at(-1).product === 'afterwards', 'one more');
  });
});
