// The Debian package: made, judged by lintian, installed, upgraded and purged, in a copy of this machine's file system that is gone afterwards.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const asRoot = process.getuid() === 0 ? [] : ['sudo', '-n'];
const make = (folder) => execFileSync('sh', ['scripts/deb.sh', '-o', folder], { cwd: checkout, encoding: 'utf8', env: { ...process.env, DEB_LEVEL: '0' } }).trim();
let place;
let deb;

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'autoweave-deb-'));
  deb = make(place);
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** Runs a script in a file system of its own that looks like this machine's, with the package as /package.deb. Gives what it printed after `--`. */
function inCopy(script) {
  const inside = join(place, 'inside.sh');
  writeFileSync(inside, `set -eu\nexport DEBIAN_FRONTEND=noninteractive\nexport LC_ALL=C.UTF-8\ninstall_it() { dpkg --force-depends -i /package.deb >/dev/null 2>&1; }\n${script}`);
  const outside = `
    mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
    mount --rbind /dev "$1/root/dev" && mount -t proc proc "$1/root/proc"
    cp "$2" "$1/root/package.deb" && cp "$3" "$1/root/inside.sh" && mkdir "$1/root/copy" && mount --bind "$1/upper" "$1/root/copy"
    exec chroot "$1/root" /bin/sh /inside.sh`;
  const layer = mkdtempSync(join(tmpdir(), 'autoweave-layer-'));
  const argv = [...asRoot, 'unshare', '--mount', '--pid', '--fork', 'sh', '-ec', outside, 'sh', layer, deb, inside];
  const { status, stdout, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  rmSync(layer, { recursive: true });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.trim().split('\n');
}

it('has no fault that lintian knows as an error', () => {
  const { status, stdout } = spawnSync('lintian', ['--allow-root', '--fail-on', 'error', deb], { encoding: 'utf8' });
  expect([status, stdout.split('\n').filter((line) => line.startsWith('E:'))]).toEqual([0, []]);
});

it('is the same package each time that it is made', () => {
  expect(spawnSync('cmp', [deb, make(join(place, 'again'))], { encoding: 'utf8' }).stdout).toBe('');
});

it('holds what runs, and nothing for those who build', () => {
  const names = execFileSync('dpkg-deb', ['--fsys-tarfile', deb], { maxBuffer: 1 << 28 });
  const files = execFileSync('tar', ['-t'], { input: names, encoding: 'utf8' }).trim().split('\n').filter((name) => !name.endsWith('/'));
  const elsewhere = files.filter((name) => !/^\.\/usr\/lib\/autoweave-usb-daemon\/js\/.*\.(js|node)$|^\.\/usr\/share\/doc\//.test(name));
  expect(elsewhere.toSorted()).toEqual(
    [
      './etc/default/autoweave-usb-daemon',
      './usr/bin/usb-daemon',
      './usr/lib/autoweave-usb-daemon/bin/usb-daemon.js',
      ...['index.js', 'index.mjs', 'package.json', 'usb.js', 'usb.mjs'].map((name) => `./usr/lib/autoweave-usb-daemon/${name}`),
      ...['autoweave-usb-daemon.service', 'autoweave-usb-daemon.socket', 'autoweave-usb-driver.socket', 'autoweave-usb-driver@.service', 'autoweave-usb-publish.path', 'autoweave-usb-publish.service'].map((name) => `./usr/lib/systemd/system/${name}`),
      './usr/lib/sysusers.d/autoweave-usb.conf',
      './usr/lib/tmpfiles.d/autoweave-usb.conf',
      './usr/lib/udev/autoweave-udev-notify',
      './usr/lib/udev/rules.d/99-autoweave-usb.rules',
    ].toSorted(),
  );
});

it('is there once installed: command, account, spool, rules and units', () => {
  const lines = inCopy(`
    install_it
    usb-daemon --version
    getent passwd autoweave | cut -d: -f1,6,7
    stat -c '%a %U %G' /run/autoweave-usb/spool
    grep -o 'RUN+="[^"]*"' /usr/lib/udev/rules.d/99-autoweave-usb.rules
    test -x /usr/lib/udev/autoweave-udev-notify
    cd /etc/systemd/system && ls -d *.wants/autoweave*
    # Installed, the units are whole: no second complaint from systemd.
    systemd-analyze verify autoweave-usb-daemon.service 2>&1 | grep autoweave || true`);
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  expect(lines).toEqual([
    `usb-daemon ${version}`,
    'autoweave:/var/lib/autoweave-usb-daemon:/usr/sbin/nologin',
    '2770 root autoweave',
    'RUN+="/usr/lib/udev/autoweave-udev-notify"',
    'multi-user.target.wants/autoweave-usb-daemon.service',
    'sockets.target.wants/autoweave-usb-daemon.socket',
  ]);
});

it('obeys who has disabled it and changed its settings, when it is upgraded', () => {
  const lines = inCopy(`
    install_it
    systemctl -q disable autoweave-usb-daemon.service autoweave-usb-daemon.socket
    echo REDIS_HOST=elsewhere >>/etc/default/autoweave-usb-daemon
    install_it
    systemctl is-enabled autoweave-usb-daemon.service autoweave-usb-daemon.socket autoweave-usb-publish.path || true
    tail -n 1 /etc/default/autoweave-usb-daemon`);
  expect(lines).toEqual(['disabled', 'disabled', 'disabled', 'REDIS_HOST=elsewhere']);
});

it('has the licenses of all that is linked into the addon', () => {
  const names = execFileSync('dpkg-deb', ['--fsys-tarfile', deb], { maxBuffer: 1 << 28 });
  const packed = execFileSync('tar', ['-xO', './usr/share/doc/autoweave-usb-daemon/THIRD-PARTY-LICENSES.txt.gz'], { input: names, maxBuffer: 1 << 28 });
  const text = gunzipSync(packed).toString();
  for (const part of ['libusb1-sys', 'GNU LESSER GENERAL PUBLIC LICENSE', 'Permission is hereby granted']) expect(text).toContain(part);
});

it('of a prerelease comes before the release', () => {
  const [line] = readFileSync(join(checkout, 'scripts/deb.sh'), 'utf8').match(/^version=.*$/m);
  writeFileSync(join(place, 'package.json'), '{\n  "version": "1.2.3-rc.1",\n}\n');
  const version = execFileSync('sh', ['-c', `${line}; printf %s "$version"`], { cwd: place, encoding: 'utf8' });
  expect(spawnSync('dpkg', ['--compare-versions', `${version}-1`, 'lt', '1.2.3-1']).status).toBe(0);
});

it('leaves another’s file in /etc/autoweave when it is purged', () => {
  const lines = inCopy(`
    install_it
    touch /etc/autoweave/redis-password /etc/autoweave/of-another
    dpkg -P autoweave-usb-daemon >/dev/null 2>&1
    ls /etc/autoweave`);
  expect(lines).toEqual(['of-another']);
});

it('leaves nothing once purged but the account, as other packages do', () => {
  const lines = inCopy(`
    install_it
    mkdir -p /var/lib/autoweave-usb-daemon && touch /var/lib/autoweave-usb-daemon/outbox.db
    cd /etc/autoweave && touch redis-password http-token usb-daemon.json && cd /
    dpkg -P autoweave-usb-daemon >/dev/null 2>&1
    dpkg -l autoweave-usb-daemon 2>/dev/null | grep autoweave || true
    find /copy -iname '*autoweave*'
    grep -rl autoweave /copy/etc | sort`);
  expect(lines.filter((name) => !/^\/copy\/etc\/(passwd|group|shadow|gshadow)-?$/.test(name))).toEqual([]);
});
