// `usb-daemon doctor` on a USB tree with real uevents: what it finds of sources, of readiness and of rules for drivers.

import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { openPlugged } from './plugged-bed.mjs';

const program = join(packageRoot, 'bin', 'usb-daemon.js');
const BUSES = 2;
const MOUSE = { kind: 'mouse', controller: 0, port: '2' };
const SERIAL = { kind: 'serial', controller: 1, port: '3' };

let bed;

async function open(devices, options) {
  bed = await openPlugged(devices, { controllers: BUSES, ...options });
}

/** What it finds; `of` gives the first finding about a subject. */
async function doctor({ env, ...options } = {}) {
  const { code, stdout } = await bed.exec([process.execPath, program, 'doctor', '--no-redis', '--json'], { ...options, env: { XDG_STATE_HOME: stateFolder(), ...env } });
  const found = stdout.trim().split('\n').map((line) => JSON.parse(line));
  const all = (subject) => found.filter((finding) => finding.subject === subject);
  return { code, all, of: (subject) => all(subject)[0] };
}

it('finds everything as it should be', async () => {
  await open([MOUSE]);
  const { code, of } = await doctor();
  expect(of('usb bus').found).toBe('2 buses with 1 devices on them');
  for (const subject of ['uevents', 'receive buffer', 'kernel log', 'namespaces', 'libusb', 'device nodes', 'sysfs', 'readiness', 'drivers']) expect(of(subject)).toMatchObject({ grade: 'ok' });
  expect(code).toBe(0);
});

it('says whether what was missed is told, and who may not clear it away', async () => {
  await open([]);
  const spool = join(stateFolder(), 'spool');
  const helper = async (options) => (await doctor({ env: { USB_DAEMON_SET: `fallback.spool_path=${spool}` }, ...options })).of('udev helper');
  expect(await helper()).toEqual({ subject: 'udev helper', grade: 'ok', found: expect.stringMatching(/spool is not there: .*usb-daemon udev install/) });
  await mkdir(spool);
  await chmod(dirname(spool), 0o755);
  expect((await helper()).found).toBe(`${spool}: no record waits`);
  for (const number of [11, 12]) await writeFile(join(spool, `${String(number).padStart(20, '0')}.event`), '');
  expect((await helper()).found).toBe(`${spool}: 2 records wait for a daemon`);
  for (const [mode, expected] of [[0o755, 'records cannot be removed'], [0o700, 'cannot be read']]) {
    await chmod(spool, mode);
    expect(await helper({ user: 'nobody' })).toMatchObject({ grade: 'warn', found: expect.stringContaining(expected), advice: expect.stringContaining('autoweave') });
  }
});

it('says by whom readiness is heard, and which devices the user of the daemon may not open', async () => {
  await open([SERIAL], { udevd: true });
  const [heard, rights] = (await doctor()).all('readiness');
  expect(heard).toEqual({ subject: 'readiness', grade: 'ok', found: 'a device is ready once its drivers are bound and udev has applied its rules' });
  expect(rights).toEqual({ subject: 'readiness', grade: 'ok', found: `user 0 is shut out of none of ${BUSES + 1} devices` });
  await bed.exec(['sh', '-c', 'chmod -R go-rwx /dev/bus/usb/002/* && chmod go+r /dev/bus/usb/002/001']);
  const [, shut] = (await doctor({ user: 'nobody' })).all('readiness');
  const node = '/dev/bus/usb/002/002 (0600, user 0, group 0)';
  expect(shut).toMatchObject({ grade: 'warn', found: `1 of ${BUSES + 1} devices cannot be opened by user 65534: 2-3: the user with ID 65534 may open none of ${node}` });
  const off = (await doctor({ env: { USB_DAEMON_SET: 'ready.enabled=false' } })).all('readiness');
  expect(off).toEqual([{ subject: 'readiness', grade: 'ok', found: 'switched off by configuration (ready.enabled)' }]);
});

it('says what rules for drivers lack: a right, their helper, or its leave', async () => {
  await open([SERIAL]);
  const folder = stateFolder();
  await chmod(folder, 0o755);
  const [socket, file] = ['driver.sock', 'config.json'].map((name) => join(folder, name));
  const rules = [
    { match: { vendor_id: '0403' }, module: 'ftdi_sio', driver: 'ftdi_sio' },
    { match: { vendor_id: '1209' }, module: 'evil' },
  ];
  const drivers = async (config, options) => {
    await writeFile(file, JSON.stringify({ drivers: { rules, ...config } }));
    const { code, all } = await doctor({ env: { USB_DAEMON_CONFIG: file }, ...options });
    return { code, found: all('drivers').map(({ grade, found }) => [grade, found]) };
  };
  // Of a device that is there it is known what would be asked for; of one that is not, only some of it.
  const folderOfDrivers = '/sys/bus/usb/drivers for drivers.rules[0] new-id ftdi_sio 0403 6001, drivers.rules[0] bind ftdi_sio 2-3:1.0';
  expect(await drivers({}, { user: 'nobody' })).toEqual({
    code: 1,
    found: [
      ['fail', 'this process lacks CAP_SYS_MODULE for drivers.rules[0] module ftdi_sio, drivers.rules[1] module evil'],
      ['fail', `this process lacks write access to ${folderOfDrivers}`],
    ],
  });
  expect(await drivers({ helper: socket })).toEqual({ code: 1, found: [['fail', `the helper at ${socket} is not there: no rule can be carried out`]] });
  const asked = [];
  const helper = createServer((stream) => {
    createInterface(stream).on('line', (line) => {
      asked.push(line);
      stream.write(line.endsWith('evil') ? "refused: the helper's list does not allow module evil\n" : 'ok\n');
    });
  }).listen(socket);
  onTestFinished(() => void helper.close());
  await once(helper, 'listening');
  const refused = "the helper refuses drivers.rules[1] module evil: the helper's list does not allow module evil";
  expect(await drivers({ helper: socket })).toEqual({ code: 1, found: [['fail', refused]] });
  expect(await drivers({ helper: socket, dry_run: true })).toEqual({ code: 0, found: [['warn', refused]] });
  const checks = ['module ftdi_sio', 'new-id ftdi_sio 0403 6001', 'bind ftdi_sio 2-3:1.0', 'module evil'].map((request) => `check ${request}`);
  expect(asked, 'nothing is done').toEqual([...checks, ...checks]);
  await chmod(socket, 0o600);
  expect((await drivers({ helper: socket }, { user: 'nobody' })).found).toEqual([['fail', expect.stringContaining('cannot be opened by this user')]]);
  expect(await drivers({ rules: [], helper: socket })).toEqual({ code: 0, found: [['warn', `the helper at ${socket} is never asked: drivers.rules has none`]] });
});

it('says what a user namespace and a missing right take away', async () => {
  await open([MOUSE], { unprivileged: true, devfs: false });
  const { code, of } = await doctor();
  expect(of('namespaces')).toMatchObject({ grade: 'warn', found: expect.stringContaining('the kernel sends no uevents here'), advice: expect.stringContaining('--userns=host') });
  expect(of('receive buffer')).toMatchObject({ grade: 'warn', advice: expect.stringContaining('net.core.rmem_max=') });
  expect(of('device nodes')).toMatchObject({ grade: 'warn' });
  expect(code).toBe(0);
});
