// The daemon under a service manager that waits for its notifications: the manager's side is a socket of our own.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';

const program = join(packageRoot, 'bin', 'usb-daemon.js');
/** Prints each datagram on a line of its own; an address that begins with a NUL is abstract. */
const MANAGER = `
  use strict; use Socket;
  my $name = $ARGV[0]; $name =~ s/^@/\\0/;
  socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
  bind($socket, pack('S a*', 1, $name)) or die "bind: $!";
  $| = 1; print "ready\\n";
  while (1) { my $text; defined(recv($socket, $text, 4096, 0)) or die "recv: $!"; $text =~ s/\\n/|/g; print "$text\\n"; }`;
/** Says at the end what a child would have got. */
const EXIT = "process.on('exit', () => console.error(`left: ${Object.keys(process.env).filter((name) => /^(LISTEN|NOTIFY|WATCHDOG)_/.test(name))}.`));";
/** A device whose descriptors nobody ever writes: who reads them waits for ever. */
const HANGS = `
  at=/sys/devices/pci0000:00/0000:00:01.0/usb1/1-9
  mkdir -p $at && echo 1 >$at/busnum && echo 99 >$at/devnum && mkfifo $at/descriptors
  ln -s ../../..\${at#/sys} /sys/bus/usb/devices/1-9`;

let bed;
let folder;
beforeEach(async () => {
  folder = stateFolder();
  bed = await openNamespaceBed();
});
afterEach(() => bed.close());

async function supervised(address, { env, interval = 5000 } = {}) {
  const manager = bed.spawn(['perl', '-e', MANAGER, address]);
  await manager.waitForLine((line) => line === 'ready');
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ redis: false, outbox: { path: join(folder, 'outbox.db') }, monitoring: { enabled: false, interval }, sources: { libusb: false } }));
  const preload = join(folder, 'exit.cjs');
  writeFileSync(preload, EXIT);
  const daemon = bed.spawn([process.execPath, '--require', preload, program, 'run', '--config', config], { env: { NOTIFY_SOCKET: address, ...env } });
  return { manager, daemon, config };
}

it.each(['path', 'abstract'])('a manager at an address that is a %s hears when the daemon is ready, reads again and stops', async (kind) => {
  const address = kind === 'path' ? join(folder, 'notify.sock') : '@usb-daemon/notify';
  await bed.plug({ kind: 'mouse', controller: 0, port: '1' });
  const { manager, daemon } = await supervised(address, { env: { LISTEN_PID: '1', LISTEN_FDS: '3', WATCHDOG_USEC: '600000000' } });
  expect(await manager.waitForLine(() => true)).toMatch(/^READY=1\|STATUS=(5 devices attached, 0 events wait|starts)$/);
  daemon.kill('SIGHUP');
  expect(await manager.waitForLine(() => true)).toMatch(/^RELOADING=1\|MONOTONIC_USEC=\d+\|STATUS=/);
  expect(await manager.waitForLine(() => true)).toBe('READY=1|STATUS=5 devices attached, 0 events wait');
  daemon.kill('SIGTERM');
  expect(await manager.waitForLine(() => true)).toMatch(/^STOPPING=1\|EXTEND_TIMEOUT_USEC=9000000\|STATUS=/);
  expect(await daemon.exit).toEqual({ code: 0, signal: null });
  expect(daemon.stderrText(), 'no child takes it for its own').toContain('left: .');
});

it('a daemon whose engine hangs gives no sign of life, and one that answers does', async () => {
  const { manager, daemon } = await supervised('@usb-daemon/watchdog', { env: { WATCHDOG_USEC: '2000000' }, interval: 100 });
  expect(await manager.waitForLine((line) => line.startsWith('WATCHDOG=1'))).toMatch(/STATUS=4 devices attached/);
  expect((await bed.exec(['sh', '-ec', HANGS])).code).toBe(0);
  await manager.waitForLine((line) => line === 'STATUS=the engine does not answer');
  for (let look = 0; look < 2; look += 1) expect(await manager.waitForLine(() => true)).toBe('STATUS=the engine does not answer');
  // It goes, and whoever waits for its descriptors finds their end.
  await bed.exec(['sh', '-c', 'at=$(readlink -f /sys/bus/usb/devices/1-9); rm /sys/bus/usb/devices/1-9; : >$at/descriptors']);
  await manager.waitForLine((line) => line.startsWith('WATCHDOG=1'));
  daemon.kill('SIGKILL');
});

it('what is handed over and is no socket of the kernel\'s uevents ends the start with what it is', async () => {
  const HAND_OVER = 'use Socket; $^F = 9; socket(my $s, PF_UNIX, SOCK_STREAM, 0); require POSIX; POSIX::dup2(fileno($s), 3); @ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, $ENV{COUNT}); exec @ARGV';
  const start = (count) => bed.exec(['perl', '-e', HAND_OVER, process.execPath, program, '--no-redis', '--no-http', '--outbox', ':memory:'], { env: { COUNT: count } });
  const unix = await start('1');
  expect(unix).toMatchObject({ code: 1, stderr: expect.stringMatching(/none of the kernel's uevents: it is of address family 1.*ERR_USB_SOURCE/) });
  expect(await start('2')).toMatchObject({ code: 1, stderr: expect.stringMatching(/2 sockets were handed over \(unknown, unknown\).*ERR_USB_SOURCE/) });
});

it('a socket that overflowed while it waited for a daemon is told as a gap, and what is there is known all the same', async () => {
  // By number: AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT, the kernel's group.
  const HAND_OVER = `
    use Socket; require POSIX; $^F = 9; $| = 1;
    socket(my $s, 16, 3, 15) or die "socket: $!"; setsockopt($s, SOL_SOCKET, SO_RCVBUF, 4096); bind($s, pack('S S L L', 16, 0, 0, 1)) or die "bind: $!";
    print "listens\n"; <STDIN>; POSIX::dup2(fileno($s), 3); @ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, 1); exec @ARGV`;
  const config = JSON.stringify({ redis: false, outbox: { path: join(folder, 'outbox.db') }, monitoring: { enabled: false }, sources: { libusb: false } });
  writeFileSync(join(folder, 'config.json'), config);
  const daemon = bed.spawn(['perl', '-e', HAND_OVER, process.execPath, program, 'run', '--json', '--config', join(folder, 'config.json')]);
  await daemon.waitForLine((line) => line === 'listens');
  await bed.burst({ pairs: 1_000, entry: 'removed', name: '1-2' });
  await bed.plug({ kind: 'mouse', controller: 0, port: '1' });
  daemon.write('go');
  const lines = [];
  const until = (match) => daemon.waitForLine((line) => lines.push(JSON.parse(line)) && match(lines.at(-1)));
  const isAt = (port) => ({ type, info }) => type === 'attach' && info.location.portPath === port;
  await until(({ type }) => type === 'gap');
  expect(lines.at(-1).gap).toMatchObject({ source: 'netlink', cause: 'overflow' });
  if (!lines.some(isAt('1'))) await until(isAt('1'));
  // And it hears again.
  await bed.plug({ kind: 'mouse', controller: 0, port: '3' });
  await until(isAt('3'));
  expect(lines.at(-1).info).toMatchObject({ backend: 'netlink' });
  daemon.kill('SIGTERM');
  expect(await daemon.exit).toEqual({ code: 0, signal: null });
});
