// `usb-daemon tail`, and the outbox of the command line, as a user has them: files, pipes and processes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, finished, stateFolder } from './command.mjs';
import { openDaemon, packageRoot } from './daemon.mjs';
import { upTo } from './redis-server.mjs';
import { until } from './until.mjs';

/** An outbox that a daemon without Redis has filled with this many devices, and has left. */
async function filled(devices, outbox = {}) {
  const path = join(stateFolder(), 'outbox.db');
  const daemon = openDaemon({ outbox: { path, ...outbox } });
  await daemon.start();
  await plug(daemon, devices);
  await daemon.stop();
  return path;
}

async function plug(daemon, devices) {
  const before = daemon.heard.of('device:attach').length;
  for (let at = 1; at <= devices; at += 1) daemon.simulateAttach({ name: port(before + at), product: `Device ${before + at}` });
  await daemon.heard.waitFor('device:attach', { count: before + devices });
}

/** One of fifty thousand ports. */
function port(number) {
  return `201-${1 + Math.floor(number / 200)}.${1 + (number % 200)}`;
}

function numbers(lines) {
  return lines.map((line) => Number(JSON.parse(line).info.eventId.split(':')[1]));
}

/** Whether the thread that prints sleeps in a write to stdout. */
function isStuckPrinting(pid) {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => (name) => readFileSync(`/proc/${pid}/task/${thread}/${name}`, 'utf8'));
  const printing = threads.find((read) => read('comm') === 'aw-print\n');
  return printing !== undefined && / S /.test(printing('stat')) && /^\d+ 0x1 /.test(printing('syscall'));
}

describe('tail', () => {
  it('shows the history of a machine that never had a Redis to a reader that takes ten lines', async () => {
    const state = stateFolder();
    const run = command(['--simulate', '--no-redis', '--no-http', '--json'], { env: { XDG_STATE_HOME: state } });
    await run.stdout.waitFor(/"type":"(attach|detach)"/, { count: 3 });
    const env = { ...process.env, XDG_STATE_HOME: state };
    const shell = spawn('sh', ['-c', `"${process.execPath}" bin/usb-daemon.js tail --json | head -n 2`], { cwd: packageRoot, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    shell.stdout.setEncoding('utf8').on('data', (data) => (text += data));
    shell.stderr.setEncoding('utf8').on('data', (data) => (text += data));
    await once(shell, 'close');
    const lines = text.trimEnd().split('\n');
    expect(lines).toEqual(run.stdout.lines.filter((line) => /"type":"(attach|detach)"/.test(line)).slice(0, 2));
  });

  it('prints each event once, in order, as run does', async () => {
    const path = await filled(300);
    const { code, stdout, stderr } = await finished(['tail', '--outbox', path, '--json']);
    expect([code, stderr]).toEqual([0, []]);
    expect(numbers(stdout)).toEqual(upTo(300));
    const plain = await finished(['tail', '--outbox', path]);
    expect(plain.stdout).toHaveLength(300);
    expect(plain.stdout[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}attach {2}201:\d{3} {2}port 1\.2 .* Device 1 {2}\(simulated\)$/);
  });

  it('begins with an event, a time, or so long ago', async () => {
    const path = await filled(20);
    const since = async (value) => numbers((await finished(['tail', '--outbox', path, '--json', '--since', value])).stdout);
    expect(await since('15')).toEqual(upTo(20).slice(14));
    expect(await since('21')).toEqual([]);
    expect(await since('1h')).toEqual(upTo(20));
    expect(await since('2999-01-01T00:00:00Z')).toEqual([]);
    const lines = (await finished(['tail', '--outbox', path, '--json'])).stdout.map((line) => JSON.parse(line).info.timestamp);
    const tenth = new Date(lines[9]).toISOString();
    expect(await since(tenth)).toEqual(upTo(20).slice(lines.indexOf(lines[9])));
  });

  it('follows a daemon that runs, over its restarts, until it is stopped', async () => {
    const path = await filled(2);
    const tail = command(['tail', '--outbox', path, '--json', '--follow', '--since', '2']);
    await tail.stdout.waitFor(/"type":"attach"/);
    const daemon = openDaemon({ outbox: { path } });
    await daemon.start();
    await tail.stdout.waitFor(/"missed-while-down"/, { count: 2 });
    await plug(daemon, 5);
    await tail.stdout.waitFor(/"type":"attach"/, { count: 6 });
    expect(await tail.end()).toEqual({ code: 0, signal: null });
    expect(numbers(tail.stdout.lines)).toEqual(upTo(9).slice(1));
    expect(tail.stderr.lines).toEqual([]);
  });

  it('ends well where its reader goes, and where its reader sleeps', async () => {
    const path = await filled(3000);
    const gone = command(['tail', '--outbox', path, '--json', '--follow']);
    await gone.stdout.waitFor(/attach/);
    gone.stdout.close();
    const daemon = openDaemon({ outbox: { path } });
    await daemon.start();
    expect((await gone.exit).code).toBe(0);
    const asleep = command(['tail', '--outbox', path, '--json']);
    asleep.stdout.pause();
    await until(() => isStuckPrinting(asleep.pid), 'the pipe to be full');
    asleep.kill('SIGTERM');
    expect(await asleep.gone).toEqual({ code: 0, signal: null });
    asleep.stdout.close();
  });

  const folder = packageRoot;
  for (const [what, args, code, expected] of [
    ['a file that is not there', ['--outbox', '/nowhere/outbox.db'], 1, /\/nowhere\/outbox\.db cannot be used: there is no such file: no daemon has run with this outbox yet \[ERR_USB_OUTBOX\]/],
    ['a file that is no outbox', ['--outbox', join(folder, 'README.md')], 1, /README\.md.* \[ERR_USB_OUTBOX\]/],
    ['a time that is none', ['--since', 'yesterday'], 2, /--since is "yesterday": expected an event's number/],
    ['a configuration that is not there', ['--config', '/nowhere.json'], 2, /\/nowhere\.json/],
  ]) {
    it(`names ${what}`, async () => {
      const { code: found, stdout, stderr } = await finished(['tail', ...args]);
      expect([found, stdout]).toEqual([code, []]);
      expect(stderr).toEqual([expect.stringMatching(expected)]);
    });
  }
});

describe('the outbox of the command line', () => {
  const quiet = ['--no-redis', '--no-http'];

  it("lies in the system's place for state", async () => {
    for (const [variable, file] of [['STATE_DIRECTORY', 'outbox.db'], ['XDG_STATE_HOME', 'usb-daemon/outbox.db']]) {
      const state = stateFolder();
      const run = command(quiet, { env: { [variable]: state } });
      await run.stderr.waitFor(new RegExp(`^outbox {4}up {11}${join(state, file)}$`));
      await run.end();
      expect(existsSync(join(state, file))).toBe(true);
    }
  });

  it("is the file that an option names, and tail finds it by the daemon's own configuration", async () => {
    const folder = stateFolder();
    const [path, config] = [join(folder, 'deep', 'events.db'), join(folder, 'config.json')];
    writeFileSync(config, JSON.stringify({ outbox: { path }, sources: ['simulated'] }));
    const run = command([...quiet, '--config', config, '--simulate', '--json']);
    await run.stdout.waitFor(/"attach"/, { count: 2 });
    await run.end();
    const events = run.stdout.lines.filter((line) => /"type":"(attach|detach)"/.test(line));
    expect((await finished(['tail', '--config', config, '--json'])).stdout).toEqual(events);
    expect((await finished(['tail', '--json'], { env: { USB_DAEMON_OUTBOX: path } })).stdout).toEqual(events);
  });

  it('has one daemon; a second one says who, detects without durability, or refuses where that is asked', async () => {
    const env = { XDG_STATE_HOME: stateFolder() };
    const first = command(quiet, { env });
    await first.stderr.waitFor(/^outbox {4}up /);
    const second = command([...quiet, '--simulate'], { env });
    const [line] = await second.stderr.waitFor(/ERR_USB_OUTBOX/);
    expect(line).toContain(`process ${first.pid}`);
    await second.stderr.waitFor(/^outbox {4}volatile /);
    await second.stdout.waitFor(/attach/);
    await second.end();
    const third = await finished([...quiet, '--outbox-required'], { env });
    expect(third.code).toBe(1);
    expect(third.stderr.at(-1)).toMatch(new RegExp(`^error: .*process ${first.pid}.*\\[ERR_USB_OUTBOX\\]$`));
    await first.end('SIGKILL');
    const fourth = command([...quiet, '--outbox-required'], { env });
    await fourth.stderr.waitFor(/^outbox {4}up /);
  });

  it('that cannot be used is named with what to do, and the daemon detects without it', async () => {
    const folder = stateFolder();
    const foreign = join(folder, 'foreign.db');
    writeFileSync(foreign, 'this is a letter, not a database. '.repeat(100));
    for (const [path, expected] of [[foreign, /not a database|no outbox/], ['/proc/outbox.db', /\/proc\/outbox\.db/]]) {
      const run = command([...quiet, '--simulate', '--outbox', path]);
      const [line] = await run.stderr.waitFor(/ERR_USB_OUTBOX/);
      expect(line).toMatch(expected);
      await run.stdout.waitFor(/attach/);
      await run.end();
    }
  });
});
