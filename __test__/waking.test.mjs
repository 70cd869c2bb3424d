// How the addon wakes JavaScript: by handles on its event loop, which hold nothing and are given back.

import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { expect, it } from 'vitest';
import { openDaemon, packageRoot } from './daemon.mjs';
import { program } from './lifecycle/program.mjs';

/** In a process of its own, whose garbage can be collected: `handles()` counts what can wake its event loop from other threads. */
const collecting = (text) =>
  program(['--expose-gc', '-e', `
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    const handles = () => process.report.getReport().libuv.filter(({ type, is_active: active }) => type === 'async' && active).length;
    const turn = () => new Promise(setImmediate);
    /** Collects until there are no more handles than these, for a while. */
    const fall = async (most) => {
      for (let turns = 0; turns < 200 && handles() > most; turns += 1) { gc(); await turn(); }
      return handles();
    };
    (async () => { ${text} })();`]);

it('gives back the handles of daemons that nobody holds any more, whether they have run or not', async () => {
  const { code, stderr, lines } = await collecting(`
    new USBDaemon({ redis: false });
    const before = await fall(0);
    let daemons = Array.from({ length: 100 }, () => new USBDaemon({ redis: false, sources: { simulated: true } }));
    const held = handles();
    await Promise.all(daemons.slice(0, 10).map(async (daemon) => { await daemon.start(); await daemon.stop(); }));
    daemons = null;
    console.log(before, held, await fall(before));`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [before, held, after] = lines[0].split(' ').map(Number);
  expect(held).toBeGreaterThanOrEqual(before + 100);
  expect(after).toBe(before);
});

it('calls listeners within the context in which the daemon was made, by a handle of its own', async () => {
  const storage = new AsyncLocalStorage();
  const made = [];
  const hook = createHook({ init: (id, type) => made.push(type) }).enable();
  const daemon = storage.run('where it was made', () => openDaemon());
  hook.disable();
  expect(made.filter((type) => type === 'usb-daemon').length).toBeGreaterThan(0);
  const found = new Promise((resolve) => daemon.on('device:attach', () => resolve(storage.getStore())));
  await storage.run('where it was started', () => daemon.start());
  daemon.simulateAttach({ name: '200-1' });
  expect(await found).toBe('where it was made');
});

it('has what a listener throws be an uncaught exception of that context, and ticks come before the next turn', async () => {
  const { code, stderr, lines } = await program(['-e', `
    const { AsyncLocalStorage } = require('node:async_hooks');
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    const storage = new AsyncLocalStorage();
    const daemon = storage.run('its own', () => new USBDaemon({ redis: false, sources: { simulated: true } }));
    process.on('uncaughtException', (error) => console.log(error.message, storage.getStore()));
    daemon.on('device:attach', () => {
      Promise.resolve().then(() => console.log('microtask'));
      process.nextTick(() => console.log('tick'));
      setImmediate(() => { console.log('turn'); daemon.stop(); });
      throw new Error('mine');
    });
    daemon.start().then(() => daemon.simulateAttach({ name: '200-1' }));`]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(lines).toEqual(['tick', 'mine its own', 'microtask', 'turn']);
});

it('is no reason for a process to go on', async () => {
  const { code, stderr, lines } = await program(['-e', `
    const USBDaemon = require(${JSON.stringify(packageRoot)});
    globalThis.kept = new USBDaemon({ redis: false });
    process.on('exit', () => console.log('over'));`]);
  expect({ code, stderr, lines }).toEqual({ code: 0, stderr: '', lines: ['over'] });
});
