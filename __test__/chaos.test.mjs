// Conservation: thousands of events through killed daemons, killed and frozen servers and a killed consumer. What the source
// sent, what the outbox holds and what the stream holds are compared: each event exactly once and in order. All the while the
// daemon's metrics are scraped, and the law of the accounts holds in each scrape.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { Process } from './chaos/process.mjs';
import { Scraper } from './chaos/scraper.mjs';
import { seeded } from './chaos/seeded.mjs';
import { finished } from './command.mjs';
import { UNPACED } from './daemon.mjs';
import { fieldsOf, freePort, REDIS_VERSIONS, startRedis, upTo } from './redis-server.mjs';
import { until } from './until.mjs';

const SHORT = { events: 10_000, kills: 12 };
/** A busy day has a hundred thousand; the gate, and the other servers, run a shorter one. */
const LONG = { events: Number(process.env.USB_DAEMON_CHAOS_EVENTS ?? SHORT.events), kills: Number(process.env.USB_DAEMON_CHAOS_KILLS ?? SHORT.kills) };
const RUNS = REDIS_VERSIONS.map((version) => [version, ...Object.values(version === '7.0' ? LONG : SHORT)]);
/** How long a handler takes in ms: a member that is killed has something in hand. */
const HANDLING = 1;
/** redis-check-aof is that of 7.0, and cannot read what later servers begin their file with. */
const REPAIRABLE = ['--aof-use-rdb-preamble', 'no'];
const CHUNK = 50;
const GROUP = 'chaos';

it.each(RUNS)('with Redis %s, %d events through %d kills of the daemon and as many of Redis: none lost, none twice, in order', { timeout: 1_200_000 }, async (version, events, kills) => {
  const folder = await mkdtemp(join(tmpdir(), 'usb-daemon-chaos-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const random = seeded();
  const server = await startRedis({ version, args: ['--appendonly', 'yes', '--appendfsync', process.env.USB_DAEMON_CHAOS_FSYNC ?? 'always', ...REPAIRABLE] });
  onTestFinished(() => server.close());
  const redis = { host: '127.0.0.1', port: server.port, timeout_ms: 1000 };
  const outbox = { path: join(folder, 'outbox.db'), retain: 10_000_000 };

  const members = startMembers({ redis, folder });
  const monitoring = { enabled: true, healthcheck_port: await freePort() };
  const scraper = new Scraper(monitoring.healthcheck_port);
  onTestFinished(() => scraper.end());
  const { ledger, faults, inHand } = await sendThroughFaults({ server, random, members, events, kills, config: { redis, outbox, monitoring, performance: { ...UNPACED, batch_size: 100 } } });
  await scraper.end();
  const { looks, away, withBacklog, unbalanced } = scraper;
  console.log(`faults: ${JSON.stringify(faults)}; scrapes: ${JSON.stringify({ looks, away, withBacklog })}`);
  const stored = await history(outbox.path);
  const entries = (await pages(server)).map(fieldsOf);

  expect(faults.daemonKills).toBeGreaterThanOrEqual(kills);
  expect(faults.serverKills).toBeGreaterThanOrEqual(kills);
  expect(entries.length).toBeGreaterThanOrEqual(events);
  expect(unbalanced).toEqual([]);
  // It was looked at between the faults and while Redis was away.
  expect(looks).toBeGreaterThan(faults.daemonKills);
  expect(withBacklog).toBeGreaterThan(0);
  // The stream is the outbox: the same events, each once, in the same order.
  const ids = entries.map(({ event_id }) => event_id);
  const wrong = stored.findIndex(({ eventId }, at) => eventId !== ids[at]);
  if (wrong >= 0) throw new Error(`entry ${wrong + 1} is not ${stored[wrong].eventId}; the stream has ${ids.slice(Math.max(0, wrong - 2), wrong + 3).join(' ')}`);
  expect(ids.length).toBe(stored.length);
  expect(entries.map(({ seq }) => Number(seq))).toEqual(upTo(entries.length));
  compareWithSource(ledger, entries);
  await eachWasHandled(members, entries);
  // What the killed member had in hand, others have handled.
  expect(inHand).not.toEqual([]);
  const [one, killed, other] = await Promise.all(members.map(({ ledger }) => linesOf(ledger)));
  expect(inHand.filter((id) => killed.has(id) || !(one.has(id) || other.has(id)))).toEqual([]);
});

/** Three members of one group; the second is killed half-way. */
function startMembers({ redis, folder }) {
  const members = [1, 2, 3].map((number) => {
    const name = `member-${number}`;
    const ledger = join(folder, name);
    const options = { start_at: '0', claim_idle_ms: 2000 };
    return { name, ledger, process: new Process('consumer.cjs', { redis, group: GROUP, name, options, ledger, handling: HANDLING }) };
  });
  onTestFinished(() => Promise.all(members.map(({ process }) => process.kill())));
  return members;
}

/** Sends all events, with a fault every few chunks. Gives what was sent, chunk by chunk, and whether it is known to be stored. */
async function sendThroughFaults({ server, random, config, members, events, kills }) {
  const ledger = [];
  const faults = { daemonKills: 0, serverKills: 0, freezes: 0, tornTransactions: 0 };
  const every = Math.max(1, Math.floor(events / CHUNK / (kills * 2.5)));
  let daemon = await startDaemon(config);
  onTestFinished(() => daemon.kill());
  let pair = 0;
  let known = 0;
  let killing = null;
  for (let round = 1; known < events || faults.daemonKills < kills || faults.serverKills < kills; round += 1) {
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
    if (known >= events / 2) killing ??= killWithEntriesInHand(members[1], server);
    chunk.stored = (await daemon.next('stored', seen)) !== null;
    known += chunk.stored ? CHUNK : 0;
    if (!daemon.isAlive) {
      complain(daemon);
      daemon = await startDaemon(config);
    }
  }
  const inHand = await killing;
  daemon.send({ drain: true });
  const last = await daemon.next('stopped');
  complain(daemon);
  expect(last).not.toBeNull();
  return { ledger, faults, inHand };
}

/** Kills a member while the group has entries of its pending that it has not handled yet. Gives the numbers of their events. */
async function killWithEntriesInHand({ process: member, name, ledger }, server) {
  const inHand = await until(async () => {
    // Where it stands still, what it has in hand stays.
    member.signal('SIGSTOP');
    // The server may be away just now.
    const found = await unhandled(name, ledger, server).catch(() => []);
    if (found.length > 0) return found;
    member.signal('SIGCONT');
    return null;
  }, `${name} to have something in hand`, { timeoutMs: 60_000 });
  await member.kill();
  return inHand;
}

async function unhandled(name, ledger, { client }) {
  const pending = await client.xpending('aw:hotplug', GROUP, '-', '+', 1000, name);
  const entries = await Promise.all(pending.map(([id]) => client.xrange('aw:hotplug', id, id)));
  const handled = await linesOf(ledger);
  return entries.map(([entry]) => fieldsOf(entry).event_id).filter((id) => !handled.has(id));
}

async function linesOf(path) {
  return new Set((await readFile(path, 'utf8').catch(() => '')).split('\n'));
}

async function startDaemon(config) {
  const daemon = new Process('source.cjs', { ...config, sources: ['simulated'], shutdown_ms: 30_000 });
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
    const ledgers = await Promise.all(members.map(({ ledger }) => linesOf(ledger)));
    return wanted.filter((id) => !ledgers.some((handled) => handled.has(id)));
  };
  await until(async () => (await missing()).length === 0, 'every event handled by the group', { timeoutMs: 600_000 }).catch(async (error) => {
    throw new Error(`${error.message}; not handled: ${(await missing()).slice(0, 5)}`);
  });
}
