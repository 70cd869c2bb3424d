// The entry /usb: its exports, its events and the daemon behind them, over simulated devices and lists that the test writes.

import { execFileSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDaemon, packageRoot } from './daemon.mjs';
import { listed } from './listed.mjs';
import { installPeer } from './peer-usb2.mjs';
import { uncaught } from './uncaught.mjs';

const require = createRequire(import.meta.url);
const required = require('@autoweave/usb-daemon/usb');
const { createEntry } = require(`${packageRoot}js/usb/entry.js`);
const peerFolder = await installPeer();
const peer = require(peerFolder);

const KEYBOARD = { name: '201-1', vendorId: 0x046d, productId: 0xc31c, manufacturer: 'Logitech', product: 'Keyboard', serialNumber: 'K1' };

/** An entry whose daemons are simulated; `daemons` are those that it has opened. */
function openEntry({ list = () => [], config } = {}) {
  const daemons = [];
  const entry = createEntry({
    openDaemon: () => {
      daemons.push(openDaemon(config));
      return daemons.at(-1);
    },
    listDevices: list,
  });
  onTestFinished(() => void entry.usb.removeAllListeners());
  const heard = [];
  for (const event of ['attach', 'detach']) entry.usb.on(event, (device) => heard.push({ event, device }));
  return { ...entry, daemons, heard, started: () => daemons.at(-1).heard.waitFor('started') };
}

async function declarations() {
  const files = await readdir(join(peerFolder, 'dist'), { recursive: true });
  return files.filter((file) => file.endsWith('.d.ts')).map((file) => join(peerFolder, 'dist', file));
}

/** Methods that npm usb 2 declares private in a class. */
async function privateOf(name) {
  for (const file of await declarations()) {
    const [, body] = new RegExp(`declare class ${name}\\b(.*?)^}`, 'ms').exec(await readFile(file, 'utf8')) ?? [];
    if (body !== undefined) return new Set([...body.matchAll(/^ *private (\w+);/gm)].map(([, method]) => method));
  }
  return new Set();
}

async function turns(count) {
  for (let turn = 0; turn < count; turn += 1) await setImmediate();
}

const events = (heard) => heard.map(({ event, device }) => `${event} ${device.portNumbers ?? 'root'}`);

describe('the module', () => {
  it('has each export of npm usb 2, and the same numbers', () => {
    expect(Object.keys(required)).toEqual(expect.arrayContaining(Object.keys(peer)));
    const ours = Object.getOwnPropertyNames(required.usb);
    const theirs = Object.getOwnPropertyNames(peer.usb).filter((name) => !name.startsWith('_'));
    expect(ours).toEqual(expect.arrayContaining(theirs));
    const numbers = (usb) => Object.fromEntries(Object.entries(usb).filter(([name]) => name.startsWith('LIBUSB_')));
    expect(numbers(required.usb)).toEqual(numbers(peer.usb));
  });

  it('has each method of each class of npm usb 2, but for those that are its own: named __, or private in its types', async () => {
    const classes = Object.entries(peer).filter(([, type]) => typeof type === 'function' && Object.keys(Object.getOwnPropertyDescriptors(type.prototype ?? {})).length > 1);
    expect(classes.map(([name]) => name)).toEqual(expect.arrayContaining(['Device', 'Interface', 'Endpoint', 'InEndpoint', 'OutEndpoint', 'Transfer', 'WebUSB', 'WebUSBDevice']));
    const missing = [];
    for (const [name, type] of classes) {
      const own = await privateOf(name);
      for (const [method, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type.prototype))) {
        if (typeof value !== 'function' || method.startsWith('__') || own.has(method)) continue;
        if (typeof required[name].prototype[method] !== 'function') missing.push(`${name}.${method}`);
      }
    }
    expect(missing).toEqual([]);
    for (const [name, method] of [['Interface', 'refresh'], ['InEndpoint', 'startPollTransfers'], ['Transfer', 'submit'], ['WebUSBDevice', 'open']]) {
      expect(() => required[name].prototype[method](), method).toThrow(expect.objectContaining({ code: 'ERR_USB_NO_TRANSFER' }));
    }
  });

  it('gives the same things to import and require, by name, as default and as a namespace', () => {
    // In a process of its own: vitest gives modules a second life.
    const program = `
      import whole, * as named from '@autoweave/usb-daemon/usb';
      import { createRequire } from 'node:module';
      const required = createRequire(process.cwd() + '/x')('@autoweave/usb-daemon/usb');
      const same = Object.entries(required).map(([name, value]) => [name, named[name] === value]);
      console.log(JSON.stringify({ whole: whole === required, ...Object.fromEntries(same) }));
    `;
    const same = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: packageRoot, encoding: 'utf8' }));
    expect(Object.entries(same).filter(([, isSame]) => !isSame)).toEqual([]);
    expect(Object.keys(same)).toEqual(expect.arrayContaining(['whole', 'default', 'usb', 'getDeviceList']));
  });

  it('is in the package, with its types', () => {
    const { exports } = require('@autoweave/usb-daemon/package.json');
    const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: packageRoot, encoding: 'utf8' }));
    const packed = files.map(({ path }) => `./${path}`);
    const targets = Object.values(exports['./usb']).flatMap((conditions) => Object.values(conditions));
    expect(targets).toHaveLength(4);
    expect(packed).toEqual(expect.arrayContaining([...targets, './js/usb/entry.js']));
  });

  it('takes a listener on the module itself, as npm usb 1 and AutoWeave have it', async () => {
    const { on, off, usb } = openEntry();
    const listener = () => {};
    expect(on('attach', listener)).toBe(usb);
    expect(usb.listeners('attach')).toContain(listener);
    off('attach', listener);
    expect(usb.listeners('attach')).not.toContain(listener);
  });

  it('has switches that need no doing', () => {
    expect(required.useUsbDkBackend()).toBeUndefined();
    expect(required.usb.setDebugLevel(4)).toBeUndefined();
    expect(required.usb.INIT_ERROR).toBe(0);
  });
});

describe('attach and detach', () => {
  it('come with one and the same object, which a list gives as well', async () => {
    let present = [];
    const { daemons, heard, started, getDeviceList } = openEntry({ list: () => present });
    await started();
    daemons[0].simulateAttach(KEYBOARD);
    await vi.waitUntil(() => heard.length === 1);
    present = daemons[0].getConnectedDevices();
    const [device] = getDeviceList();
    expect(device).toBe(heard[0].device);
    present = [];
    daemons[0].simulateDetach('201-1');
    await vi.waitUntil(() => heard.length === 2);
    expect(heard[1]).toEqual({ event: 'detach', device: heard[0].device });
    expect(heard[1].device).toBe(device);
    daemons[0].simulateAttach(KEYBOARD);
    await vi.waitUntil(() => heard.length === 3);
    expect(heard[2].device).not.toBe(device);
  });

  it('come with the object that a list gave before, and what was not known then is known now', () => {
    const present = [];
    const { daemon, heard, getDeviceList } = scripted(present);
    present.push(listed({ partial: true }));
    const [device] = getDeviceList();
    daemon.emit('device:attach', listed({ product: 'Thing' }));
    expect(heard[0].device).toBe(device);
    return expect(promisify(device.getStringDescriptor).call(device, 2)).resolves.toBe('Thing');
  });

  it('give their object up: an equal device at the same address is another one', () => {
    const present = [];
    const { daemon, heard, getDeviceList } = scripted(present);
    daemon.emit('device:attach', listed());
    present.push(listed());
    expect(getDeviceList()[0]).toBe(heard[0].device);
    daemon.emit('device:detach', listed());
    expect(getDeviceList()[0]).not.toBe(heard[0].device);
  });

  it('know the hub, though only a list has it', () => {
    const present = [];
    const { daemon, heard } = scripted(present);
    present.push(listed({ address: 1, portPath: '0' }));
    daemon.emit('device:attach', listed({ portPath: '1' }));
    expect(heard[0].device.parent.deviceAddress).toBe(1);
  });

  it('are followed by the IDs alone', async () => {
    const { daemons, started, usb } = openEntry();
    const order = [];
    for (const event of ['attach', 'attachIds', 'detach', 'detachIds']) usb.on(event, (argument) => order.push({ event, argument }));
    await started();
    daemons[0].simulateAttach(KEYBOARD);
    daemons[0].simulateDetach('201-1');
    await vi.waitUntil(() => order.length === 4);
    expect(order.map(({ event }) => event)).toEqual(['attach', 'attachIds', 'detach', 'detachIds']);
    expect(order[1].argument).toEqual({ idVendor: 0x046d, idProduct: 0xc31c });
    expect(order[3].argument).toEqual({ idVendor: 0x046d, idProduct: 0xc31c });
  });

  it('are not told of what was present when the first listener came', async () => {
    const stays = listed({ address: 5 });
    const { daemon, heard } = scripted([stays]);
    daemon.emit('device:attach', { ...stays, synthetic: 'startup' });
    daemon.emit('started');
    expect(heard).toEqual([]);
    daemon.emit('device:detach', stays);
    expect(events(heard)).toEqual(['detach 1']);
  });

  it('are told of what came and left between the first listener and the start', async () => {
    const [left, came] = [listed({ address: 5 }), listed({ address: 6, portPath: '2' })];
    const { daemon, heard } = scripted([left]);
    daemon.emit('device:attach', { ...came, synthetic: 'startup' });
    daemon.emit('started');
    expect(events(heard)).toEqual(['attach 2', 'detach 1']);
  });

  it('come in the order of what happened where a device was plugged in anew between the first listener and the start', () => {
    const former = listed({ address: 5 });
    const { daemon, heard } = scripted([former, listed({ address: 6, portPath: '11' })]);
    daemon.emit('device:attach', { ...listed({ address: 6, portPath: '11' }), synthetic: 'startup' });
    daemon.emit('device:attach', { ...listed({ address: 7 }), synthetic: 'startup' });
    daemon.emit('started');
    expect(heard.map(({ event, device }) => `${event} ${device.deviceAddress}`)).toEqual(['detach 5', 'attach 7']);
  });

  it('come for what hung below a hub that was plugged in anew, before the hub', () => {
    const at = (address, portPath) => listed({ address, portPath });
    const { daemon, heard } = scripted([at(1, '0'), at(5, '1'), at(6, '1.2'), at(7, '1.2.1'), at(8, '2')]);
    for (const info of [at(1, '0'), at(11, '1'), at(12, '1.2'), at(8, '2')]) daemon.emit('device:attach', { ...info, synthetic: 'startup' });
    daemon.emit('started');
    expect(heard.map(({ event, device }) => `${event} ${device.deviceAddress}`)).toEqual(['detach 7', 'detach 6', 'detach 5', 'attach 11', 'attach 12']);
  });

  it('come for one that left where another device has its address', () => {
    const { daemon, heard } = scripted([listed({ address: 5 })]);
    daemon.emit('device:attach', { ...listed({ address: 5, portPath: '3', productId: 9 }), synthetic: 'startup' });
    daemon.emit('started');
    expect(events(heard)).toEqual(['detach 1', 'attach 3']);
  });

  it('are told once where a device is in the list already and its uevent comes after', async () => {
    const both = listed({ address: 5 });
    const { daemon, heard } = scripted([both]);
    daemon.emit('device:attach', both);
    daemon.emit('started');
    expect(heard).toEqual([]);
  });

  it('reach the other listeners where one throws', async () => {
    const { daemon, usb } = scripted([]);
    const errors = uncaught();
    const heard = [];
    usb.prependListener('attach', () => {
      throw new Error('mine');
    });
    usb.on('attach', () => heard.push('second'));
    daemon.emit('device:attach', listed());
    await vi.waitUntil(() => errors.length > 0);
    expect([heard, errors]).toEqual([['second'], ['mine']]);
  });
});

/** An entry over a daemon that says only what the test makes it say; `present` is listed when the first listener comes. */
function scripted(present) {
  const daemon = Object.assign(new EventEmitter(), { calls: [] });
  for (const name of ['start', 'stop']) daemon[name] = async () => void daemon.calls.push(name);
  for (const name of ['ref', 'unref']) daemon[name] = () => void daemon.calls.push(name);
  const openDaemon = vi.fn(() => daemon);
  const { usb, getDeviceList } = createEntry({ openDaemon, listDevices: () => present });
  const heard = [];
  for (const event of ['attach', 'detach']) usb.on(event, (device) => heard.push({ event, device }));
  return { daemon, heard, usb, getDeviceList, openDaemon };
}

describe('the daemon behind it', () => {
  it('runs while there is a listener for attach or detach, and is another one after that', async () => {
    const { daemons, started, usb } = openEntry();
    await started();
    expect(daemons).toHaveLength(1);
    usb.removeAllListeners();
    await daemons[0].heard.waitFor('stopped');
    usb.on('attachIds', () => {});
    usb.on('error', () => {});
    expect(daemons).toHaveLength(1);
    usb.once('detach', () => {});
    await started();
    expect(daemons).toHaveLength(2);
  });

  it('goes on where a listener that was alone sets up the next one', async () => {
    const { daemons, started, usb } = openEntry();
    await started();
    usb.removeAllListeners();
    const next = () => new Promise((resolve) => usb.once('attach', resolve));
    const first = next();
    daemons[0].simulateAttach(KEYBOARD);
    await first;
    const second = next();
    daemons[0].simulateAttach({ ...KEYBOARD, name: '201-2' });
    expect((await second).portNumbers).toEqual([2]);
    expect(daemons).toHaveLength(1);
  });

  it('is not stopped where the next listener comes in the same turn', async () => {
    const { daemon, usb, openDaemon } = scripted([]);
    usb.removeAllListeners();
    usb.on('detach', () => {});
    await turns(2);
    expect(daemon.calls).toEqual(['start', 'unref', 'ref']);
    expect(openDaemon).toHaveBeenCalledTimes(1);
  });

  it('leaves the objects of its devices to lists when it stops', async () => {
    const present = [];
    const { daemon, heard, usb, getDeviceList } = scripted(present);
    daemon.emit('device:attach', listed());
    usb.removeAllListeners();
    await turns(2);
    expect(daemon.calls).toContain('stop');
    present.push(listed());
    expect(getDeviceList()[0]).toBe(heard[0].device);
    present.pop();
    getDeviceList();
    present.push(listed());
    expect(getDeviceList()[0]).not.toBe(heard[0].device);
  });

  it('lets the process go, and holds it again, only while there are listeners', () => {
    const { daemon, usb } = scripted([]);
    usb.unrefHotplugEvents();
    usb.refHotplugEvents();
    expect(daemon.calls).toEqual(['start', 'unref', 'ref']);
    usb.removeAllListeners('attach').removeAllListeners('detach');
    expect(daemon.calls.splice(3)).toEqual(['unref']);
    usb.refHotplugEvents();
    expect(daemon.calls).toHaveLength(3);
  });

  it('tells errors to those who listen for them', async () => {
    const { daemon, usb } = scripted([]);
    daemon.emit('error', new Error('nobody listens'), 'netlink');
    const heard = [];
    usb.on('error', (error) => heard.push(error.message));
    daemon.emit('error', new Error('a source'), 'netlink');
    expect(heard).toEqual(['a source']);
  });

  it('is named in a warning where it cannot start and nobody listens for errors', async () => {
    const warning = new Promise((resolve) => process.once('warning', resolve));
    const failure = Object.assign(new Error('no thread'), { code: 'ERR_USB_SYSTEM' });
      const daemon = Object.assign(new EventEmitter(), { start: () => Promise.reject(failure), ref() {}, unref() {} });
    const { usb } = createEntry({ openDaemon: () => daemon, listDevices: () => [] });
    onTestFinished(() => void usb.removeAllListeners());
    usb.on('attach', () => {});
    expect(await warning).toBe(failure);
  });

  it('is tried again, ever later, where it cannot start, and no change is lost meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const [left, stays, came] = [listed({ address: 5 }), listed({ address: 6, portPath: '2' }), listed({ address: 7, portPath: '3' })];
    const present = [left, stays];
    const openings = [];
    const opening = (open) => openings.push(open);
    const daemonOf = (start) => Object.assign(new EventEmitter(), { start, stop: async () => {}, ref() {}, unref: vi.fn() });
    const working = daemonOf(async () => {});
    opening(() => { throw new Error('no addon'); });
    opening(() => daemonOf(() => Promise.reject(new Error('no thread'))));
    opening(() => daemonOf(() => Promise.reject(new Error('no descriptor'))));
    opening(() => working);
    const openDaemon = vi.fn(() => openings.shift()());
    const { usb } = createEntry({ openDaemon, listDevices: () => present });
    onTestFinished(() => void usb.removeAllListeners());
    const [heard, errors] = [[], []];
    for (const event of ['attach', 'detach']) usb.on(event, (device) => heard.push(`${event} ${device.deviceAddress}`));
    usb.on('error', (error, context) => errors.push(`${context}: ${error.message}`));
    usb.unrefHotplugEvents();
    await turns(1);
    expect([errors, openDaemon.mock.calls.length]).toEqual([['start: no addon'], 1]);
    for (const [at, pause] of [1000, 2000, 4000].entries()) {
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(openDaemon).toHaveBeenCalledTimes(at + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(openDaemon).toHaveBeenCalledTimes(at + 2);
    }
    expect(errors).toEqual(['start: no addon', 'start: no thread', 'start: no descriptor']);
    expect(working.unref).toHaveBeenCalledTimes(1);
    for (const info of [stays, came]) working.emit('device:attach', { ...info, synthetic: 'startup' });
    working.emit('started');
    expect(heard).toEqual(['attach 7', 'detach 5']);
  });

  it.each([['holds the process until it is tried again', '', ['no sysfs', 'again']], ['lets the process go where it was let go', 'usb.unrefHotplugEvents();', ['no sysfs']]])('%s', (_, then, expected) => {
    const program = `
      const { createEntry } = require(${JSON.stringify(`${packageRoot}js/usb/entry.js`)});
      let calls = 0;
      const listDevices = () => {
        calls += 1;
        if (calls === 1) throw new Error('no sysfs');
        console.log('again');
        usb.removeAllListeners();
        return [];
      };
      const { usb } = createEntry({ openDaemon: () => { throw new Error('no addon'); }, listDevices });
      usb.on('error', ({ message }) => console.log(message));
      usb.on('attach', () => {});
      ${then}`;
    const said = execFileSync(process.execPath, ['-e', program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(said.trim().split('\n')).toEqual(expected);
  });

  it('is tried again where the list cannot be had, and not once the last listener has gone', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const openDaemon = vi.fn();
    const listDevices = vi.fn(() => { throw new Error('no sysfs'); });
    const { usb } = createEntry({ openDaemon, listDevices });
    const errors = [];
    usb.on('error', (error) => errors.push(error.message));
    usb.on('attach', () => {});
    await vi.advanceTimersByTimeAsync(1000);
    expect([errors, listDevices.mock.calls.length]).toEqual([['no sysfs', 'no sysfs'], 2]);
    usb.removeAllListeners('attach');
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(listDevices).toHaveBeenCalledTimes(2);
    usb.on('attach', () => {});
    expect(listDevices).toHaveBeenCalledTimes(3);
    usb.removeAllListeners();
  });

  it('is tried again once where a listener for errors leaves and comes again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const openDaemon = vi.fn(() => Object.assign(new EventEmitter(), { start: () => Promise.reject(new Error('no thread')), ref() {}, unref() {} }));
    const { usb } = createEntry({ openDaemon, listDevices: () => [] });
    usb.on('attach', () => {});
    usb.once('error', () => {
      usb.removeAllListeners('attach');
      usb.on('attach', () => {});
      usb.on('error', () => {});
    });
    await turns(2);
    expect(openDaemon).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(2000);
    expect(openDaemon).toHaveBeenCalledTimes(3);
    usb.removeAllListeners();
  });
});
