// AutoWeave's API: the same things in its form, and the one that changes something.

import { expect, it } from 'vitest';
import { ask, follow, served } from './http-served.mjs';
import { until } from './until.mjs';

const KEYBOARD = { name: '201-1', vendorId: 0x046d, productId: 0xc31c, deviceClass: 0 };
const SCANNER = { name: '201-2', vendorId: 0x04a9, productId: 0x1909, deviceClass: 0xff };
const TOKEN = { authorization: 'Bearer hush' };

async function withDevices(config) {
  const bed = await served(config);
  for (const device of [KEYBOARD, SCANNER]) bed.daemon.simulateAttach(device);
  await bed.daemon.heard.waitFor('device:attach', { count: 2 });
  return bed;
}

const answer = (data) => ({ status: 'success', data, timestamp: expect.any(Number) });
const json = async (response) => JSON.parse((await response).text);

it('gives the status in AutoWeave\'s shape, with the health beside it', async () => {
  const { daemon, port } = await withDevices({ filters: { vendor_blacklist: [7] } });
  const { filters, performance } = daemon.getStatus();
  const status = await json(ask(port, '/api/v1/usb/status'));
  expect(status).toEqual(answer({ running: true, connectedDevices: 2, queuedEvents: 0, filters, performance, health: expect.objectContaining({ status: 'healthy' }) }));
  expect(Math.abs(status.timestamp - Date.now())).toBeLessThan(3_600_000);
});

it('gives the devices, all or some, and one by its signature', async () => {
  const { daemon, port } = await withDevices();
  const [keyboard, scanner] = daemon.heard.of('device:attach');
  for (const [query, expected] of [
    ['', [keyboard, scanner]],
    ['?vendor=046d', [keyboard]],
    ['?vendor=0x4A9&product=1909', [scanner]],
    ['?vendor=046d&product=1909', []],
    ['?class=ff', [scanner]],
  ]) {
    expect([query, await json(ask(port, `/api/v1/usb/devices${query}`))]).toEqual([query, answer(expected)]);
  }
  expect(await json(ask(port, `/api/v1/usb/devices/${keyboard.signature}`))).toEqual(answer(keyboard));
  const missing = await ask(port, '/api/v1/usb/devices/0123456789abcdef');
  expect([missing.status, JSON.parse(missing.text)]).toEqual([
    404,
    { status: 'error', error: { code: 'ERR_USB_HTTP_DEVICE', message: 'no device with the signature 0123456789abcdef is attached' }, timestamp: expect.any(Number) },
  ]);
  for (const [query, message] of [
    ['?vendor=xyz', 'vendor is xyz: expected up to 4 hex digits'],
    ['?class=100', 'class is 100: expected up to 2 hex digits'],
    ['?vender=1', 'vender is not asked for here: there is vendor, product, class'],
    ['?class=1&class=2', 'class is there twice'],
  ]) {
    const refused = await ask(port, `/api/v1/usb/devices${query}`);
    expect([refused.status, JSON.parse(refused.text).error]).toEqual([400, { code: 'ERR_USB_HTTP_QUERY', message }]);
  }
});

it('streams device.attach and device.detach, and nothing else', async () => {
  const { daemon, port } = await served({ filters: { vendor_blacklist: [9] } });
  const stream = await follow(port, '/api/v1/usb/events/stream');
  daemon.simulateAttach({ name: '201-9', vendorId: 9 });
  daemon.simulateAttach(KEYBOARD);
  daemon.simulateDetach(KEYBOARD.name);
  await stream.waitUntil(({ transitions }) => transitions.length === 2, 'both');
  const [info] = daemon.heard.of('device:attach');
  expect(stream.all).toEqual([
    { event: 'device.attach', id: info.eventId, data: { status: 'success', data: info, timestamp: info.timestamp } },
    { event: 'device.detach', id: daemon.heard.of('device:detach')[0].eventId, data: expect.objectContaining({ status: 'success' }) },
  ]);
});

const put = (port, body, headers = TOKEN) =>
  ask(port, '/api/v1/usb/config', { method: 'PUT', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });

it('changes filters and limits at once, key by key', async () => {
  const { daemon, port } = await served({ monitoring: { token: 'hush' }, filters: { device_class_filter: [0] } });
  const changed = await json(put(port, { filters: { vendor_blacklist: ['04a9'] }, performance: { batch_size: 7 } }));
  const { filters, performance } = daemon.getStatus();
  const inForce = { filters: { ...filters, vendor_blacklist: [0x04a9] }, performance: { ...performance, batch_size: 7 } };
  expect(changed).toEqual(answer(inForce));
  expect(daemon.getStatus()).toMatchObject(inForce);
  expect(inForce.filters.device_class_filter).toEqual([0]);
  expect((await json(ask(port, '/api/v1/usb/status', { headers: TOKEN }))).data).toMatchObject(inForce);
  daemon.simulateAttach({ ...SCANNER, deviceClass: 0 });
  daemon.simulateAttach(KEYBOARD);
  const [info] = await daemon.heard.waitFor('device:attach');
  expect(info.vendorId).toBe(KEYBOARD.vendorId);
  await until(() => daemon.getHealth().outbox.filtered === 1, 'the scanner to be held back');
});

it('changes nothing where anything is wrong, and names all of it', async () => {
  const { daemon, port } = await served({ monitoring: { token: 'hush' } });
  const refused = await put(port, { filters: { vendor_blacklist: ['xyz'], rulez: [] }, performance: { batch_size: 0, debounce_ms: 1 }, redis: false });
  expect(refused.status).toBe(422);
  const { error } = JSON.parse(refused.text);
  expect(error.code).toBe('ERR_USB_CONFIG');
  expect(error.faults).toEqual([
    'filters.rulez is no key: did you mean "rules"?',
    'filters.vendor_blacklist[0] is "xyz": expected a whole number from 0 to 65535 or up to four hex digits in a text',
    'performance.batch_size is 0: expected a whole number from 1 to 10000',
    'redis is no key: expected filters or performance',
  ]);
  for (const [body, status, code, message] of [
    [{ performance: { debounce_ms: 1 } }, 422, 'ERR_USB_CONFIG', 'performance.debounce_ms cannot be changed while the daemon runs'],
    [{ filters: { rules: [{ action: 'tag' }] } }, 422, 'ERR_USB_CONFIG', 'filters.rules[0].tags is missing'],
    [{ filters: null }, 422, 'ERR_USB_CONFIG', 'filters is null'],
    ['[]', 422, 'ERR_USB_CONFIG', 'the configuration is a list'],
    ['{', 422, 'ERR_USB_CONFIG', 'bad configuration'],
    ['', 422, 'ERR_USB_CONFIG', 'bad configuration'],
    [' '.repeat(65_537), 413, 'ERR_USB_HTTP_BODY', 'longer than 64 KiB'],
  ]) {
    const answered = await put(port, body);
    const { error } = JSON.parse(answered.text);
    expect([answered.status, error.code, error.message], JSON.stringify(body).slice(0, 60)).toEqual([status, code, expect.stringContaining(message)]);
  }
  const text = await put(port, '{}', { ...TOKEN, 'content-type': 'text/plain' });
  expect([text.status, JSON.parse(text.text).error.code]).toEqual([415, 'ERR_USB_HTTP_BODY']);
  const { filters, performance } = daemon.getStatus();
  expect((await json(put(port, {}))).data).toEqual({ filters, performance });
});

it('is for who has the token, and for no page of another site', async () => {
  const open = await served();
  const advice = await put(open.port, {});
  expect([advice.status, JSON.parse(advice.text).error]).toEqual([
    403,
    { code: 'ERR_USB_HTTP_TOKEN', message: expect.stringContaining('set monitoring.token (USB_DAEMON_HTTP_TOKEN)') },
  ]);
  const { port } = await served({ monitoring: { token: 'hush' } });
  for (const [headers, status] of [
    [{}, 401],
    [{ authorization: 'Bearer hash' }, 401],
    [{ ...TOKEN, origin: 'https://evil.example' }, 403],
    [{ ...TOKEN, 'sec-fetch-site': 'cross-site' }, 403],
    [{ ...TOKEN, origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' }, 200],
  ]) {
    expect([headers, (await put(port, {}, headers)).status]).toEqual([headers, status]);
  }
});
