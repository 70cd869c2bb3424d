// What the package promises about itself. What npm makes of it is in shipped-packages.test.mjs.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import Default, { USBDaemon, defaultConfig } from '@autoweave/usb-daemon';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

it('gives the same class to import and require, as default, by name and as the module itself', () => {
  const required = require('@autoweave/usb-daemon');
  expect(Default).toBe(USBDaemon);
  expect(required).toBe(USBDaemon);
  expect(required.USBDaemon).toBe(USBDaemon);
  expect(require(checkout)).toBe(USBDaemon);
  expect(required.defaultConfig).toBe(defaultConfig);
});

it('links neither libudev nor libusb of the system', () => {
  const addon = readdirSync(join(checkout, 'js')).find((name) => name.endsWith('.node'));
  const needed = execFileSync('readelf', ['-d', join(checkout, 'js', addon)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('(NEEDED)'))
    .map((line) => line.match(/\[(.+)\]/)[1]);
  expect(needed).toContain('libc.so.6');
  expect(needed.filter((name) => /udev|usb/.test(name))).toEqual([]);
});

it('has no runtime dependency and no install script', () => {
  const { dependencies, scripts } = require('@autoweave/usb-daemon/package.json');
  expect(dependencies).toBeUndefined();
  expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([]);
});

it('gives everything that require gives to import, by the same name', async () => {
  const imported = await import('@autoweave/usb-daemon');
  const named = Object.keys(require('@autoweave/usb-daemon'));
  expect(Object.keys(imported).sort()).toEqual(named.sort());
});
