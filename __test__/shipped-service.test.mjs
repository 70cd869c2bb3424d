// The systemd units, as systemd judges them without running them.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../deploy/systemd/', import.meta.url));
const shellcheck = fileURLToPath(new URL('../.cache/tools/bin/shellcheck', import.meta.url));
const units = readdirSync(folder).filter((name) => /\.(service|socket|path)$/.test(name));
const all = units.filter((name) => name.endsWith('.service'));
/** Loads modules and writes to /sys, as root. */
const HELPER = 'autoweave-usb-driver@.service';
const services = all.filter((name) => name !== HELPER);
const MOST_EXPOSED = 1.5;

const run = (program, args, options) => spawnSync(program, args, { encoding: 'utf8', ...options });

let place;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'autoweave-units-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

it('are understood by systemd to the last line', () => {
  // Beside each other, or systemd takes the ones that it finds installed.
  const { status, stdout, stderr } = run('systemd-analyze', ['verify', '--man=no', ...units.map((unit) => join(folder, unit))]);
  expect([status, stdout, stderr.split('\n').filter((line) => line.includes('autoweave'))]).toEqual([0, '', []]);
});

it.each(all)('%s is exposed no more than 1.5 of 10', (service) => {
  const { stdout, stderr } = run('systemd-analyze', ['security', '--offline=true', '--no-pager', join(folder, service)]);
  const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout) ?? [undefined, stderr];
  expect(Number(exposure)).toBeLessThanOrEqual(MOST_EXPOSED);
});

it.each(services)('%s runs under a user of its own and may nothing that a user may not', (service) => {
  const settings = readFileSync(join(folder, service), 'utf8').split('\n');
  for (const setting of ['User=autoweave', 'Group=autoweave', 'CapabilityBoundingSet=', 'AmbientCapabilities=', 'NoNewPrivileges=yes', 'DevicePolicy=closed', 'ProtectSystem=strict']) {
    expect(settings).toContain(setting);
  }
  // A `+` or `!` before a command would run it as root.
  expect(settings.filter((line) => /^Exec\w+=[-@:]*[+!]/.test(line))).toEqual([]);
});

it('the helper for drivers is root with one capability, for the group alone, and only while somebody asks', () => {
  const settings = readFileSync(join(folder, HELPER), 'utf8').split('\n');
  for (const setting of ['CapabilityBoundingSet=CAP_SYS_MODULE', 'NoNewPrivileges=yes', 'DevicePolicy=closed', 'ProtectSystem=strict', 'PrivateNetwork=yes', 'RestrictAddressFamilies=AF_UNIX']) {
    expect(settings).toContain(setting);
  }
  expect(settings.filter((line) => line.startsWith('Exec'))).toEqual(['ExecStart=/usr/bin/env usb-daemon driver apply']);
  const socket = readFileSync(join(folder, 'autoweave-usb-driver.socket'), 'utf8').split('\n');
  for (const setting of ['ListenStream=/run/autoweave-usb/driver.sock', 'SocketMode=0660', 'SocketGroup=autoweave', 'Accept=yes']) expect(socket).toContain(setting);
});

it('make the account and the spool that they need', () => {
  mkdirSync(join(place, 'etc'));
  writeFileSync(join(place, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(place, 'etc/group'), 'root:x:0:\n');
  expect(run('systemd-sysusers', [`--root=${place}`, join(folder, 'autoweave-usb.sysusers')]).status).toBe(0);
  const [, uid, gid] = /^autoweave:x:(\d+):(\d+):AutoWeave USB daemon:\/var\/lib\/autoweave-usb-daemon:\/usr\/sbin\/nologin$/m.exec(readFileSync(join(place, 'etc/passwd'), 'utf8'));
  expect([uid, gid].map(Number).every((id) => id > 0 && id < 1000)).toBe(true);

  const made = run('systemd-tmpfiles', ['--create', `--root=${place}`, join(folder, 'autoweave-usb.tmpfiles')]);
  expect([made.status, made.stderr]).toEqual([0, '']);
  const of = (path) => {
    const { mode, uid: owner, gid: group } = statSync(join(place, path));
    return [(mode & 0o7777).toString(8), owner, group];
  };
  expect([of('run/autoweave-usb'), of('run/autoweave-usb/spool')]).toEqual([['2755', 0, Number(gid)], ['2770', 0, Number(gid)]]);
});

describe.each(services)('the command of %s', (service) => {
  /** As systemd gives it to the shell. */
  const [, command] = /^ExecStart=\/bin\/sh -c '((?:[^'\\]|\\\n)*)'$/m.exec(readFileSync(join(folder, service), 'utf8'));
  const script = command.replaceAll('\\\n', '').replaceAll('$$', '$');
  const secrets = [...script.matchAll(/secret (\S+) (\w+)/g)].map(([, file, variable]) => [file, variable]);

  /** What usb-daemon is called with, and which of its variables name a file. */
  function started(files, env = {}) {
    mkdirSync(join(place, 'bin'), { recursive: true });
    mkdirSync(join(place, 'credentials'), { recursive: true });
    writeFileSync(join(place, 'bin/usb-daemon'), '#!/bin/sh\necho "$*"; env | grep -E "_FILE=|_CONFIG=" | sort\n');
    chmodSync(join(place, 'bin/usb-daemon'), 0o755);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
    const here = script.replaceAll('/etc/autoweave', place);
    const { stdout, stderr, status } = run('/bin/sh', ['-c', here], { env: { PATH: `${join(place, 'bin')}:/usr/bin:/bin`, CREDENTIALS_DIRECTORY: join(place, 'credentials'), ...env } });
    return { status, stderr, lines: stdout.trim().split('\n') };
  }
  const none = Object.fromEntries(secrets.map(([file]) => [`credentials/${file}`, '\n']));
  const subcommand = service.includes('publish') ? 'udev publish' : 'run';

  it('is as shellcheck wants it', () => {
    const { stdout } = run(shellcheck, ['-s', 'sh', '-'], { input: script });
    expect(stdout).toBe('');
  });

  it('works where neither a configuration nor a secret is there', () => {
    expect(started(none)).toEqual({ status: 0, stderr: '', lines: [subcommand] });
  });

  it('takes the configuration and the secrets that are there, and puts no secret into the environment', () => {
    const given = Object.fromEntries(secrets.map(([file]) => [`credentials/${file}`, 'hunter2']));
    const variables = secrets.map(([file, variable]) => `${variable}=${join(place, 'credentials', file)}`);
    const { lines, stderr } = started({ ...given, 'usb-daemon.json': '{}' });
    expect([lines[0], lines.slice(1), stderr]).toEqual([subcommand, [...variables, `USB_DAEMON_CONFIG=${join(place, 'usb-daemon.json')}`].toSorted(), '']);
  });

  it('takes the configuration that the environment names before that', () => {
    expect(started({ ...none, 'usb-daemon.json': '{}' }, { USB_DAEMON_CONFIG: '/other.json' }).lines).toEqual([subcommand, 'USB_DAEMON_CONFIG=/other.json']);
  });
});
