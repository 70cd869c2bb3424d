// Which unit a device is: what `identify` says of it, what is known after a restart, and who can ask for "the same unit as".

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stateFolder } from './command.mjs';
import { openConsumer, startedRedis } from './consumers.mjs';
import { USBDaemon, openDaemon } from './daemon.mjs';
import { until } from './until.mjs';

const { isSameUnit } = USBDaemon;
const MODEL = { vendorId: 0x0403, productId: 0x6001 };

async function started(config) {
  const daemon = openDaemon(config);
  await daemon.start();
  return daemon;
}

/** Plugs one in, and gives its info. */
async function plug(daemon, port, serialNumber) {
  const before = daemon.heard.of('device:attach').length;
  daemon.simulateAttach({ ...MODEL, name: `201-${port}`, ...(serialNumber === undefined ? {} : { serialNumber }) });
  return (await daemon.heard.waitFor('device:attach', { count: before + 1 })).at(-1);
}

/** Pulls it, and gives the info of its detach. */
async function pull(daemon, { location }) {
  const before = daemon.heard.of('device:detach').length;
  daemon.simulateDetach(`201-${location.portPath}`);
  return (await daemon.heard.waitFor('device:detach', { count: before + 1 })).at(-1);
}

describe('identify', () => {
  it.each([
    ['A1', { stableId: '0403:6001:A1', identity: 'serial', certain: true, reason: 'serial' }],
    [undefined, { stableId: '0403:6001@simulated-1', identity: 'port', certain: false, reason: 'no-serial' }],
    ['0123456789', { stableId: '0403:6001@simulated-1', identity: 'port', certain: false, reason: 'junk-serial' }],
    ['000000', { stableId: '0403:6001@simulated-1', identity: 'port', certain: false, reason: 'junk-serial' }],
  ])('says of one with the serial number %j what it is and where', async (serial, expected) => {
    const daemon = await started();
    const info = await plug(daemon, 1, serial);
    expect(daemon.identify(info)).toStrictEqual({ ...expected, connected: info });
    const left = await pull(daemon, info);
    expect(daemon.identify(left)).toStrictEqual({ ...expected, connected: undefined });
    const again = await plug(daemon, 1, serial);
    expect(daemon.identify(left).connected).toBe(again);
  });

  it('finds a unit on another port by its serial number, and one without where it was', async () => {
    const daemon = await started();
    const [known, unknown] = [await plug(daemon, 1, 'A1'), await plug(daemon, 2)];
    await pull(daemon, known);
    await pull(daemon, unknown);
    const moved = await plug(daemon, 3, 'A1');
    await plug(daemon, 4);
    expect(daemon.identify(known).connected).toBe(moved);
    expect(daemon.identify(unknown).connected).toBe(undefined);
  });

  it('says of two with one serial number that neither is certain, of the first as well, whose name stays', async () => {
    const daemon = await started();
    const first = await plug(daemon, 1, 'TWIN');
    expect(daemon.identify(first).certain).toBe(true);
    const second = await plug(daemon, 2, 'TWIN');
    expect(daemon.identify(second)).toMatchObject({ stableId: '0403:6001@simulated-2', certain: false, reason: 'shared-serial', connected: second });
    expect(daemon.identify(first)).toMatchObject({ stableId: '0403:6001:TWIN', identity: 'serial', certain: false, reason: 'shared-serial', connected: first });
    expect(await pull(daemon, first)).toMatchObject({ stableId: first.stableId, identity: 'serial' });
    expect(await pull(daemon, second)).toMatchObject({ stableId: second.stableId, identity: 'port' });
    expect((await plug(daemon, 1, 'TWIN')).stableId).toBe('0403:6001@simulated-1');
  });

  it('knows after a restart what was found out before, although both had left', async () => {
    const outbox = { path: join(stateFolder(), 'outbox.db') };
    const before = await started({ outbox });
    const first = await plug(before, 1, 'TWIN');
    for (const info of [first, await plug(before, 2, 'TWIN')]) await pull(before, info);
    await before.stop();
    expect(before.identify(first)).toMatchObject({ reason: 'shared-serial', connected: undefined });

    const after = openDaemon({ outbox });
    expect(after.identify(first), 'nothing is opened before the start').toMatchObject({ reason: 'serial', connected: undefined });
    await after.start();
    expect(after.identify(first)).toMatchObject({ identity: 'serial', certain: false, reason: 'shared-serial' });
    expect(await plug(after, 3, 'TWIN')).toMatchObject({ stableId: '0403:6001@simulated-3', identity: 'port' });
    expect(await plug(after, 4, 'A1')).toMatchObject({ stableId: '0403:6001:A1', identity: 'serial' });
  });

  it('knows events of the history and of the stream, and that a port of another machine is none of this one', async () => {
    const server = await startedRedis();
    const daemon = await started({ redis: { host: '127.0.0.1', port: server.port }, host_name: 'here' });
    const infos = [await plug(daemon, 1), await plug(daemon, 2, 'A1')];
    const history = [];
    for await (const { device } of daemon.events({ since: 0 })) if (history.push(device) === infos.length) break;
    const events = [];
    void openConsumer(server).startConsuming((event) => void events.push(event));
    await until(() => events.length === infos.length, 'both events in the stream');
    for (const told of [history, events]) expect(told.map((info) => daemon.identify(info).connected)).toStrictEqual(infos);
    expect(events.map(({ host }) => host)).toEqual(['here', 'here']);
    const elsewhere = events.map((event) => ({ ...event, host: 'there' }));
    expect(elsewhere.map((event) => daemon.identify(event).connected)).toStrictEqual([undefined, infos[1]]);
    expect(elsewhere.map((event, at) => isSameUnit(event, events[at]))).toEqual([false, true]);
    expect(isSameUnit(events[0], infos[0]) && isSameUnit(infos[1], elsewhere[1])).toBe(true);
    expect(isSameUnit(infos[0], infos[1])).toBe(false);
    await expect(daemon.waitFor({ sameUnitAs: elsewhere[0] }, { timeout: 0 })).rejects.toMatchObject({ code: 'ERR_USB_TIMEOUT' });
  });

  it.each([
    [undefined, 'null'],
    ['0403:6001:A1', 'invalid type: string'],
    [{}, 'stableId is missing: expected vvvv:pppp:<serial> or vvvv:pppp@<bus>-<ports>'],
    [{ ...MODEL, stableId: 'A1' }, 'stableId is "A1"'],
    [{ stableId: '0403:6001:A1', vendorId: 70000 }, 'vendorId is 70000: expected a whole number from 0 to 65535'],
    [{ toJSON: () => { throw new Error('mine') } }, 'mine'],
  ])('refuses what is no info: case %#', (info, message) => {
    const identify = () => openDaemon().identify(info);
    expect(identify).toThrow(expect.objectContaining({ code: 'ERR_USB_DEVICE', message: expect.stringContaining(message) }));
  });
});

describe('the same unit as', () => {
  it('is waited for on whichever port, where its serial number identifies it', async () => {
    const daemon = await started();
    const known = await pull(daemon, await plug(daemon, 1, 'A1'));
    const wait = daemon.waitFor({ sameUnitAs: known });
    await plug(daemon, 1, 'A2');
    await plug(daemon, 2);
    const moved = await plug(daemon, 3, 'A1');
    expect(await wait).toBe(moved);
  });

  it('is waited for on its port, where only that tells: another unit of the model will do, another model will not', async () => {
    const daemon = await started();
    const known = await pull(daemon, await plug(daemon, 1));
    const wait = daemon.waitFor({ sameUnitAs: known });
    await plug(daemon, 2);
    daemon.simulateAttach({ vendorId: 0x0403, productId: 0x6002, name: '201-1' });
    await daemon.heard.waitFor('device:attach', { match: ({ productId }) => productId === 0x6002 });
    daemon.simulateDetach('201-1');
    const again = await plug(daemon, 1);
    expect(await wait).toBe(again);
  });

  it('is dispatched to a handler, along with what else is asked', async () => {
    const daemon = await started();
    const known = await plug(daemon, 1, 'A1');
    const notes = [];
    const note = (sign) => ({ location }) => void notes.push(`${sign}${location.portPath}`);
    daemon.dispatch({ sameUnitAs: known, vendor_ids: [0x0403] }, { onAttach: note('+'), onDetach: note('-') });
    daemon.dispatch({ sameUnitAs: known, vendor_ids: [0x046d] }, { onAttach: note('wrong ') });
    await pull(daemon, known);
    await plug(daemon, 2, 'A2');
    await plug(daemon, 3, 'A1');
    expect(notes).toEqual(['+1', '-1', '+3']);
  });

  it.each([
    [undefined, 'one is undefined: expected the info of a device, with its stableId'],
    ['0403:6001:A1', 'one is "0403:6001:A1": expected the info'],
    [{}, 'one.stableId is undefined: expected the info'],
    [{ stableId: '0403:6001' }, 'one.stableId is "0403:6001": expected'],
    [Object.defineProperty({}, 'stableId', { get: () => { throw new Error('mine') } }), 'one cannot be read: mine'],
  ])('is not known of what names no unit: case %#', async (unit, message) => {
    const refused = (expected) => expect.objectContaining({ name: 'TypeError', code: 'ERR_USB_ARGUMENT', message: expect.stringContaining(expected) });
    expect(() => isSameUnit(unit, { stableId: '0403:6001:A1' })).toThrow(refused(message));
    if (unit === undefined) return;
    const daemon = await started();
    const there = message.replace('one', 'match.sameUnitAs');
    await expect(daemon.waitFor({ sameUnitAs: unit })).rejects.toThrow(refused(there));
    expect(() => daemon.dispatch({ sameUnitAs: unit }, { onAttach() {} })).toThrow(refused(there));
  });
});
