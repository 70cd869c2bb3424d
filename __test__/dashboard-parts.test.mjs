// Parts of the dashboard that need no page: how texts are shown, events read, devices ordered and figures made.

import { describe, expect, it } from 'vitest';
import { forFilter, isPermission } from '../crates/core/src/http/page/advice.js';
import { BOUNDS, latencies, quantile } from '../crates/core/src/http/page/figures.js';
import { matches, Model, RATE_SECONDS, Rates, wordsOf } from '../crates/core/src/http/page/model.js';
import { checks, lookFor, trouble } from '../crates/core/src/http/page/reasons.js';
import { EventParser } from '../crates/core/src/http/page/sse.js';
import { verdictOf } from '../crates/core/src/http/page/status.js';
import { ids, ms, nameOf, portOf, span, visible } from '../crates/core/src/http/page/text.js';
import { busesOf } from '../crates/core/src/http/page/tree.js';

function device(name, more = {}) {
  const [bus, ports] = name.startsWith('usb') ? [Number(name.slice(3)), '0'] : name.split('-');
  return { name, vendorId: 0x046d, productId: 0xc31c, signature: name, timestamp: 1000, attachedAt: 1000, interfaces: [], location: { busNumber: Number(bus), deviceAddress: 1, portPath: ports }, ...more };
}

function transition(seq, { type = 'attach', at = 1000, name = '1-1', ...more } = {}) {
  return { type, seq, eventId: `p:${seq}`, device: device(name, { timestamp: at }), seenBy: { netlink: 0 }, steps: { describe: 1, announce: 1 }, ...more };
}

describe('texts', () => {
  it.each([
    ['plain', 'plain'],
    [undefined, ''],
    ['', ''],
    ['   ', '⟨3 blank⟩'],
    ['a\nb\tc\u0000', 'a⟨U+000A⟩b⟨U+0009⟩c⟨U+0000⟩'],
    ['\u202Egnp.exe\u2066\u200F', '⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+200F⟩'],
    ['\u200B\uFEFF\u2028\u{E0041}', '⟨U+200B⟩⟨U+FEFF⟩⟨U+2028⟩⟨U+E0041⟩'],
    ['half \uD83D of one', 'half ⟨U+D83D⟩ of one'],
    ['שלום 日本 é 🙂', 'שלום 日本 é 🙂'],
    [`Z${'\u0334'.repeat(50)}`, `Z${'\u0334'.repeat(3)}…`],
    ['<b>&amp;"\'`', '<b>&amp;"\'`'],
  ])('of devices have nothing unseen in them: %j', (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('are cut where they are long, and looked at no further', () => {
    expect(visible('x'.repeat(120))).toBe('x'.repeat(120));
    expect(visible('x'.repeat(10_000_000))).toBe(`${'x'.repeat(120)}…`);
  });

  it('name a device by what it says, or by what it is', () => {
    expect(nameOf({ manufacturer: 'Canon', product: 'LiDE' })).toBe('Canon LiDE');
    expect(nameOf({ manufacturer: 'Canon', product: 'Canon LiDE' })).toBe('Canon LiDE');
    expect(nameOf({ vendorName: 'Canon, Inc.', productName: 'LiDE' })).toBe('Canon, Inc. LiDE');
    expect(nameOf({ manufacturer: ' ', vendorName: 'Canon, Inc.', product: 'Scanner', productName: 'never' })).toBe('Canon, Inc. Scanner');
    expect(nameOf({ interfaces: [{ class: 8 }] })).toBe('Storage without a name');
    expect(nameOf({ deviceDescriptor: { bDeviceClass: 239 }, interfaces: [{ class: 239 }] })).toBe('Device without a name');
    expect([ids(device('1-1')), portOf({ location: { busNumber: 1, portPath: '0' } }), portOf(device('1-4.2'))]).toEqual(['046d:c31c', 'usb1', '1-4.2']);
  });

  it('say times in what one reads', () => {
    expect([0, 0.0421, 0.42, 9.999, 42.42, 420, 4200, 42_000, undefined].map(ms)).toEqual(['0.00 ms', '0.042 ms', '0.42 ms', '10.00 ms', '42.4 ms', '420 ms', '4.2 s', '42 s', '–']);
    expect([0, 999, 61_000, 3_600_000, 90_061_000].map(span)).toEqual(['0 s', '0 s', '1 min 1 s', '1 h', '1 d 1 h']);
  });
});

describe('server-sent events', () => {
  const TEXT = ': hello\nretry: 2000\n\nid: p:1\r\nevent: attach\r\ndata: {"a":\r\ndata: 1}\r\n\r\nevent:detach\rdata:x\r\rdata: ü\n\nid: p:2\nevent: empty\n\n';
  const EVENTS = [{ type: 'attach', id: 'p:1', data: '{"a":\n1}' }, { type: 'detach', id: undefined, data: 'x' }, { type: 'message', id: undefined, data: 'ü' }];

  it('are the same however they are cut', () => {
    for (let at = 0; at <= TEXT.length; at += 1) {
      for (const pieces of [[TEXT.slice(0, at), TEXT.slice(at)], [TEXT.slice(0, at), TEXT.slice(at, at + 1), TEXT.slice(at + 1)]]) {
        const events = [];
        const parser = new EventParser((event) => events.push(event));
        for (const piece of pieces) parser.push(piece);
        expect(events, `cut at ${at}`).toEqual(EVENTS);
      }
    }
  });

  it('that never end a line are given up', () => {
    const parser = new EventParser(() => {});
    expect(() => { for (let at = 0; at < 17; at += 1) parser.push('x'.repeat(65_536)); }).toThrow('a line without an end');
  });
});

describe('what the page remembers', () => {
  it('has a bound, whatever comes', () => {
    const model = new Model();
    for (let seq = 1; seq <= 10_000; seq += 1) {
      model.take('attach', transition(seq, { at: seq }));
      model.take('withheld', { timestamp: seq, action: 'attach', reason: 'duplicate', source: 'netlink', name: '1-1', vendorId: 1, productId: 2, detail: '' });
    }
    expect(model.rows.length).toBeLessThanOrEqual(5500);
    expect(model.rows.length + model.forgotten).toBe(20_000);
    expect(model.withheld).toHaveLength(200);
    expect(model.take('attach', transition(10_000))).toBe(undefined);
  });

  it('adds what becomes known of an event later, and passes over what it does not know', () => {
    const model = new Model();
    const row = model.take('attach', transition(1));
    model.take('progress', { eventId: 'p:1', seenBy: { netlink: 0, libusb: 0.8 }, steps: { store: 2 }, streamId: '1-0' });
    model.take('progress', { eventId: 'p:9', seenBy: {}, steps: {} });
    model.take('ready', { eventId: 'p:1', isReady: true });
    model.take('ready', { eventId: 'p:9', isReady: true });
    expect(model.rows.map(({ data }) => data.readiness?.isReady)).toContain(true);
    expect(row.data).toMatchObject({ seenBy: { netlink: 0, libusb: 0.8 }, steps: { describe: 1, announce: 1, store: 2 }, streamId: '1-0' });
    expect(model.rows).toHaveLength(1);
  });

  it('puts a row that comes late where its time is, and tells the same once', () => {
    const model = new Model();
    const withheld = { timestamp: 1500, action: 'attach', reason: 'filtered', source: 'netlink', name: '1-2', vendorId: 1, productId: 2, detail: 'filters.vendor_blacklist' };
    model.take('attach', transition(1, { at: 1000 }));
    model.take('attach', transition(2, { at: 2000 }));
    model.takeWithheld([withheld]);
    model.takeWithheld([withheld]);
    expect(model.rows.map(({ at }) => at)).toEqual([1000, 1500, 2000]);
    // A list that is older than what the stream has told takes nothing back.
    model.takeWithheld([]);
    model.take('withheld', withheld);
    expect(model.withheld).toEqual([withheld]);
    expect(model.rows).toHaveLength(3);
  });

  it('is found by the words that stand on a row, and by IDs as code and lsusb write them', () => {
    const model = new Model();
    const withheld = { timestamp: 1500, action: 'attach', reason: 'filtered', source: 'netlink', name: '1-2', vendorId: 0x0403, productId: 0x6001, serialNumber: 'A1B2C3', detail: 'filters.vendor_blacklist' };
    model.takeWithheld([withheld]);
    model.take('attach', transition(1));
    const found = (search) => model.rows.filter((row) => matches(row, wordsOf(search))).map(({ kind }) => kind);
    for (const search of ['no event', 'held back', '0x0403', 'ID 0403:6001', 'a1b2c3']) expect([search, found(search)]).toEqual([search, ['withheld']]);
    expect(model.rates.columns(2000).reduce((sum, { withheld: count }) => sum + count, 0)).toBe(1);
  });

  it('is found by all words of a search, in any order and case', () => {
    const row = new Model().take('detach', transition(1, { type: 'detach', name: '1-4.2' }));
    for (const [search, found] of [['046D:', true], ['detach 1-4.2', true], ['1-4.2 attach', false], ['', true]]) expect(matches(row, wordsOf(search)), search).toBe(found);
  });
});

describe('figures', () => {
  it('put each latency into its column, its upper end included', () => {
    const rows = [0.05, 0.1, 0.11, 10, 10.5, 5000].map((announce) => ({ at: 1000, data: { steps: { announce }, device: {} } }));
    rows.push({ at: 1000, data: { steps: { announce: 1 }, device: { synthetic: 'startup' } } }, { at: 1000, data: { reason: 'filtered' } });
    const { columns, told } = latencies(rows, 2000);
    expect(Object.fromEntries(BOUNDS.map((bound, at) => [bound, columns[at]]).filter(([, many]) => many > 0))).toEqual({ 0.1: 2, 0.25: 1, 10: 1, 25: 1, Infinity: 1 });
    expect(told).toMatchObject({ count: 6, most: 5000 });
    expect(latencies(rows, 1000 + 300_001).told.count).toBe(0);
  });

  it('have quantiles that are values that occurred', () => {
    expect([[], [1], [1, 2, 3, 4]].map((values) => quantile(values, 0.5))).toEqual([undefined, 1, 2]);
    expect(quantile(Array.from({ length: 100 }, (_, at) => at + 1), 0.99)).toBe(99);
  });

  it('count events by seconds, of the last minutes only', () => {
    const rates = new Rates();
    for (let second = 0; second < 10 * RATE_SECONDS; second += 1) rates.count('attach', second * 1000);
    const now = (10 * RATE_SECONDS - 1) * 1000;
    const columns = rates.columns(now);
    expect(columns).toHaveLength(60);
    expect(columns.every(({ attach }) => attach === 5)).toBe(true);
    // What the daemon's clock has ahead of ours is now.
    rates.count('detach', now + 900);
    rates.count('detach', now + 100_000);
    expect(rates.columns(now).at(-1).detach).toBe(1);
  });
});

describe('the tree', () => {
  const outline = (place) => Object.fromEntries([...place.children].map(([port, child]) => [`${port}${child.here.map(({ isHeld }) => (isHeld ? ' held' : '')).join('+')}${child.here.length === 0 ? ' nobody' : ''}`, outline(child)]));

  it('hangs each device on its port, those held back too, and makes places for hubs that nobody told of', () => {
    const buses = busesOf([device('usb1'), device('1-10'), device('1-2'), device('1-2.3.1'), device('3-1')], [device('1-2.1')]);
    expect(buses.map((bus) => [bus.bus, bus.here.length, outline(bus)])).toEqual([
      [1, 1, { 10: {}, 2: { '3 nobody': { 1: {} }, '1 held': {} } }],
      [3, 0, { 1: {} }],
    ]);
  });

  it('has room for two devices at one port, and for a name that is no port', () => {
    const [bus] = busesOf([device('1-1'), device('1-1', { signature: 'other' }), { ...device('1-1'), name: 'odd' }], []);
    expect([...bus.children].map(([port, { here }]) => [port, here.length])).toEqual([[1, 2], [0, 1]]);
  });
});

describe('reasons', () => {
  const HEALTHY = { status: 'healthy', started: true, gaps: 0, duplicates: 0, outbox: { waiting: 0 }, sources: [{ source: 'netlink', state: 'up', reason: '' }, { source: 'inotify', state: 'unavailable', reason: '/dev/bus/usb: No such file or directory (os error 2)' }] };
  const model = (health, more = {}) => Object.assign(new Model(), { health: { ...HEALTHY, ...health } }, more);
  const verdicts = (one) => Object.fromEntries(checks(one).map(({ id, verdict }) => [id, verdict]));

  it('are none where all is well, though a source is not here', () => {
    expect(trouble(checks(model()))).toBe(0);
    expect(verdictOf(model())).toEqual({ grade: 'ok', sentence: 'Hears what is plugged in' });
    expect(checks(Object.assign(new Model(), {}))).toEqual([]);
  });

  it.each([
    ['hears', { sources: [{ source: 'netlink', state: 'deaf', reason: 'this network namespace gets none' }, { source: 'snapshot', state: 'up', reason: '' }] }],
    ['hears', { status: 'unhealthy', sources: [] }],
    ['allowed', { sources: [{ source: 'inotify', state: 'unavailable', reason: 'Permission denied (os error 13)' }, { source: 'snapshot', state: 'up', reason: '' }] }],
    ['published', { redis: { connected: false, address: 'localhost:6379', reason: 'refused' }, outbox: { waiting: 7 } }],
  ])('are bad where they keep devices away: %s', (id, health) => {
    expect(verdicts(model(health))[id]).toBe('bad');
  });

  it('are worth a look where they may have', () => {
    const off = { source: 'netlink', state: 'off', reason: 'switched off by configuration' };
    expect(verdicts(model({ sources: [off, { source: 'snapshot', state: 'up', reason: '' }] })).hears).toBe('note');
    expect(checks(model({ sources: [off, { source: 'simulated', state: 'up', reason: '' }] }))[0].answer).toMatch(/^Only devices for demonstration/);
    const lastGap = { source: 'netlink', cause: 'overflow', timestamp: 1, synthesized: 2 };
    expect(verdicts(model({ gaps: 1, lastGap })).missed).toBe('note');
    expect(verdicts(model({ started: false })).hears).toBe('note');
    expect(verdicts(model({ redis: { connected: true, address: 'x', lagMs: 60_000 } })).published).toBe('note');
    expect(verdicts(model({ sources: [{ source: 'netlink', state: 'up', reason: '' }, { source: 'libusb', state: 'failed', reason: 'Access denied (insufficient permissions)' }] })).allowed).toBe('note');
    expect(verdicts(model({}, { link: { state: 'lost' } })).answers).toBe('bad');
  });

  it('say that the program is busy, where it is one in JavaScript', () => {
    const taken = (eventLoop) => verdicts(model({ eventLoop })).taken;
    expect([taken(undefined), taken({ responding: true, delayMs: 0.1 }), taken({ responding: false, delayMs: 4000 })]).toEqual([undefined, 'ok', 'bad']);
  });

  it('tell of what is no news while that is recent', () => {
    const withheld = { timestamp: Date.now(), action: 'attach', reason: 'duplicate', source: 'injected', name: '1-1', vendorId: 1, productId: 2, detail: '' };
    expect(verdicts(model({}, { withheld: [withheld] })).known).toBe('note');
    expect(verdicts(model({}, { withheld: [{ ...withheld, timestamp: 1 }] })).known).toBe('ok');
  });

  it('know a permission from other failures', () => {
    for (const reason of ['Permission denied (os error 13)', 'Operation not permitted (os error 1)', 'Access denied (insufficient permissions)']) expect(isPermission(reason), reason).toBe(true);
    for (const reason of ['No such file or directory (os error 2)', 'event handling failed: Input/Output Error', 'os error 131', undefined]) expect(isPermission(reason), String(reason)).toBe(false);
  });

  it.each([
    ['filters.vendor_blacklist', 'filters.vendor_blacklist', 'Take 046d off filters.vendor_blacklist'],
    ['filters.vendor_whitelist', 'filters.vendor_whitelist', 'Put 046d on filters.vendor_whitelist'],
    ['filters.device_class_filter', 'filters.device_class_filter', 'Put its class on filters.device_class_filter'],
    ['filters.rules[2]', 'filters.rules[2]', 'Change filters.rules[2]'],
    ['something new', 'something new', 'Change filters'],
  ])('say how to let a device through: %s', (detail, setting, change) => {
    const found = forFilter({ detail, vendorId: 0x046d });
    expect(found.setting).toBe(setting);
    expect(found.change.map((part) => part.code ?? part).join('')).toContain(change);
  });

  it('are looked up for one device: held back, here, and gone', () => {
    const one = model({}, { devices: [device('1-1', { product: 'Mouse' })], heldBack: [{ ...device('1-2', { product: 'Mousepad' }), detail: 'filters.rules[0]' }] });
    one.take('detach', transition(1, { type: 'detach', name: '1-3' }));
    const found = (search) => lookFor(search, one)?.map(({ verdict, text }) => [verdict, text.map((part) => part.code ?? part).join('')]);
    expect(found('')).toBe(undefined);
    expect(found('mouse')).toEqual([['bad', expect.stringContaining('Mousepad 046d:c31c at 1-2 is plugged in, and held back: rule 1')], ['ok', expect.stringContaining('Mouse 046d:c31c at 1-1 is here')]]);
    expect(found('1-3')).toEqual([['note', expect.stringMatching(/at 1-3 was told of: it came at .* and left at/)]]);
    expect(found('nothing like it')).toEqual([]);
  });
});
