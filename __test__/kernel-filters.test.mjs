// What the kernel keeps back by filters on our sockets, under a kernel that gives a socket little memory for them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { observe } from './observe.mjs';

/** Several times what a receive buffer holds that a process without rights may have. */
const OTHERS = 1_000;

describe('a kernel that tells of much that is not USB, as nobody', () => {
  let bed;

  beforeAll(async () => {
    bed = await openQemuBed({ udev: false });
  });
  afterAll(() => bed?.close());

  const said = async (command) => (await bed.shell(command, { cwd: '/' })).stdout.trim();

  it('fills no buffer of a daemon that has no time to read', async () => {
    // As before Linux 6.7.
    expect(Number(await said('cat /proc/sys/net/core/optmem_max'))).toBeLessThanOrEqual(20_480);
    const observer = await observe(bed, { config: { redis: false, monitoring: { enabled: false } }, user: 'nobody' });
    await observer.ask('start');
    observer.kill('SIGSTOP');
    await said(`while cat /proc/${observer.pid}/task/*/stat | grep -qv ') T '; do :; done`);
    expect(await said(`for at in $(seq ${OTHERS}); do echo change >/sys/class/net/lo/uevent && echo $at; done | tail -n 1`)).toBe(String(OTHERS));
    observer.kill('SIGCONT');
    const handle = await bed.plug({ kind: 'keyboard', controller: 0, port: '1', serial: 'AFTER' });
    const { busnum, devnum } = await bed.settle(handle, 'bind');
    await observer.waitFor(
      ({ event, value }) => event === 'device:attach' && value.location.busNumber === busnum && value.location.deviceAddress === devnum,
      'the device',
    );
    expect(observer.of('gap')).toEqual([]);
    await observer.end();
  });
});
