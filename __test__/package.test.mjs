// What the package promises about itself.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
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

it('says which platform it has no addon for, and what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-loader-'));
  try {
    copyFileSync(join(checkout, 'js/native.js'), join(folder, 'native.js'));
    const { stderr, status } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(join(folder, 'native.js'))})`], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain(`no addon that loads on ${process.platform} ${process.arch}`);
    expect(stderr).toContain('npm run build');
    expect(stderr).toContain("code: 'ERR_USB_ADDON'");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('has no runtime dependency and no install script', () => {
  const { dependencies, scripts } = require('@autoweave/usb-daemon/package.json');
  expect(dependencies).toBeUndefined();
  expect(Object.keys(scripts).filter((name) => /install|prepare/.test(name))).toEqual([]);
});
