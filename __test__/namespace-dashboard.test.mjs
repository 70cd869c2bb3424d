// Why a device that was plugged in gave no event, as somebody finds it on the page who has never seen it: where that is not the daemon's doing but
// its surroundings'.

import { afterEach, expect, it, onTestFinished } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { openBridge } from './bridge/index.mjs';
import { axeFinds, openPage, sharedBrowser } from './browser.mjs';
import { observe } from './observe.mjs';
import { until } from './until.mjs';

sharedBrowser();

const PORT = 8080;
const MOUSE = { kind: 'mouse', controller: 0, port: '3' };

let bed;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

/** The page of a daemon in a bed. */
async function page({ options, prepare = () => {}, config, ...observer }) {
  bed = await openNamespaceBed(options);
  await prepare(bed);
  const monitoring = { enabled: true, host: '127.0.0.1', healthcheck_port: PORT, interval: 300, ...config?.monitoring };
  const daemon = await observe(bed, { ...observer, config: { redis: false, ...config, monitoring } });
  await daemon.ask('start');
  const bridge = await openBridge(bed, PORT);
  onTestFinished(() => bridge.close());
  return { daemon, page: await openPage(bridge.address, { viewport: { width: 1280, height: 900 } }) };
}

const question = (page, id) => page.locator(`#why-list > [data-key="${id}"]`);
const said = (page, id) => question(page, id).textContent();

/** The head of the page says that something is wrong, and the list of reasons which. */
async function find(page, id, verdict, more) {
  const at = question(page, id);
  await until(async () => verdict.test(await at.textContent()), `${id} to say ${verdict}`).catch(async (error) => {
    throw new Error(`${error.message}: ${await at.textContent()}`);
  });
  for (const pattern of more) expect(await at.textContent()).toMatch(pattern);
  expect(await page.locator('#why-summary').first().textContent()).toMatch(/needs? a look/);
}

it('source deaf: the page says which source hears nothing, what that means for a device, and what to do', async () => {
  // Nothing wakes a comparison but the interval, within which the device comes and goes.
  const { page: shown } = await page({ options: { deaf: true, devfs: false }, config: { monitoring: { interval: 3_000 } } });
  const handle = await bed.plug(MOUSE);
  await find(shown, 'hears', /Late, and not everything/, [/netlink.*is deaf/, /the kernel’s own events are missing/, /--network=host/]);
  await bed.unplug(handle);
  expect(await axeFinds(shown)).toEqual([]);
});

it('source deaf: where no source hears at all, that is said', async () => {
  const { page: shown } = await page({ config: { sources: ['libusb'] }, options: { devfs: false } });
  await bed.plug(MOUSE);
  await find(shown, 'hears', /No source can hear: no device gives an event now/, [/libusb/]);
});

it('permission: the page says which source may not look, why, and what to allow', async () => {
  const { daemon, page: shown } = await page({
    user: 'nobody',
    prepare: (bed) => bed.exec(['chmod', '700', '/sys/bus/usb/devices']),
    config: { sources: ['snapshot'] },
  });
  await bed.plug(MOUSE);
  await find(shown, 'allowed', /No: 1 source may not look/, [/snapshot.*lacks a permission/, /Permission denied/, /\/sys\/bus\/usb\/devices/, /usb-daemon doctor/]);
  expect(daemon.of('device:attach')).toEqual([]);
  expect(await axeFinds(shown)).toEqual([]);
});

it('duplicate: a kernel that tells once more of a device that is there', async () => {
  const { daemon, page: shown } = await page({});
  const handle = await bed.plug(MOUSE);
  await daemon.waitFor(({ event, value }) => event === 'device:attach' && value.location.portPath === MOUSE.port, 'the mouse');
  await bed.control('uevent_only', { name: handle.name, action: 'add' });
  await find(shown, 'known', /Yes: 1 report was no news/, [/netlink/, /in the list of devices/]);
});

it('filtered: which setting holds the device back, and how to let it through', async () => {
  const { page: shown } = await page({ config: { filters: { vendor_whitelist: ['1234'] } } });
  await bed.plug(MOUSE);
  await find(shown, 'filtered', /Yes: .*held back/, [/filters\.vendor_whitelist/, /--vendor-whitelist/]);
});
