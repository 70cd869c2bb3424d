// What a daemon says of itself and of what is connected, without an event.

import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDaemon, packageRoot, USBDaemon } from './daemon.mjs';
import { runToEnd } from './run-to-end.mjs';

const QUIET = { sources: ['simulated'], redis: false, monitoring: { enabled: false } };

async function withDevices(names, config) {
  const daemon = openDaemon(config);
  await daemon.start();
  for (const name of names) daemon.simulateAttach({ name, product: `at ${name}` });
  await daemon.heard.waitFor('device:attach', { count: names.length });
  return daemon;
}

describe('connectedDevices', () => {
  it('is one Map for ever, which follows the devices', async () => {
    const daemon = openDaemon();
    const { connectedDevices } = daemon;
    expect(connectedDevices).toBeInstanceOf(Map);
    await daemon.start();
    daemon.simulateAttach({ name: '201-1' });
    const [info] = await daemon.heard.waitFor('device:attach');
    expect(connectedDevices.size).toBe(1);
    expect([...connectedDevices]).toEqual([[info.signature, info]]);
    expect(connectedDevices.get(info.signature)).toBe(info);
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('device:detach');
    expect(connectedDevices.size).toBe(0);
    expect(daemon.connectedDevices).toBe(connectedDevices);
  });

  it('iterates over what comes and goes meanwhile, as a Map does', async () => {
    const daemon = await withDevices(['201-1', '201-2']);
    const devices = daemon.connectedDevices.values();
    expect(devices.next().value.location.portPath).toBe('1');
    daemon.simulateDetach('201-2');
    daemon.simulateAttach({ name: '201-3' });
    await daemon.heard.waitFor('device:attach', { count: 3 });
    expect(devices.next().value.location.portPath).toBe('3');
    expect(devices.next().done).toBe(true);
  });

  it('is written by nobody but the daemon', async () => {
    const { connectedDevices } = await withDevices(['201-1']);
    const [signature] = connectedDevices.keys();
    expect(() => connectedDevices.set('x', {})).toThrow(TypeError);
    expect(() => connectedDevices.delete(signature)).toThrow(TypeError);
    expect(() => connectedDevices.clear()).toThrow('connectedDevices is read-only');
    expect(() => { connectedDevices.get = () => 'forged'; }).toThrow(TypeError);
    expect(connectedDevices.size).toBe(1);
  });

  it('prints, spreads and clones as what it is', async () => {
    const { connectedDevices } = await withDevices(['201-1']);
    expect(inspect(connectedDevices)).toContain("product: 'at 201-1'");
    expect(structuredClone(connectedDevices)).toEqual(new Map(connectedDevices));
  });

  it('follows the devices, whatever a listener does to what it is given', async () => {
    const daemon = openDaemon();
    daemon.on('device:attach', (info) => { info.signature = 'mine'; });
    await daemon.start();
    daemon.simulateAttach({ name: '201-1', product: 'Keyboard' });
    await daemon.heard.waitFor('device:attach');
    const [signature] = daemon.connectedDevices.keys();
    daemon.simulateDetach('201-1');
    const [left] = await daemon.heard.waitFor('device:detach');
    expect(left).toMatchObject({ signature, product: 'Keyboard' });
    expect(signature).toMatch(/^[0-9a-f]{16}$/);
    expect([...daemon.connectedDevices]).toEqual([]);
  });

  it('is empty after stop', async () => {
    const daemon = await withDevices(['201-1']);
    const { connectedDevices } = daemon;
    await daemon.stop();
    expect(connectedDevices.size).toBe(0);
    expect(daemon.getConnectedDevices()).toEqual([]);
  });

  it('has what had come before somebody asked for it, and is it from then on', async () => {
    const daemon = await withDevices(['201-1', '201-2', '201-3']);
    const [first, second, third] = daemon.getConnectedDevices();
    const { connectedDevices } = daemon;
    expect([...connectedDevices]).toEqual([first, second, third].map((info) => [info.signature, info]));
    daemon.simulateDetach('201-2');
    daemon.simulateAttach({ name: '201-4' });
    await daemon.heard.waitFor('device:attach', { count: 4 });
    expect([...connectedDevices.values()].map(({ location }) => location.portPath)).toEqual(['1', '3', '4']);
    expect(daemon.getConnectedDevices()).toEqual([...connectedDevices.values()]);
    expect(daemon.getDeviceBySignature(second.signature)).toBeUndefined();
    expect(daemon.getDeviceBySignature(third.signature)).toBe(third);
  });
});

describe('what is connected', () => {
  it.each([10, 100])('comes in its order, %i devices at once', async (count) => {
    const names = Array.from({ length: count }, (_, at) => `201-${1 + at}`);
    const daemon = await withDevices(names);
    const ports = () => daemon.getConnectedDevices().map(({ location }) => Number(location.portPath));
    expect(ports()).toEqual(names.map((_, at) => 1 + at));
    for (const info of daemon.getConnectedDevices()) expect(daemon.getDeviceBySignature(info.signature)).toBe(info);
    daemon.simulateDetach('201-3');
    daemon.simulateAttach({ name: '201-3' });
    await daemon.heard.waitFor('device:attach', { count: count + 1 });
    expect(ports()).toEqual([1, 2, ...names.slice(3).map((_, at) => 4 + at), 3]);
  });

  it('leaves nothing behind that lies in V8 for long, however often it changes', async () => {
    const { status, stdout, stderr } = await runToEnd(packageRoot, process.env, process.execPath, '--expose-gc', join(import.meta.dirname, 'old-space.cjs'), packageRoot);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // A table of a Map's for each pair were 1.2 MB.
    expect(Number(stdout)).toBeLessThan(500_000);
  });
});

describe('one device', () => {
  it('is found by its signature as long as it is connected', async () => {
    const daemon = await withDevices(['201-1']);
    const [{ signature }] = daemon.getConnectedDevices();
    expect(daemon.getDeviceBySignature(signature).product).toBe('at 201-1');
    expect(daemon.isDeviceConnected(signature)).toBe(true);
    daemon.simulateDetach('201-1');
    await daemon.heard.waitFor('device:detach');
    expect(daemon.getDeviceBySignature(signature)).toBeUndefined();
    expect(daemon.isDeviceConnected(signature)).toBe(false);
  });
});

describe('getStats and getStatus', () => {
  const monitoring = { enabled: false, interval: 1234, healthcheck_port: 4321 };

  it('tell of a daemon that runs', async () => {
    const daemon = await withDevices(['201-1', '201-2'], { monitoring, performance: { batch_size: 7 }, filters: { vendor_blacklist: [1, 2] } });
    expect(daemon.getStats()).toEqual({
      isRunning: true,
      connectedDevicesCount: 2,
      connectedDevices: daemon.getConnectedDevices(),
      monitoring: { enabled: false, healthcheckPort: 4321, metricsInterval: 1234 },
      outbox: expect.objectContaining({ durable: false, producer: expect.any(String), waiting: 0 }),
    });
    expect(daemon.getStatus()).toEqual({
      running: true,
      connectedDevices: 2,
      queuedEvents: 0,
      filters: { vendor_whitelist: [], vendor_blacklist: [1, 2], device_class_filter: [], rules: [] },
      performance: expect.objectContaining({ batch_size: 7 }),
    });
  });

  it('tell of one that does not, before its start and after its stop', async () => {
    const daemon = openDaemon({ monitoring });
    const still = { isRunning: false, connectedDevicesCount: 0, connectedDevices: [], outbox: null };
    expect(daemon.getStats()).toMatchObject({ ...still, monitoring: { healthcheckPort: 4321 } });
    await daemon.start();
    await daemon.stop();
    expect(daemon.getStats()).toMatchObject(still);
    expect(daemon.getStatus()).toMatchObject({ running: false, connectedDevices: 0, queuedEvents: 0 });
  });

  it('give copies: what is done to them is not done to the daemon', async () => {
    const daemon = await withDevices(['201-1']);
    daemon.getStats().connectedDevices.pop();
    daemon.getStatus().performance.batch_size = 99;
    expect(daemon.getStats().connectedDevices).toHaveLength(1);
    expect(daemon.getStatus().performance.batch_size).toBe(10);
  });
});

describe('the end of a block', () => {
  it('stops a daemon that was made for it', async () => {
    const daemon = await USBDaemon.createUSBDaemon(QUIET);
    onTestFinished(() => daemon.stop());
    expect(daemon).toBeInstanceOf(USBDaemon);
    expect(daemon.isRunning).toBe(true);
    await daemon[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
    expect(daemon.isRunning).toBe(false);
  });

  it('is not reached where a daemon cannot be made', async () => {
    await expect(USBDaemon.createUSBDaemon({ sources: ['none'] })).rejects.toMatchObject({ code: 'ERR_USB_CONFIG' });
  });
});
