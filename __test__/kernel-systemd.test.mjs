// The Debian package on a machine that boots: a real kernel, systemd itself, Debian's own udevd. The units are as they are shipped; the last test alone has a
// drop-in, which is docs/SERVICE.md's.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { openQemuBed } from './beds/qemu/index.mjs';
import { bringInVhci, saidBy } from './guest-shell.mjs';
import { GuestRedis, byDevice, kernelsAccount, redisAccount } from './kernel-witnesses.mjs';
import { SLOW } from './slow-driver.mjs';
import { until } from './until.mjs';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const SERVICE = 'autoweave-usb-daemon.service';
const SOCKET = 'autoweave-usb-daemon.socket';
const PATH_UNIT = 'autoweave-usb-publish.path';
const SPOOL = '/run/autoweave-usb/spool';
const patience = { timeoutMs: 40_000 };
/** What the group may open, and by which tags it is found. */
const DEVICES = [
  { kind: 'keyboard', port: '1', serial: 'KEYS', tag: 'autoweave_hid' },
  { kind: 'storage', port: '2', serial: 'DISK', tag: 'autoweave_storage' },
  { kind: 'hub', port: '3', tag: 'autoweave_hub' },
  { kind: 'serial', port: '4', serial: 'LINE' },
  { kind: 'tablet', port: '3.1', serial: 'PEN', tag: 'autoweave_hid' },
];
// CDC: control and data.
const MODEM = '09024300020100803209040000010202010005240010010424020205240600010524010001070582030800ff09040100020a0000000705810240000007050102400000';

let folder;
let bed;
let redis;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'autoweave-deb-'));
  const deb = execFileSync('sh', ['scripts/deb.sh', '-o', folder], { cwd: checkout, encoding: 'utf8', env: { ...process.env, DEB_LEVEL: '0' } }).trim();
  // What dpkg does, without the minute that its database takes under emulation. The account and the spool are made by the boot that follows.
  const prepare = `
    dpkg-deb -x /run/bed/host${deb} /
    systemctl -q enable ${SOCKET}
    systemctl -q add-wants bed.target ${SERVICE}`;
  bed = await openQemuBed({ systemd: true, controllers: 1, prepare });
  redis = await GuestRedis.start(bed);
  await bringInVhci(bed);
}, 180_000);
afterAll(async () => {
  await bed?.close();
  rmSync(folder, { recursive: true });
});

const guest = async (command) => (await saidBy(bed, command)).trim();
/** Properties of a unit, by name. */
const shown = async (unit, ...properties) => Object.fromEntries((await guest(`systemctl show -p ${properties} ${unit}`)).split('\n').map((line) => line.split('=')));
const spooled = async () => (await guest(`ls -A ${SPOOL}`)).split('\n').filter(Boolean);

/** The entries that follow those of `before`, once they are as many as the kernel's own transitions after `since`. */
async function entriesLike(since, before) {
  const told = bed.ledger().slice(since);
  const entries = async () => (await redis.entries()).slice(before);
  await until(async () => (await entries()).length >= told.length, `${told.length} entries`, patience).catch(async (error) => {
    expect(byDevice(redisAccount(await entries())), error.message).toEqual(byDevice(kernelsAccount(told)));
  });
  // Nothing more comes: what udev's helper left has been looked at as well.
  await guest('udevadm settle');
  await until(async () => (await spooled()).length === 0, 'an empty spool', patience);
  const found = await entries();
  expect(byDevice(redisAccount(found))).toEqual(byDevice(kernelsAccount(told)));
  return found;
}

/** Where everybody is: nothing under way between kernel and stream. */
async function settled() {
  await until(async () => (await redis.entries()).length === bed.ledger().length, 'the stream to have all of it', patience);
  return [bed.ledger().length, bed.ledger().length];
}

async function plugAll(devices) {
  const handles = [];
  for (const device of devices) {
    const handle = device.synthetic ? await bed.plugSynthetic(device.synthetic) : await bed.plug(device);
    await bed.settle(handle, 'bind');
    handles.push(handle);
  }
  // udev is slower than the kernel: of what is gone before its turn it knows no strings.
  await guest('udevadm settle');
  return handles;
}

async function pull(handle) {
  await bed.unplug(handle);
  await bed.settle(handle, 'gone');
}

it('is up after the boot, under its own user, with all its restrictions', async () => {
  await until(async () => (await guest(`systemctl is-active ${SERVICE} ${SOCKET} || true`)) === 'active\nactive', 'the unit to be active', patience);
  const { MainPID: pid, ...unit } = await shown(SERVICE, 'DropInPaths', 'User', 'Type', 'NRestarts', 'MainPID');
  expect(unit).toEqual({ DropInPaths: '', User: 'autoweave', Type: 'notify', NRestarts: '0' });
  const status = Object.fromEntries((await guest(`cat /proc/${pid}/status`)).split('\n').map((line) => line.split(/:\s+/)));
  const account = await guest('id -u autoweave; id -g autoweave');
  const [uid, gid] = account.split('\n');
  expect([status.Uid, status.Gid]).toEqual([[uid, uid, uid, uid].join('\t'), [gid, gid, gid, gid].join('\t')]);
  expect(Number(uid)).toBeGreaterThan(0);
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status[set]).toBe('0000000000000000');
  expect([status.NoNewPrivs, status.Seccomp]).toEqual(['1', '2']);
  // The kernel doubles what systemd asked for, which no other process without privilege gets.
  const journal = await guest(`journalctl -b --no-pager -o cat -u ${SERVICE}`);
  expect(journal).toContain('receive buffer 268435456 bytes');
  expect(journal).not.toMatch(/denied|not permitted/i);
});

it('shows systemd that it lives, in time', async () => {
  const { WatchdogUSec } = await shown(SERVICE, 'WatchdogUSec');
  expect(WatchdogUSec).toBe('30s');
  const has = async () => {
    const { ActiveEnterTimestampMonotonic: up, WatchdogTimestampMonotonic: seen } = await shown(SERVICE, 'ActiveEnterTimestampMonotonic', 'WatchdogTimestampMonotonic');
    return Number(seen) > Number(up);
  };
  await until(has, 'a sign of life', patience);
});

it('detects every device, and udev gives each to the group, with its tags', async () => {
  const [since, before] = await settled();
  const handles = await plugAll([...DEVICES, { synthetic: { configurations: [MODEM], strings: ['Maker', 'Modem', 'CDC-1'] }, tag: 'autoweave_cdc' }]);
  for (const [at, { tag }] of [...DEVICES, { tag: 'autoweave_cdc' }].entries()) {
    const { busnum, devnum } = handles[at];
    const node = `/dev/bus/usb/${String(busnum).padStart(3, '0')}/${String(devnum).padStart(3, '0')}`;
    expect(await guest(`stat -c %a:%U:%G ${node}`)).toBe('660:root:autoweave');
    const tags = (await guest(`udevadm info -q property --property=TAGS --value ${node}`)).split(':').filter((each) => each.startsWith('autoweave'));
    expect(tags).toEqual(tag ? [tag] : []);
  }
  for (const handle of handles.toReversed()) await pull(handle);
  const found = await entriesLike(since, before);
  // udev's helper left a record of each, too, and none of them brought a second entry.
  expect(new Set(found.map(({ fields }) => fields.backend))).toEqual(new Set(['netlink']));
  expect(found.filter(({ fields }) => fields.synthetic)).toEqual([]);
});

it('loses and doubles nothing of what is plugged while it restarts', async () => {
  const [since, before] = await settled();
  const [stays, leaves] = await plugAll(DEVICES.slice(0, 2));
  const former = await shown(SERVICE, 'MainPID');
  const restart = guest(`systemctl restart ${SERVICE}`);
  await pull(leaves);
  const [brief] = await plugAll([{ kind: 'serial', port: '5', serial: 'BRIEF' }]);
  await pull(brief);
  await restart;
  expect(await shown(SERVICE, 'MainPID')).not.toEqual(former);
  // And where nobody asked for it.
  const killed = guest(`systemctl kill -s KILL ${SERVICE}`);
  const [crashed] = await plugAll([{ kind: 'tablet', port: '6', serial: 'CRASHED' }]);
  await pull(crashed);
  await killed;
  await pull(stays);
  const found = await entriesLike(since, before);
  const seqs = found.map(({ fields }) => Number(fields.seq));
  expect(seqs).toEqual(seqs.map((_, at) => seqs[0] + at));
});

it('tells afterwards, from what udev saw, of what came and left while it was down', async () => {
  const [since, before] = await settled();
  const [left, replaced] = await plugAll([{ kind: 'keyboard', port: '1', serial: 'LEFT' }, { kind: 'tablet', port: '2', serial: 'REPLACED' }]);
  await entriesLike(since, before);
  const [down, told] = await settled();
  await guest(`systemctl stop ${SOCKET} ${SERVICE}`);
  expect(await shown(SERVICE, 'ActiveState', 'Result')).toEqual({ ActiveState: 'inactive', Result: 'success' });

  await pull(left);
  const [, brief] = await plugAll([
    { kind: 'serial', port: '3', serial: 'STAYS' },
    { synthetic: { deviceDescriptor: { vid: 0x1209, pid: 0xbeef }, strings: ['Maker', 'Brief visit', 'BRIEF'] } },
  ]);
  await pull(brief);
  await pull(replaced);
  const [again] = await plugAll([{ kind: 'tablet', port: '2', serial: 'REPLACED' }]);
  expect(await spooled()).toHaveLength(bed.ledger().length - down);
  // What has left is known from the event itself.
  expect(await guest(`cd ${SPOOL} && grep -l ACTION=detach * | xargs grep -L ID_SERIAL_SHORT`)).toBe('');
  expect((await redis.entries()).length).toBe(told);

  await guest(`systemctl start ${SOCKET} ${SERVICE}`);
  const found = await entriesLike(down, told);
  expect(found.map(({ fields }) => fields.synthetic)).toEqual(found.map(() => 'missed-while-down'));
  // Only udev's helper has ever seen it.
  const visit = found.filter(({ fields }) => fields.product_id === 'beef');
  expect(visit.map(({ fields }) => `${fields.action} ${fields.backend} ${fields.vendor_id} ${fields.product} ${fields.serial_number}`)).toEqual([
    'attach udev-helper 1209 Brief visit BRIEF',
    'detach udev-helper 1209 Brief visit BRIEF',
  ]);
  await pull(again);
});

it('is not needed where only publishing is wanted: what udev saw is published once, as soon as Redis takes it', async () => {
  const [since, before] = await settled();
  const publishing = PATH_UNIT.replace('.path', '.service');
  await guest(`
    systemctl stop ${SOCKET} ${SERVICE} && systemctl start ${PATH_UNIT}
    echo USB_DAEMON_TIMEOUT=1 >>/etc/default/autoweave-usb-daemon
    redis-cli CONFIG SET requirepass sesame`);
  const [handle] = await plugAll([{ kind: 'keyboard', port: '7', serial: 'PUBLISHED' }]);
  await pull(handle);
  // It is refused, and tried again with the password that somebody has put there.
  await until(async () => (await shown(publishing, 'Result')).Result === 'exit-code', 'a publishing that failed', patience);
  await guest("printf 'sesame\\n' | install -m 600 /dev/stdin /etc/autoweave/redis-password");
  await until(async () => (await shown(publishing, 'ActiveState')).ActiveState === 'inactive' && (await spooled()).length === 0, 'all to be published', patience);
  await guest("redis-cli -a sesame --no-auth-warning CONFIG SET requirepass '' && rm /etc/autoweave/redis-password");
  const found = await entriesLike(since, before);
  expect(found.map(({ fields }) => `${fields.action} ${fields.backend} ${fields.serial_number}`)).toEqual(['attach udev-helper PUBLISHED', 'detach udev-helper PUBLISHED']);
  expect(await guest(`systemctl is-active ${SERVICE} ${PATH_UNIT} || true`)).toBe('inactive\nactive');

  // Either of them, never both.
  await guest(`systemctl start ${SOCKET} ${SERVICE}`);
  expect(await guest(`systemctl is-active ${SERVICE} ${PATH_UNIT} || true`)).toBe('active\ninactive');
  expect((await redis.entries()).length).toBe(before + found.length);
});

it('tells a device whole whatever its driver does, once it may read the kernel\'s log', async () => {
  const page = readFileSync(join(checkout, 'docs/SERVICE.md'), 'utf8');
  const dropIn = page.match(/(?<=^```ini\n).*?(?=^```)/gms).find((block) => block.includes('CAP_SYSLOG'));
  await bed.loadModule('usb_8dev');
  /** The entry of the attach of a device that its driver is slow to take. */
  const entry = async () => {
    const [, before] = await settled();
    const handle = await bed.plugSynthetic(SLOW);
    await bed.settle(handle, 'bind');
    await until(async () => (await redis.entries()).length > before, 'an entry', patience);
    await pull(handle);
    return (await redis.entries())[before].fields;
  };
  await guest(`
    mkdir -p /etc/systemd/system/${SERVICE}.d
    cat >/etc/systemd/system/${SERVICE}.d/override.conf <<'END'\n${dropIn}\nEND
    echo LOG_LEVEL=info >>/etc/default/autoweave-usb-daemon
    systemctl daemon-reload && systemctl restart ${SERVICE}`);
  const { MainPID: pid } = await shown(SERVICE, 'MainPID');
  expect(await guest(`grep CapEff /proc/${pid}/status`)).toMatch(/\t0000000400000000$/);
  expect(await guest(`journalctl -b --no-pager -o cat _PID=${pid}`)).toContain("strings of devices are read from the kernel's log");
  const [manufacturer, product, serial] = SLOW.strings;
  // Who may not read it is now and then first, and has the strings, too.
  for (let time = 0; time < 3; time += 1) {
    const whole = await entry();
    expect(whole).toMatchObject({ action: 'attach', manufacturer, product, serial_number: serial });
    expect(whole).not.toHaveProperty('partial');
  }
});
