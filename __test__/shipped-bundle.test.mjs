// JavaScript as it is shipped, which is not file by file as in the checkout, beside this checkout's addon.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fileOf, platformHere } from '../scripts/addons.mjs';
import { bundle } from '../scripts/bundle.mjs';
import { runToEnd } from './run-to-end.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const addon = join('js', fileOf(platformHere()));
const HEAD = `
  const daemonOf = (USBDaemon) => new USBDaemon({ sources: ['simulated'], redis: false, monitoring: { enabled: false } });
  const turn = () => new Promise((resolve) => setImmediate(resolve));`;

let folder;
let place;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-bundle-'));
  place = join(folder, 'package');
  mkdirSync(place);
  await bundle(place);
  for (const file of ['package.json', addon]) copyFileSync(join(checkout, file), join(place, file));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program beside the package and gives what it prints. */
async function run(program, ...flags) {
  const { status, stdout, stderr } = await runToEnd(folder, process.env, process.execPath, ...flags, '-e', `${HEAD}(async () => {${program}})()`);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

it('is strict, as the checkout’s files are', () => {
  const written = [...readdirSync(place), ...readdirSync(join(place, 'js')).map((name) => join('js', name))].filter((name) => name.endsWith('.js'));
  expect(written.length).toBe(6);
  for (const name of written) expect([name, readFileSync(join(place, name), 'utf8').split('\n', 1)[0].replaceAll('"', "'")]).toEqual([name, "'use strict';"]);
});

it('is read by V8 once', async () => {
  const log = join(folder, 'v8.log');
  await run(`require('./package');`, '--log-function-events', '--no-logfile-per-isolate', `--logfile=${log}`);
  const records = readFileSync(log, 'utf8').split('\n').map((line) => line.split(','));
  const [, script, path] = records.find(([kind, , name]) => kind === 'script-details' && name.endsWith('/package/index.js'));
  const code = readFileSync(path, 'utf8');
  // A file of the checkout is a function there: read with what is about it, or again by itself when it is called.
  const isFile = (start) => /__commonJSMin\(\(+(function)?$/.test(code.slice(0, start));
  const filesRead = (how) => records.filter(([kind, reason, of, start]) => kind === 'function' && reason === how && of === script && isFile(start));
  expect(filesRead('full-parse').length).toBeGreaterThan(20);
  expect(filesRead('parse-function')).toEqual([]);
});

it('lies in memory once a daemon has started: another version may take its place', async () => {
  const said = await run(`
    const { renameSync } = require('node:fs');
    const USBDaemon = require('./package');
    const daemon = daemonOf(USBDaemon);
    await daemon.start();
    await turn();
    renameSync('package', 'gone');
    USBDaemon.initializeTracing({ otlp: false });
    const told = [];
    daemon.dispatch({ vendor_ids: [0x046d] }, { onAttach: ({ product }) => { told.push('dispatched ' + product); } });
    const events = daemon.events();
    const came = daemon.waitFor({ portPath: '1' });
    const ready = daemon.waitForReady({ portPath: '1' }, { timeout: 1 }).catch(({ code }) => code);
    daemon.simulateAttach({ name: '201-1', product: 'Mouse', vendorId: 0x046d });
    told.push('awaited ' + (await came).product, 'heard ' + (await events.next()).value.device.product, await ready);
    await daemon.handleDeviceAttach({ busNumber: 9, deviceAddress: 9, portNumbers: [9], deviceDescriptor: { idVendor: 0x046d, idProduct: 2 } });
    await turn();
    console.log(told.sort().join('\\n'));
    await daemon.stop();`);
  // Nothing gives it drivers.
  expect(said.split('\n')).toEqual(['ERR_USB_TIMEOUT', 'awaited Mouse', 'dispatched Mouse', 'dispatched undefined', 'heard Mouse', '']);
});

it.each([
  ['index.js', 'new (require(entry))()'],
  ['usb.js', "require(entry).usb.on('error', console.log).on('attach', () => {})"],
])('gives all of %s where the addon was not there the first time', async (entry, used) => {
  renameSync(join(place, addon), join(folder, 'addon'));
  const said = await run(`
    const entry = './package/${entry}';
    try { ${used}; } catch ({ code }) { console.log(code); }
    require('node:fs').renameSync('addon', 'package/${addon}');
    ${used};
    await turn();
    console.log('used');
    process.exit();`);
  expect(said).toBe('ERR_USB_ADDON\nused\n');
});

it('tells a host’s OpenTelemetry its version', async () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(checkout, 'node_modules/@opentelemetry'), join(folder, 'node_modules/@opentelemetry'));
  const said = await run(`
    const { metrics } = require('@opentelemetry/api');
    metrics.setGlobalMeterProvider({ getMeter: (name, version) => { console.log(name, version); } });
    const USBDaemon = require('./package');
    USBDaemon.initializeTracing({ otlp: false });
    const daemon = daemonOf(USBDaemon);
    await daemon.start();
    await daemon.stop();`);
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  expect([...new Set(said.trim().split('\n'))]).toEqual([`autoweave-usb-daemon ${version}`]);
});
