// What udev runs: the helper with made-up environments, in the shells that people have, and the rules as udev reads them.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../deploy/udev/', import.meta.url));
const helper = join(folder, 'autoweave-udev-notify');
const rules = join(folder, '99-autoweave-usb.rules');
const SHELLS = [['dash'], ['busybox', 'sh'], ['bash', '--posix']];
const BOUND = 10_000;
/** What udev gives for a device, in `remove` as in `add`. */
const EVENT = {
  ACTION: 'add',
  SUBSYSTEM: 'usb',
  DEVTYPE: 'usb_device',
  SEQNUM: '1234',
  DEVPATH: '/devices/pci0000:00/0000:00:10.0/usb1/1-4',
  BUSNUM: '001',
  DEVNUM: '004',
  PRODUCT: '46d/c077/7200',
  TYPE: '0/0/0',
  ID_VENDOR_ENC: 'Logitech',
  ID_MODEL_ENC: 'USB\\x20Optical\\x20Mouse\\x20é',
  ID_SERIAL_SHORT: 'A1',
  ID_USB_INTERFACES: ':030102:',
};
const NAME = '00000000000000001234.event';

let place;
let spool;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'autoweave-udev-'));
  spool = join(place, 'run', 'spool');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

/** udev gives nothing but the event's properties; HOME and PATH are not among them. */
function notify(changes = {}, { shell = ['dash'], wrapper = [] } = {}) {
  const env = Object.fromEntries(Object.entries({ ...EVENT, AUTOWEAVE_SPOOL: spool, ...changes }).filter(([, value]) => value !== undefined));
  const argv = [...wrapper, ...shell, helper];
  const { status, stdout, stderr } = spawnSync('/usr/bin/env', ['-i', ...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...argv], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const lines = (name = NAME) => readFileSync(join(spool, name), 'utf8').split('\n');
const record = (name) => Object.fromEntries(lines(name).slice(0, -1).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
const mode = (path) => (statSync(path).mode & 0o7777).toString(8);
const quiet = { status: 0, stdout: '', stderr: '' };

describe.each(SHELLS)('the helper in %s', (...shell) => {
  it('leaves one record of an attach, with all that the event says', () => {
    const before = Date.now();
    expect(notify({}, { shell })).toEqual(quiet);
    const { TIMESTAMP, BOOT_ID, ...said } = record();
    expect(Number(TIMESTAMP)).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(Number(TIMESTAMP)).toBeLessThanOrEqual(Date.now());
    expect(BOOT_ID).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
    const { ACTION, SUBSYSTEM, DEVTYPE, ...identity } = EVENT;
    expect(said).toEqual({ VERSION: '1', ACTION: 'attach', ...identity });
    expect(lines().at(-1)).toBe('');
  });

  it('knows from the event alone what has left', () => {
    expect(notify({ ACTION: 'remove' }, { shell })).toEqual(quiet);
    expect(record()).toMatchObject({ ACTION: 'detach', PRODUCT: EVENT.PRODUCT, ID_MODEL_ENC: EVENT.ID_MODEL_ENC, ID_SERIAL_SHORT: 'A1' });
  });

  it('leaves out what is not known, and what would break the record', () => {
    const hostile = { ID_VENDOR_ENC: 'a\nACTION=detach', ID_MODEL_ENC: 'b\u0007', ID_SERIAL_SHORT: 'c'.repeat(5000), TYPE: undefined, ID_USB_INTERFACES: '' };
    expect(notify(hostile, { shell })).toEqual(quiet);
    expect(Object.keys(record())).toEqual(['VERSION', 'ACTION', 'BOOT_ID', 'SEQNUM', 'TIMESTAMP', 'DEVPATH', 'BUSNUM', 'DEVNUM', 'PRODUCT']);
    expect(record().ACTION).toBe('attach');
  });

  it('takes values for what they are', () => {
    const odd = { ID_VENDOR_ENC: '$(touch hacked)`touch hacked`;"\'', ID_MODEL_ENC: '-n %s %d \\n \\\\ *', ID_SERIAL_SHORT: '=a=b', DEVPATH: '/devices/x y/*' };
    expect(notify(odd, { shell })).toEqual(quiet);
    expect(record()).toMatchObject(odd);
    expect(existsSync('hacked')).toBe(false);
  });

  it.each([
    ['an interface', { DEVTYPE: 'usb_interface' }],
    ['a driver that was bound', { ACTION: 'bind' }],
    ['a change', { ACTION: 'change' }],
    ['an uevent that was asked for again', { SYNTH_UUID: '0' }],
  ])('says nothing of %s', (_, changes) => {
    expect(notify(changes, { shell })).toEqual(quiet);
    expect(existsSync(spool)).toBe(false);
  });

  it.each([{ SEQNUM: undefined }, { SEQNUM: '../../x' }, { BUSNUM: 'one' }, { DEVNUM: '' }, { SEQNUM: '1'.repeat(21) }])('records no event that names no device: %o', (changes) => {
    expect(notify(changes, { shell })).toMatchObject({ status: 1, stderr: expect.stringContaining('is not recorded') });
    expect(readdirSync(place)).toEqual([]);
  });
});

it('makes the folder where it is missing, with the rights that tmpfiles.d gives it', () => {
  expect(notify()).toEqual(quiet);
  expect([mode(join(place, 'run')), mode(spool), mode(join(spool, NAME))]).toEqual(['2755', '2770', '640']);
  expect(readdirSync(join(place, 'run'))).toEqual(['spool']);
});

it('makes one folder when many devices come at once', async () => {
  const events = Array.from({ length: 24 }, (_, at) => ({ ...EVENT, AUTOWEAVE_SPOOL: spool, SEQNUM: String(100 + at) }));
  const codes = await Promise.all(events.map(async (env) => (await once(spawn(helper, { env, stdio: 'ignore' }), 'close'))[0]));
  expect(codes).toEqual(events.map(() => 0));
  expect(readdirSync(spool)).toEqual(events.map(({ SEQNUM }) => `${SEQNUM.padStart(20, '0')}.event`));
  expect(readdirSync(place)).toEqual(['run']);
  expect(readdirSync(join(place, 'run'))).toEqual(['spool']);
});

it(`keeps no more than ${BOUND} records, and says that it left one out`, () => {
  mkdirSync(spool, { recursive: true });
  for (let at = 1; at < BOUND; at++) writeFileSync(join(spool, `${String(at).padStart(20, '0')}.event`), '');
  expect(notify({ SEQNUM: '20000' })).toEqual(quiet);
  const { status, stderr } = notify({ SEQNUM: '20001' });
  expect([status, stderr]).toEqual([1, `autoweave-udev-notify: event 20001 is not recorded: ${spool} holds ${BOUND} records that nobody takes\n`]);
  expect(readdirSync(spool)).toHaveLength(BOUND);
});

it.each([
  ['may not be written to', 'mount -t tmpfs -o ro tmpfs "$0"'],
  ['is full', 'mount -t tmpfs -o size=4k tmpfs "$0" && mkdir "$0/spool" && echo x >"$0/filler"'],
])('gives up at once where the folder %s, and leaves nothing', (_, mount) => {
  mkdirSync(join(place, 'run'));
  const script = `${mount} || exit 9; "$@"; code=$?; ls -A "$0" "$0/spool" 2>/dev/null; exit $code`;
  const { status, stdout, stderr } = notify({ PATH: process.env.PATH }, { wrapper: ['unshare', ...(process.getuid() ? ['-r'] : []), '-m', 'sh', '-c', script, join(place, 'run')] });
  expect(stderr).toContain('event 1234 is not recorded');
  expect(status).toBe(1);
  expect(stdout).not.toMatch(/1234/);
});

describe('what a member of the group has laid in the way', () => {
  const victim = () => join(place, 'victim');
  beforeEach(() => {
    mkdirSync(spool, { recursive: true });
    writeFileSync(victim(), 'precious');
  });

  it('is replaced where it is a link', () => {
    symlinkSync(victim(), join(spool, NAME));
    expect(notify()).toEqual(quiet);
    expect(lstatSync(join(spool, NAME)).isFile()).toBe(true);
    expect(readFileSync(victim(), 'utf8')).toBe('precious');
  });

  it('swallows nothing where it is a folder or a link to one', () => {
    mkdirSync(join(place, 'elsewhere'));
    mkdirSync(join(spool, NAME));
    expect(notify().status).toBe(1);
    rmSync(join(spool, NAME), { recursive: true });
    symlinkSync(join(place, 'elsewhere'), join(spool, NAME));
    expect(notify()).toEqual(quiet);
    expect(readdirSync(join(place, 'elsewhere'))).toEqual([]);
    expect(readdirSync(join(place, 'run'))).toEqual(['spool']);
  });
});

it('asks sysfs for nothing and speaks to nobody', () => {
  mkdirSync(spool, { recursive: true });
  const trace = join(place, 'trace');
  expect(notify({ ACTION: 'remove' }, { wrapper: ['strace', '-f', '-o', trace, '-e', 'trace=open,openat,socket,connect,execve'], shell: ['/bin/dash'] })).toEqual(quiet);
  const calls = readFileSync(trace, 'utf8');
  expect(calls).toContain('/proc/sys/kernel/random/boot_id');
  expect(calls).not.toMatch(/"\/sys\/|socket\(|connect\(/);
  // Where only root writes: in the spool somebody of the group could have laid a pipe in the way, which would hold udev.
  expect([...calls.matchAll(/openat\(AT_FDCWD, "([^"]+)", O_WRONLY/g)].map(([, file]) => file)).toEqual([expect.stringMatching(/\/run\/\.1234\.\d+$/)]);
  // Two programs beside itself, as many as it needs: each costs all devices behind it.
  expect([...calls.matchAll(/execve\("(?:\/usr)?\/s?bin\/(\w+)".* = 0$/gm)].map(([, program]) => program)).toEqual(['dash', 'date', 'mv']);
});

describe('the rules', () => {
  const text = readFileSync(rules, 'utf8');

  it('are read by udev without a complaint', () => {
    // Where only this process sees it: udev has the group and the rules.
    const script = `
      mount -t tmpfs tmpfs /run && mkdir -p /run/udev/rules.d && cp "$1" /run/udev/rules.d/ && { cat /etc/group; echo autoweave:x:60999:; } >/run/group && mount --bind /run/group /etc/group
      udevadm test --action=add /sys/class/net/lo 2>&1`;
    const argv = [...(process.getuid() ? ['-r'] : []), '-m', 'sh', '-c', script, 'sh', rules];
    const { stdout } = spawnSync('unshare', argv, { encoding: 'utf8' });
    const about = stdout.split('\n').filter((line) => line.includes('99-autoweave-usb.rules'));
    expect(about).toEqual(['Reading rules file: /run/udev/rules.d/99-autoweave-usb.rules']);
  });

  it('ask no device for anything, and name what `udev install` puts in place', () => {
    expect(text).not.toMatch(/ATTRS?\{|%s\{|\$attr\{|PROGRAM|IMPORT\{program\}/);
    expect(text.match(/\/usr\/local\/bin\/autoweave-udev-notify/g)).toHaveLength(1);
  });

  it('let nobody but root and the group read', () => {
    expect(text).toMatch(/^MODE="0660"$/m);
    expect(text).toMatch(/^ENV\{ID_USB_INTERFACES\}!="[^"]*", GROUP="autoweave"$/m);
  });
});
