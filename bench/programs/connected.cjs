'use strict';

// The process in which the cost of many connected devices is measured. It says what it has found as one line of JSON.
//
//   node connected.cjs simulated '{"sizes": […], "rounds": 3, "pairs": 2000}'
//   node connected.cjs kernel '{"devices": 1000, "port": 8080, "intervalMs": 50, "windowMs": 5000}'

const { get } = require('node:http');
const { setTimeout: pause } = require('node:timers/promises');
const USBDaemon = require('../package.cjs');

const NEVER = 86_400_000;
/** As a real bus might have. */
const ON_A_BUS = 100;
const FIRST_BUS = 300;
const MEASURED_BUS = 200;
/** So many pairs are asked for before the first is waited for. */
const BURST = 50;

function cpuMs(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const other = (at) => ({
  name: `${FIRST_BUS + Math.floor(at / ON_A_BUS)}-${1 + (at % ON_A_BUS)}`,
  vendorId: 0x046d,
  // Its own: a signature is made of IDs, bus and address, and simulated addresses go round at 126.
  productId: at,
  product: 'Keyboard',
  speed: '1.5',
  interfaces: [{ class: 3, subclass: 1, protocol: 1 }],
});

async function simulated({ sizes, rounds, pairs }) {
  const { quantile } = await import('../figures.mjs');
  const daemon = new USBDaemon({ sources: { simulated: true }, monitoring: { enabled: false, interval: NEVER } });
  let heard = 0;
  let wanted = Infinity;
  let onHeard = null;
  const count = () => {
    heard += 1;
    if (heard >= wanted) onHeard();
  };
  daemon.on('device:attach', count).on('device:detach', count);
  const hear = (more) => {
    heard = 0;
    wanted = more;
    return new Promise((resolve) => (onHeard = resolve));
  };
  await daemon.start();
  const measured = (at) => ({ ...other(at), name: `${MEASURED_BUS}-${1 + at}` });

  /** Until so many others are connected. */
  const present = () => daemon.connectedDevices.size;
  const kept = present();
  let connected = 0;
  async function settle(size) {
    while (connected !== size) {
      const step = Math.min(500, Math.abs(size - connected));
      const told = hear(step);
      for (let at = 0; at < step; at += 1) {
        if (connected < size) daemon.simulateAttach(other(connected++));
        else daemon.simulateDetach(other(--connected).name);
      }
      await told;
    }
    if (present() !== kept + size) throw new Error(`${present()} connected instead of ${kept + size}`);
    // Of another size: what is still stored, and what V8 is still about.
    await pause(200);
  }

  /** As fast as it goes: processor time of a pair, all threads together. */
  async function flatOut() {
    const before = process.cpuUsage();
    const began = performance.now();
    for (let done = 0; done < pairs; done += BURST) {
      const told = hear(2 * BURST);
      for (let at = 0; at < BURST; at += 1) {
        daemon.simulateAttach(measured(at));
        daemon.simulateDetach(measured(at).name);
      }
      await told;
    }
    return { cpuUs: (cpuMs(before) * 1000) / pairs, wallUs: ((performance.now() - began) * 1000) / pairs };
  }

  /** One after another: from the call to the listener, in µs. */
  async function oneByOne() {
    const delays = [];
    for (let at = 0; at < pairs / 10; at += 1) {
      for (const ask of [() => daemon.simulateAttach(measured(0)), () => daemon.simulateDetach(measured(0).name)]) {
        const told = hear(1);
        const began = performance.now();
        ask();
        await told;
        delays.push((performance.now() - began) * 1000);
      }
    }
    return delays;
  }

  const found = Object.fromEntries(sizes.map((size) => [size, []]));
  await flatOut();
  await oneByOne();
  for (let round = 0; round < rounds; round += 1) {
    for (const size of round % 2 === 0 ? sizes : sizes.toReversed()) {
      await settle(size);
      const { cpuUs, wallUs } = await flatOut();
      const delays = await oneByOne();
      found[size].push({ cpuUs, wallUs, p50Us: quantile(delays, 0.5), p99Us: quantile(delays, 0.99) });
    }
  }
  await settle(0);
  await daemon.stop();
  return found;
}

/** Time and processor time of `act`, which is done so often; in ms for one. */
async function costOf(times, act) {
  const before = process.cpuUsage();
  const began = performance.now();
  for (let count = 0; count < times; count += 1) await act();
  return { wallMs: (performance.now() - began) / times, cpuMs: cpuMs(before) / times };
}

async function idle(ms) {
  const before = process.cpuUsage();
  await pause(ms);
  return cpuMs(before);
}

/** How many bytes the answer to GET /devices has, which are thrown away. */
function bytesOf(port, headers) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/devices', headers }, (answer) => {
      let bytes = 0;
      answer.on('data', (part) => (bytes += part.length)).on('end', () => resolve(bytes));
    }).on('error', reject);
  });
}

async function kernel({ devices, port, intervalMs, windowMs }) {
  const config = (interval) => ({ monitoring: { enabled: true, healthcheck_port: port, host: '127.0.0.1', interval } });
  const daemon = new USBDaemon(config(NEVER));
  let told = 0;
  let lastAt = 0;
  daemon.on('device:attach', () => {
    told += 1;
    lastAt = performance.now();
  });
  const before = process.cpuUsage();
  const began = performance.now();
  await daemon.start();
  const startedMs = performance.now() - began;
  while (told < devices && performance.now() - began < 20_000) await pause(5);
  const first = { startedMs, toldMs: lastAt - began, cpuMs: cpuMs(before), told };
  await pause(500);
  const quietMs = await idle(windowMs);
  const listed = await costOf(100, () => daemon.getConnectedDevices());
  const health = await costOf(100, () => daemon.getHealth());
  const http = await costOf(20, () => bytesOf(port, {}));
  const bytes = await bytesOf(port, {});
  await daemon.stop();

  const reconciling = new USBDaemon(config(intervalMs));
  reconciling.on('device:attach', () => {});
  await reconciling.start();
  await pause(1000);
  const busyMs = await idle(windowMs);
  await reconciling.stop();
  const warm = { cpuMs: (busyMs - quietMs) / (windowMs / intervalMs), quietMs, busyMs };
  return { first, listed, health, http: { ...http, bytes }, warm };
}

const [, , what, text] = process.argv;
({ simulated, kernel })[what](JSON.parse(text)).then((found) => process.stdout.write(`${JSON.stringify(found)}\n`));
