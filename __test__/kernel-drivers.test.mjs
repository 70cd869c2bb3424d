// Drivers by rules, in a real kernel: a daemon without any right, the helper as systemd starts it, devices whose IDs no driver claims.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { seriesOf } from './exposition.mjs';
import { bringInVhci, fetched, saidBy } from './guest-shell.mjs';
import { observe } from './observe.mjs';
import { until } from './until.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const cli = join(checkout, 'bin/usb-daemon.js');
const SOCKET = '/run/autoweave-usb/driver.sock';
const PORT = 8099;
const patience = { timeoutMs: 120_000 };
// Each request starts a process of Node's, under emulation.
vi.setConfig({ testTimeout: 240_000 });

// One vendor-specific interface with a bulk endpoint in each direction: a serial adapter, if somebody takes it for one.
const LINE = '0902200001010080320904000002ff0000000705810200020007050202000200';
const adapter = (pid, serial) => ({ deviceDescriptor: { vid: 0x1209, pid }, configurations: [LINE], strings: ['Maker', 'Adapter', serial] });
const match = (product_id) => ({ vendor_id: '1209', product_id });
const RULES = [
  { match: match('dead'), module: 'usbserial', driver: 'generic' },
  { match: match('f001'), module: 'no_such_module', driver: 'generic', attempts: 2 },
  { match: match('f002'), module: 'cp210x', driver: 'cp210x' },
  { match: match('f003'), authorized: false },
  // QEMU's keyboard, which usbhid has.
  { match: { vendor_id: '0627' }, module: 'usbserial', driver: 'generic' },
];
/** What the tests ask for beyond what the page has. */
const ALLOWED = ['module no_such_module', 'authorize * 0'];
/** Of a kind, in docs/DRIVERS.md. */
const page = readFileSync(join(checkout, 'docs/DRIVERS.md'), 'utf8');
const blocks = (kind) => [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text);

let folder;
let bed;
let account;
let installed;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'autoweave-drivers-'));
  const deb = execFileSync('sh', ['scripts/deb.sh', '-o', folder], { cwd: checkout, encoding: 'utf8', env: { ...process.env, DEB_LEVEL: '0' } }).trim();
  // Busybox has a modprobe, which the machine that runs the tests need not have.
  const prepare = `
    dpkg-deb -x /run/bed/host${deb} /
    [ -e /usr/sbin/modprobe ] || ln -s /bin/busybox /usr/sbin/modprobe`;
  bed = await openQemuBed({ systemd: true, controllers: 1, prepare });
  const [uid, gid] = (await guest('id -u autoweave; id -g autoweave')).split('\n');
  // The bed knows accounts of the host only, and takes a number for both.
  expect(gid).toBe(uid);
  account = uid;
  const modules = join(checkout, '.cache/qemu/kernel/modules/drivers/usb/serial');
  await guest(`
    set -e
    install -D -t /lib/modules/$(uname -r)/kernel ${modules}/usbserial.ko ${modules}/ftdi_sio.ko ${modules}/cp210x.ko
    /bin/busybox depmod
    /bin/busybox rmmod ftdi_sio usbserial`);
  installed = await installAsThePageSays();
  await bringInVhci(bed);
}, 180_000);
afterAll(async () => {
  await bed?.close();
  rmSync(folder, { recursive: true });
});

const guest = (command) => saidBy(bed, command);
const driverOf = (handle) => guest(`readlink /sys${handle.devpath}/${handle.name}:1.0/driver || true`).then((link) => link.trim().split('/').at(-1));
const ttys = () => guest('ls /dev | grep ttyUSB || true').then((names) => names.trim());

async function plugged(device) {
  const handle = await bed.plugSynthetic(device);
  await bed.settle(handle, 'bind');
  return handle;
}

async function pull(handle) {
  await bed.unplug(handle);
  await bed.settle(handle, 'gone');
}

/** A daemon of the service's user, without any right. */
async function daemon(drivers, monitoring = { enabled: false }) {
  const config = { redis: false, monitoring, drivers: { rules: RULES, ...drivers } };
  const observer = await observe(bed, { config, user: account, only: ['device:attach', 'device:ready', 'driver', 'error', 'log'] });
  await observer.ask('start');
  const status = await guest(`cat /proc/${observer.pid}/status`);
  expect(status).toMatch(/^CapEff:\s*0+$/m);
  expect(status).toMatch(new RegExp(`^Uid:\\s*${account}\\s`, 'm'));
  return observer;
}

/** The report that follows the attach of this device. */
async function report(observer, { busnum, devnum }) {
  const isIts = ({ event, value }) => event === 'device:attach' && value.location.busNumber === busnum && value.location.deviceAddress === devnum;
  const { value: info } = await observer.waitFor(isIts, 'attach', patience);
  const { value } = await observer.waitFor(({ event, value: told }) => event === 'driver' && told.eventId === info.eventId, 'report', patience);
  expect(value.signature).toBe(info.signature);
  return value;
}

/** What is answered to these lines on the socket, or the code of the error that there was. */
async function asked(lines, user) {
  const program = `const socket = require('net').connect(${JSON.stringify(SOCKET)}, () => socket.end(${JSON.stringify(lines.map((line) => `${line}\n`).join(''))}));
    socket.on('error', ({ code }) => console.log(code)).on('data', (text) => process.stdout.write(text));`;
  const { stdout, stderr } = await bed.exec([process.execPath, '-e', program], { user, cwd: '/' });
  return stdout ? stdout.trim().split('\n') : stderr;
}

/** Carries out the commands of docs/DRIVERS.md, whose sudo this machine need not have, and gives what the last of them prints. */
async function installAsThePageSays() {
  const [config] = blocks('json');
  const [look, commands] = blocks('sh');
  await guest(`cat >/etc/autoweave/usb-daemon.json <<'END'\n${config}\nEND`);
  await guest(`set -e\nsudo() { "$@"; }\n${commands}`);
  const list = await guest('cat /etc/autoweave/usb-drivers.allow');
  await guest(`printf '%s\\n' '${ALLOWED.join("' '")}' >>/etc/autoweave/usb-drivers.allow`);
  const [, byHand] = /is a program that reads stdin: `(.*)`/.exec(page);
  return { list, plan: await guest(look), answer: await guest(`sudo() { "$@"; }\n${byHand}`) };
}

it('the commands of docs/DRIVERS.md do what it says', async () => {
  expect(installed).toEqual({ list: 'module usbserial\nnew-id generic 1209 *\nbind generic *\n', plan: '', answer: 'ok\n' });
  expect(await guest(`systemctl is-active autoweave-usb-driver.socket; stat -c '%a %U %G' ${SOCKET}`)).toBe('active\n660 root autoweave\n');
});

it('a dry run says what it would do, and changes nothing', async () => {
  const observer = await daemon({ dry_run: true, helper: SOCKET });
  const handle = await plugged(adapter(0xdead, 'DRY'));
  const denied = await plugged(adapter(0xf003, 'DRY-DENIED'));
  const { state, requests, attempts } = await report(observer, handle);
  expect({ state, attempts, requests }).toEqual({
    state: 'planned',
    attempts: 0,
    requests: ['module usbserial', 'new-id generic 1209 dead', `bind generic ${handle.name}:1.0`],
  });
  expect((await report(observer, denied)).requests).toEqual([`authorize ${denied.name} 0`]);
  expect([await driverOf(handle), await ttys(), await guest('ls -d /sys/module/usbserial 2>/dev/null || true')]).toEqual(['', '', '']);
  expect(await guest(`cat /sys${denied.devpath}/authorized`)).toBe('1\n');
  for (const each of [handle, denied]) await pull(each);
  await observer.end();
});

it('the plan says which rights are lacking, and none with the helper', async () => {
  const handle = await plugged(adapter(0xdead, 'PLAN'));
  const plan = async (drivers, ...options) => {
    await guest(`cat >/tmp/plan.json <<'END'\n${JSON.stringify({ drivers: { rules: RULES, ...drivers } })}\nEND\nchmod 644 /tmp/plan.json`);
    return bed.exec([process.execPath, cli, 'driver', 'plan', '--config', '/tmp/plan.json', ...options], { user: account, cwd: '/' });
  };
  const alone = await plan({}, '--json');
  expect(alone.code, alone.stderr).toBe(1);
  const { device, rule, steps } = JSON.parse(alone.stdout);
  expect([device, rule]).toEqual([handle.name, 0]);
  expect(steps).toEqual([
    { request: 'module usbserial', lacks: 'CAP_SYS_MODULE' },
    { request: 'new-id generic 1209 dead', lacks: 'write access to /sys/bus/usb/drivers' },
    { request: `bind generic ${handle.name}:1.0`, lacks: 'write access to /sys/bus/usb/drivers' },
  ]);
  const helped = await plan({ helper: SOCKET });
  expect([helped.code, helped.stdout]).toEqual([0, `${handle.name}  1209:dead  drivers.rules[0]\n  module usbserial\n  new-id generic 1209 dead\n  bind generic ${handle.name}:1.0\n`]);
  const absent = await plan({ helper: '/run/nowhere.sock' });
  expect(absent.code).toBe(1);
  expect(absent.stdout).toContain('lacks the helper at /run/nowhere.sock: No such file or directory');
  await pull(handle);
});

it('a serial adapter that no driver claims becomes a tty by one rule', async () => {
  const observer = await daemon({ helper: SOCKET });
  const handle = await plugged(adapter(0xdead, 'ADAPTER'));
  // What the test rests on: no module asks for it.
  const alias = (await guest(`cat /sys${handle.devpath}/${handle.name}:1.0/modalias`)).trim();
  expect((await bed.shell(`modprobe -- '${alias}'`, { cwd: '/' })).code).not.toBe(0);
  const { state, device, rule, interfaces, requests, attempts, reason } = await report(observer, handle);
  expect({ state, device, rule, attempts, reason }).toEqual({ state: 'bound', device: handle.name, rule: 0, attempts: 1, reason: undefined });
  expect(interfaces).toEqual([{ name: `${handle.name}:1.0`, driver: 'usbserial_generic', heard: true }]);
  expect(requests).toEqual(['module usbserial', 'new-id generic 1209 dead']);
  expect(await driverOf(handle)).toBe('usbserial_generic');
  const node = `/dev/${await ttys()}`;
  // It is told of as ready with the node that the rule has brought, and not before.
  const isReady = ({ event, value }) => event === 'device:ready' && value.device.location.deviceAddress === handle.devnum;
  const { value: ready } = await observer.waitFor(isReady, 'it to be ready', patience);
  expect(ready.interfaces).toEqual([{ number: 0, class: 255, driver: 'usbserial_generic' }]);
  expect(ready.nodes.map(({ path }) => path)).toContain(node);
  expect(await guest(`test -c ${node} && udevadm info -q property --property=ID_VENDOR_ID,ID_MODEL_ID --value ${node}`)).toBe('dead\n1209\n');
  await pull(handle);
  // Its ID is known from now on: nothing is left to be asked for.
  const again = await plugged(adapter(0xdead, 'ADAPTER'));
  expect(await driverOf(again)).toBe('usbserial_generic');
  expect(await guest('cat /sys/bus/usb-serial/drivers/generic/new_id')).toBe('1209 dead\n');
  await pull(again);
  await observer.end();
});

it('a rule that cannot work is tried as often as it may be, and one that is not allowed once', async () => {
  const observer = await daemon({ helper: SOCKET }, { healthcheck_port: PORT });
  const [hopeless, forbidden] = [await plugged(adapter(0xf001, 'HOPELESS')), await plugged(adapter(0xf002, 'FORBIDDEN'))];
  const failed = await report(observer, hopeless);
  expect([failed.state, failed.attempts, failed.requests]).toEqual(['failed', 2, ['module no_such_module']]);
  expect(failed.reason).toMatch(/^module no_such_module: modprobe no_such_module: .*no_such_module/);
  const refused = await report(observer, forbidden);
  expect([refused.state, refused.attempts]).toEqual(['failed', 1]);
  expect(refused.reason).toBe("module cp210x: the helper's list does not allow module cp210x");
  expect(await guest('ls -d /sys/module/cp210x 2>/dev/null || true')).toBe('');
  // Each try has its line and its number.
  const lines = observer.of('log').map(({ value }) => value).filter(({ message }) => message === 'driver rule failed');
  const triesOf = ({ eventId }) => lines.filter((line) => line.eventId === eventId).map(({ level, fields }) => [level, fields.attempts, fields.is_last]);
  expect([triesOf(failed), triesOf(refused)]).toEqual([[['warn', 1, false], ['warn', 2, true]], [['warn', 1, true]]]);
  const series = seriesOf(await fetched(bed, PORT, '/metrics'));
  const counted = (name, label) => Object.fromEntries([...series].filter(([each, value]) => each.startsWith(`${name}{`) && value > 0).map(([each, value]) => [each.match(new RegExp(`${label}="([^"]*)"`))[1], value]));
  expect([counted('usb_driver_attempts_total', 'outcome'), counted('usb_driver_reports_total', 'state')]).toEqual([{ failed: 2, refused: 1 }, { failed: 2 }]);
  for (const each of [hopeless, forbidden]) await pull(each);
  await observer.end();
});

it('a device can be denied at the kernel', async () => {
  const observer = await daemon({ helper: SOCKET });
  const handle = await plugged(adapter(0xf003, 'DENIED'));
  const { state, requests } = await report(observer, handle);
  expect([state, requests]).toEqual(['denied', [`authorize ${handle.name} 0`]]);
  expect(await guest(`cat /sys${handle.devpath}/authorized; ls /sys${handle.devpath} | grep -c ${handle.name}: || true`)).toBe('0\n0\n');
  await pull(handle);
  await observer.end();
});

it('what has a driver is left alone', async () => {
  const observer = await daemon({ helper: SOCKET });
  const keyboard = await bed.plug({ kind: 'keyboard', port: '1', serial: 'KEYS' });
  await bed.settle(keyboard, 'bind');
  // Whatever was to come of it has come once a later device has its report.
  const later = await plugged(adapter(0xf001, 'LATER'));
  await report(observer, later);
  expect(observer.of('driver').map(({ value }) => value.device)).toEqual([later.name]);
  expect(await driverOf(keyboard)).toBe('usbhid');
  expect(await asked([`check bind generic ${keyboard.name}:1.0`], account)).toEqual([`failed: ${keyboard.name}:1.0 has the driver usbhid`]);
  for (const each of [keyboard, later]) {
    await pull(each);
  }
  await observer.end();
});

it('the helper does nothing but what the list of root allows, for nobody but the group', async () => {
  const handle = await plugged(adapter(0xbeef, 'TARGET'));
  const answers = {
    'module vfat': "refused: the helper's list does not allow module vfat",
    'authorize 1-1 1': "refused: the helper's list does not allow authorize 1-1 1",
    'authorize usb1 0': 'refused: no request: word 1 behind authorize has not the form that it has to have',
    'bind ../../../../etc 1-1:1.0': 'refused: no request: word 1 behind bind has not the form that it has to have',
    'module usbserial; reboot': 'refused: no request: module is followed by one word, each after one blank',
    'new-id generic 1209 0001': 'failed: no device 1209:0001 has an interface without a driver',
    'check new-id generic 1209 beef': 'ok',
  };
  expect(await asked(Object.keys(answers), account)).toEqual(Object.values(answers));
  expect(await asked(['module usbserial'], 'nobody')).toEqual(['EACCES']);
  // Also where somebody has opened the socket to all.
  await guest(`chmod 666 ${SOCKET}`);
  expect(await asked(['module usbserial'], 'nobody')).toEqual([expect.stringMatching(/^refused: user \d+ of group \d+ may not ask/)]);
  await guest(`chmod 660 ${SOCKET} && chmod 666 /etc/autoweave/usb-drivers.allow`);
  expect(await asked(['module usbserial'], account)).toEqual(['refused: /etc/autoweave/usb-drivers.allow: expected a file that belongs to root and that nobody else can write to']);
  await guest('chmod 644 /etc/autoweave/usb-drivers.allow');
  expect(await driverOf(handle)).toBe('');
  await pull(handle);
  // Each request is in the journal, and no process is left.
  await until(async () => (await guest("journalctl -b --no-pager -o cat -t usb-daemon-driver | grep -c 'driver request' || true")).trim() !== '0', 'the journal', patience);
  await until(async () => (await guest("systemctl list-units --no-legend 'autoweave-usb-driver@*' | wc -l")).trim() === '0', 'no process', patience);
});
