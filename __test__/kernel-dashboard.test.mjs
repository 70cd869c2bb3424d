// The page beside a real kernel: what it shows of devices as they are plugged in and pulled.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBridge } from './bridge/index.mjs';
import { openQemuBed } from './beds/qemu/index.mjs';
import { openPage, sharedBrowser } from './browser.mjs';
import { observe } from './observe.mjs';
import { until } from './until.mjs';

sharedBrowser();

const PORT = 8080;
/** Everything is slow under emulation. */
const SLOW = { timeoutMs: 60_000 };

let bed;
let observer;
let bridge;
beforeAll(async () => {
  bed = await openQemuBed();
  const monitoring = { enabled: true, host: '127.0.0.1', healthcheck_port: PORT };
  observer = await observe(bed, { config: { redis: false, monitoring } });
  await observer.ask('start', {}, SLOW.timeoutMs);
  bridge = await openBridge(bed, PORT);
}, 180_000);
afterAll(async () => {
  await bridge?.close();
  await bed?.close();
});

it('shows devices of a real kernel where they hang, with their drivers and who saw them, as they come and go', async () => {
  const page = await openPage(bridge.address, { viewport: { width: 1920, height: 1080 } });
  const place = (name) => page.locator(`#device-tree [data-key="${name}"]`);
  const text = (locator) => locator.textContent();
  await until(async () => /^8 devices/.test(await text(page.locator('#device-summary'))), 'the root hubs', SLOW).catch(async (error) => {
    throw new Error(`${error.message}: ${await text(page.locator('body'))}`);
  });
  const keyboard = await bed.plug({ kind: 'keyboard', controller: 0, port: '3' });
  await bed.settle(keyboard, 'bind');
  await until(async () => /usbhid/.test((await place(keyboard.name).allTextContents()).join('')), 'the keyboard with its driver', SLOW);
  expect(await text(place(keyboard.name))).toMatch(/QEMU.*Keyboard.*0627:0001/);
  const rows = page.locator('#event-list [role=option]:not([hidden])');
  const attach = rows.filter({ hasText: 'attach' }).filter({ hasText: keyboard.name });
  await attach.first().click();
  const detail = page.locator('#event-detail');
  await until(async () => /netlink/.test(await text(detail.locator('[data-key=seen]'))), 'the kernel as a witness', SLOW);
  expect(await text(detail.locator('[data-key=steps]'))).toMatch(/read what it is\d[\d.]* ms/);
  await bed.unplug(keyboard);
  await bed.settle(keyboard, 'gone');
  await place(keyboard.name).waitFor({ state: 'detached', timeout: SLOW.timeoutMs });
  expect(await rows.filter({ hasText: 'detach' }).filter({ hasText: keyboard.name }).count()).toBe(1);
  if (process.env.USB_DAEMON_SCREENSHOTS) await page.screenshot({ path: `${process.env.USB_DAEMON_SCREENSHOTS}/kernel.png` });
}, 240_000);
