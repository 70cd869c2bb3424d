// Conservation: thousands of events through killed daemons, killed and frozen servers and a killed consumer. What the source
// sent, what the outbox holds and what the stream holds are compared: each event exactly once and in order.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { Process } from './chaos/process.mjs';
import { seeded } from './chaos/seeded.mjs';
import { finished } from './command.mjs';
import { fieldsOf, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

/** A busy day has a hundred thousand; the gate runs a shorter one. */
const EVENTS = Number(process.env.USB_DAEMON_CHAOS_EVENTS ?? 10_000);
const KILLS = Number(process.env.USB_DAEMON_CHAOS_KILLS ?? 12);
const CHUNK = 50;
const GROUP = 'chaos';

it(`${EVENTS} events through ${KILLS} kills of the daemon and ${KILLS} of Redis: none lost, none twice, in order`, { timeout: 1_200_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-chaos-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const random = seeded();
  const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', process.env.USB_DAEMON_CHAOS_FSYNC ?? 'always'] });
  onTestFinished(() => server.close());
  const redis = { host: '127.0.0.1', port: server.port, timeout_ms: 1000 };
  const outbox = { path: join(folder, 'outbox.db'), retain: 10_000_000 };

  const members = startMembers({ redis, folder });
  const { ledger, faults } = await sendThroughFaults({ server, random, members, config: { redis, outbox, performance: { batch_size: 100 } } });
  console.log(`faults: ${JSON.stringify(faults)}`);
  const stored = await history(outbox.path);
  const entries = (await pages(server)).map(fieldsOf);

  expect(faults.daemonKills).toBeGreaterThanOrEqual(KILLS);
  expect(faults.serverKills).toBeGreaterThanOrEqual(KILLS);
  expect(entries.length).toBeGreaterThanOrEqual(EVENTS);
  // The stream is the outbox: the same events, each once, in the same order.
  const ids = entries.map(({ event_id }) => event_id);
  const wrong = stored.findIndex(({ eventId }, at) => eventId !== ids[at]);
  if (wrong >= 0) throw new Error(`entry ${wrong + 1} is not ${stored[wrong].eventId}; the stream has ${ids.slice(Math.max(0, wrong - 2), wrong + 3).join(' ')}`);
  expect(ids.length).toBe(stored.length);
  expect(entries.map(({ seq }) => Number(seq))).toEqual(upTo(entries.length));
  compareWithSource(ledger, entries);
  await eachWasHandled(members, entries);
});

/** Three members of one group; the second is killed half-way. */
function startMembers({ redis, folder }) {
  const members = [1, 2, 3].map((number) => {
    const name = `member-${number}`;
    const ledger = join(folder, name);
    const options = { start_at: '0', claim_idle_ms: 2000 };
    return { ledger, process: new Process('consumer.cjs', { redis, group: GROUP, name, options, ledger }) };
  });
  onTestFinished(() => Promise.all(members.map(({ process }) => process.kill())));
  return members;
}

/** Sends all events, with a fault every few chunks. Gives what was sent, chunk by chunk, and whether it is known to be stored. */
async function sendThroughFaults({ server, random, config, members }) {
  const ledger = [];
  const faults = { daemonKills: 0, serverKills: 0, freezes: 0, tornTransactions: 0 };
  const every = Math.max(1, Math.floor(EVENTS / CHUNK / (KILLS * 2.5)));
  let daemon = await startDaemon(config);
  onTestFinished(() => daemon.kill());
  let pair = 0;
  let known = 0;
  for (let round = 1; known < EVENTS || faults.daemonKills < KILLS || faults.serverKills < KILLS; round += 1) {
    const chunk = { transitions: transitions(pair, CHUNK / 2), stored: false };
    pair += CHUNK / 2;
    ledger.push(chunk);
    const seen = daemon.lines.length;
    daemon.send({ transitions: chunk.transitions });
    const isTime = round % every === 0;
    if (isTime && faults.daemonKills <= faults.serverKills) {
      faults.daemonKills += 1;
      await pause(random.below(12));
      await daemon.kill();
    } else if (isTime && random.next() < 0.8) {
      faults.serverKills += 1;
      await pause(random.below(12));
      await server.kill();
      faults.tornTransactions += Number(await server.repair());
      await server.start();
    } else if (isTime) {
      faults.freezes += 1;
      server.signal('SIGSTOP');
      await pause(random.below(1500));
      server.signal('SIGCONT');
    }
    if (known >= EVENTS / 2 && members[1].process.isAlive) await members[1].process.kill();
    chunk.stored = (await daemon.next('stored', seen)) !== null;
    known += chunk.stored ? CHUNK : 0;
    if (!daemon.isAlive) {
      complain(daemon);
      daemon = await startDaemon(config);
    }
  }
  daemon.send({ drain: true });
  const last = await daemon.next('stopped');
  complain(daemon);
  expect(last).not.toBeNull();
  return { ledger, faults };
}

async function startDaemon({ redis, outbox, performance }) {
  const daemon = new Process('source.cjs', { redis, outbox, performance, sources: ['simulated'], monitoring: { enabled: false }, shutdown_ms: 30_000 });
  expect(await daemon.next('started')).not.toBeNull();
  return daemon;
}

/** The law of the accounts held at every look, nothing was dropped, and nothing but Redis was away. */
function complain(daemon) {
  expect(daemon.lines.filter((line) => line.unbalanced || line.gap || line.error)).toEqual([]);
}

/** Devices that come and go, each with a serial number of its own. */
function transitions(from, pairs) {
  return Array.from({ length: pairs }, (_, at) => {
    const serialNumber = String(from + at);
    const name = `201-1.${1 + ((from + at) % 100)}`;
    return [
      { action: 'attach', name, vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', serialNumber },
      { action: 'detach', name, serialNumber },
    ];
  }).flat();
}

/** What the outbox holds, read as a user would. */
async function history(path) {
  const { code, stdout } = await finished(['tail', '--json', '--outbox', path]);
  expect(code).toBe(0);
  return stdout.map((line) => JSON.parse(line).info);
}

async function pages(server) {
  const entries = [];
  for (let from = '-'; ; from = `(${entries.at(-1)[0]}`) {
    const page = await server.client.xrange('aw:hotplug', from, '+', 'COUNT', 5000);
    entries.push(...page);
    if (page.length < 5000) return entries;
  }
}

/**
 * A chunk that is known to be stored is there whole and in order; of one that was under way when the daemon was killed, a
 * first part. A device that was attached when its daemon was killed gets a detach that says so, and nothing else is there.
 */
function compareWithSource(ledger, entries) {
  let at = 0;
  for (const { transitions, stored } of ledger) {
    let attached = null;
    let whole = true;
    for (const { action, serialNumber } of transitions) {
      const entry = entries[at];
      if (entry?.action !== action || entry.serial_number !== serialNumber || entry.synthetic) {
        whole = false;
        break;
      }
      attached = action === 'attach' ? serialNumber : null;
      at += 1;
    }
    if (stored && !whole) throw new Error(`entry ${at} is not what was sent and stored: ${JSON.stringify(entries[at])}`);
    if (attached !== null) {
      expect(entries[at]).toMatchObject({ action: 'detach', serial_number: attached, synthetic: 'missed-while-down' });
      at += 1;
    }
  }
  expect(entries.slice(at)).toEqual([]);
}

async function eachWasHandled(members, entries) {
  const wanted = entries.map(({ event_id }) => event_id);
  const missing = async () => {
    const ledgers = await Promise.all(members.map(({ ledger }) => readFile(ledger, 'utf8').catch(() => '')));
    const handled = new Set(ledgers.join('').split('\n'));
    return wanted.filter((id) => !handled.has(id));
  };
  await until(async () => (await missing()).length === 0, 'every event handled by the group', { timeoutMs: 120_000 }).catch(async (error) => {
    throw new Error(`${error.message}; not handled: ${(await missing()).slice(0, 5)}`);
  });
}
