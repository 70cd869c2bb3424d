// AutoWeave's own consuming side before a real kernel: its integration service publishes each event that the daemon has published
// already, its plugin loader reads the stream, and its plugins get what the kernel has said, once.

import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { byDevice, GuestRedis, kernelsAccount, redisAccount } from './kernel-witnesses.mjs';
import { Observer } from './observe.mjs';

const CYCLES = 24;
const CONTROLLERS = 4;
const KINDS = ['keyboard', 'storage', 'serial', 'tablet', 'hub'];
const GROUP = 'plugin-loader';
/** Under emulation, beside other work, anything may take this long; none of it is what these tests are about. */
const PATIENCE_MS = 60_000;

/** Each plugin's manifest, and the IDs by which the kernel's ledger says what it must get. */
const PLUGINS = [
  { name: 'everything', manifest: {}, wants: () => true },
  { name: 'camera', manifest: { vendor_ids: ['0x04A9', '0x0627'], product_ids: [], device_classes: ['0x06', '0x09'] }, wants: () => false },
  { name: 'input', manifest: { vendor_ids: ['0x0627'], product_ids: ['0x0001'] }, wants: (ids) => ids === '627:1' },
  { name: 'disk', manifest: { vendor_ids: ['0x04A9', '0x46F4'] }, wants: (ids) => ids === '46f4:1' },
  { name: 'line', manifest: { product_ids: ['0x6001'], device_classes: ['0x00'] }, wants: (ids) => ids === '403:6001' },
  { name: 'hubs', manifest: { vendor_ids: ['0x0409'], device_classes: ['0x09'] }, wants: (ids) => ids === '409:55aa' },
];

const program = (name) => fileURLToPath(new URL(`./autoweave/${name}.cjs`, import.meta.url));
const isPlugins = ({ event }) => event === 'plugin';
const idsOf = ({ product }) => product.split('/').slice(0, 2).join(':');

/** The ledger in the consumer's words: the specification's event knows no address, only the signature over it. */
function signedAccount(ledger) {
  return ledger.map((entry) => {
    const [vendor, product] = idsOf(entry).split(':').map((id) => parseInt(id, 16));
    const signature = createHash('sha256').update(`${vendor}:${product}:${entry.busnum}:${entry.devnum}`).digest('hex').slice(0, 16);
    return `${{ add: 'usb:attach', remove: 'usb:detach' }[entry.action]} ${signature}`;
  });
}

function pluginsAccount(lines, plugin) {
  return lines.filter((line) => isPlugins(line) && line.plugin === plugin).map(({ type, of }) => `${type} ${of.deviceSignature}`);
}

describe("AutoWeave's consuming side in a real kernel with udevd, as nobody", () => {
  let bed;
  let redis;
  let service;
  let loader;
  let cycleNumber = 0;

  beforeAll(async () => {
    bed = await openQemuBed({ udev: true, controllers: CONTROLLERS });
    redis = await GuestRedis.start(bed);
    loader = await load();
    // While a restarted loader starts its workers, the one emulated CPU has Redis itself answer later than the default of 2 s at times
    // (one run in six, beside a copy of gigabytes); a publish that finds nothing still fails.
    service = run('integration-service', { timeout_ms: PATIENCE_MS });
    await service.waitFor(({ event }) => event === 'started', 'the integration service to have started', { timeoutMs: PATIENCE_MS });
  }, 4 * PATIENCE_MS);
  afterAll(() => bed?.close());

  function run(name, options) {
    const connection = { host: '127.0.0.1', port: redis.port };
    return new Observer(bed.spawn([process.execPath, program(name), JSON.stringify({ redis: connection, ...options })], { user: 'nobody' }));
  }

  /** A plugin loader that has its group; `hangsAt` makes the plugin that gets everything never finish with its event of that number. */
  async function load({ hangsAt } = {}) {
    const plugins = PLUGINS.map(({ name, manifest }) => ({ name, manifest, ...(name === 'everything' && { hangsAt }) }));
    const started = run('plugin-loader', { group: GROUP, plugins });
    await started.waitFor(({ event }) => event === 'loading', 'the plugin loader to have its group', { timeoutMs: PATIENCE_MS });
    return started;
  }

  async function stop(observed) {
    observed.kill('SIGTERM');
    expect(await observed.exit, observed.stderrText()).toEqual({ code: 0, signal: null });
  }

  /** Waits until the program has said so many lines that `match` accepts. */
  function lines(from, match, count) {
    const enough = () => from.said.filter(match).length >= count;
    return from.waitFor(enough, `${count} lines`, { timeoutMs: PATIENCE_MS });
  }

  /** The next `count` cycles, at once on all controllers. */
  async function cycle(count) {
    const end = cycleNumber + count;
    const work = async (_, controller) => {
      while (cycleNumber < end) {
        const number = cycleNumber++;
        const serial = `WEAVE-${number}`;
        await bed.cycle({ kind: KINDS[number % KINDS.length], controller, port: String(1 + (number % 3)), serial });
      }
    };
    await Promise.all(Array.from({ length: CONTROLLERS }, work));
  }

  async function pending() {
    const argv = ['redis-cli', '-p', String(redis.port), '--json', 'XPENDING', 'aw:hotplug', GROUP, '-', '+', '100'];
    const { code, stdout, stderr } = await bed.exec(argv, { cwd: '/' });
    if (code !== 0) throw new Error(`redis-cli in the guest: ${stderr || stdout}`);
    return JSON.parse(stdout).map(([id]) => id);
  }

  it(`hands each plug and pull of ${CYCLES} cycles to each plugin that it concerns, once and in the device's order`, async () => {
    const atStart = (await redis.entries()).length;
    const before = bed.ledger().length;
    await cycle(CYCLES);
    const ledger = bed.ledger().slice(before);
    expect(ledger).toHaveLength(2 * CYCLES);
    await lines(loader, (line) => isPlugins(line) && line.plugin === 'everything', atStart + 2 * CYCLES);
    await lines(service, ({ event }) => event === 'published', atStart + 2 * CYCLES);

    const entries = await redis.entries();
    expect(byDevice(redisAccount(entries.slice(atStart)))).toEqual(byDevice(kernelsAccount(ledger)));
    const startup = new Set(entries.slice(0, atStart).map(({ id }) => id));
    const live = loader.said.filter((line) => isPlugins(line) && !startup.has(line.of.messageId));
    for (const { name, wants } of PLUGINS) {
      const wanted = signedAccount(ledger.filter((entry) => wants(idsOf(entry))));
      expect(byDevice(pluginsAccount(live, name)), name).toEqual(byDevice(wanted));
    }
    // The table would prove nothing of a plugin that no device concerned.
    expect(PLUGINS.filter(({ wants }) => ledger.some((entry) => wants(idsOf(entry))))).toHaveLength(KINDS.length);
  }, 4 * PATIENCE_MS);

  it('gives a plugin the event as the specification parses it', async () => {
    const entries = new Map((await redis.entries()).map(({ id, fields }) => [id, fields]));
    for (const { of } of loader.said.filter(isPlugins)) {
      const fields = entries.get(of.messageId);
      expect(of).toEqual({
        messageId: of.messageId,
        source: 'node-usb',
        action: fields.action,
        vendorId: of.deviceDescriptor.idVendor,
        productId: of.deviceDescriptor.idProduct,
        deviceSignature: fields.device_signature,
        manufacturer: fields.manufacturer,
        product: fields.product,
        serialNumber: fields.serial_number,
        timestamp: Number(fields.timestamp),
        deviceDescriptor: JSON.parse(fields.device_descriptor),
      });
      expect(['attach', 'detach']).toContain(of.action);
    }
  });

  it('gives a restarted loader what the killed one had not acknowledged, then what came meanwhile, and the rest once', async () => {
    await stop(loader);
    expect(await pending()).toEqual([]);
    const before = (await redis.entries()).length;
    const mark = bed.ledger().length;
    // By its number, for an attach may come without its strings, which tell more of the device.
    const hangsAt = 6;
    const killed = await load({ hangsAt });
    const meanwhile = cycle(8);
    const toAll = (line) => isPlugins(line) && line.plugin === 'everything';
    await lines(killed, toAll, hangsAt);
    killed.kill('SIGKILL');
    expect(await killed.exit).toEqual({ code: null, signal: 'SIGKILL' });
    const unacknowledged = await pending();
    expect(unacknowledged).toEqual([killed.said.findLast(isPlugins).of.messageId]);
    await meanwhile;

    loader = await load();
    await lines(loader, toAll, 16 - hangsAt + 1);
    const order = (from) => from.said.filter(toAll).map(({ of }) => of.messageId);
    const entries = (await redis.entries()).slice(before);
    expect(byDevice(redisAccount(entries))).toEqual(byDevice(kernelsAccount(bed.ledger().slice(mark))));
    expect(order(loader)[0]).toBe(unacknowledged[0]);
    expect([...order(killed).slice(0, -1), ...order(loader)]).toEqual(entries.map(({ id }) => id));
  }, 4 * PATIENCE_MS);

  it('publishes none of the events a second time, and names for each the entry that it has', async () => {
    await stop(service);
    expect(service.said.at(-1)).toEqual({ event: 'stopped' });
    const entries = await redis.entries();
    const published = service.of('published').map(({ eventId, action, signature, streamId }) => [streamId, eventId, action, signature]);
    const named = entries.map(({ id, fields }) => [id, fields.event_id, fields.action, fields.device_signature]);
    // Each promise settles by itself; only its own entry is its business.
    expect(published.toSorted()).toEqual(named.toSorted());
    expect(new Set(named.map(([, eventId]) => eventId)).size).toBe(entries.length);
    // Root hubs were there before anybody listened; everything since the boot is in the stream once.
    expect(byDevice(redisAccount(entries))).toEqual(byDevice(kernelsAccount(bed.ledger())));
  });

  it('leaves nothing pending, nothing unread, and nobody has complained', async () => {
    await stop(loader);
    expect(await pending()).toEqual([]);
    const argv = ['redis-cli', '-p', String(redis.port), '--json', 'XINFO', 'GROUPS', 'aw:hotplug'];
    const [group, ...others] = JSON.parse((await bed.exec(argv, { cwd: '/' })).stdout);
    expect(others).toEqual([]);
    expect(group).toMatchObject({ name: GROUP, pending: 0, lag: 0, 'last-delivered-id': (await redis.entries()).at(-1).id });
    expect([...service.of('error'), ...loader.of('error')]).toEqual([]);
    expect(service.stderrText() + loader.stderrText()).toBe('');
  });
});
