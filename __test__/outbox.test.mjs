// The outbox's file on real disks: one that is full, and one that is asked to keep what it is given.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Process } from './chaos/process.mjs';
import { finished, stateFolder } from './command.mjs';
import { openDaemon } from './daemon.mjs';
import { until } from './until.mjs';

async function started(outbox, through) {
  const writer = new Process('../outbox-writer.cjs', outbox, { through });
  onTestFinished(() => writer.kill());
  expect(await writer.next('started')).not.toBeNull();
  return writer;
}

/** Has it do something, and gives how the outbox is doing afterwards. */
async function ask(writer, line) {
  const seen = writer.lines.length;
  writer.send(line);
  return (await writer.next('outbox', seen)).outbox;
}

async function end(writer) {
  writer.endInput();
  await writer.exit;
}

it('goes on in memory where the disk is full, says so once, and stores all of it once there is room', async () => {
  const folder = stateFolder();
  const path = join(folder, 'outbox.db');
  const filler = join(folder, 'filler');
  const copy = join(stateFolder(), 'outbox.db');
  // A disk of 2 MB that only the daemon sees; what it holds at the end is copied out.
  const script = 'mount -t tmpfs -o size=2m tmpfs "$0" && head -c 1700k /dev/zero >"$1" && shift && "$@"; cp "$0"/outbox.db* "$(dirname "$COPY")"';
  const privilege = process.getuid() === 0 ? ['--mount'] : ['--mount', '--map-root-user'];
  const writer = await started({ path, retain: 10_000 }, ['env', `COPY=${copy}`, 'unshare', ...privilege, 'sh', '-c', script, folder, filler]);
  const full = await ask(writer, { count: 300 });
  expect(full).toMatchObject({ durable: false, seen: 300, waiting: expect.any(Number), reason: expect.stringMatching(/full.*until then events are kept in memory only/) });
  expect(full.carriedOver + full.seen).toBe(full.published + full.filtered + full.waiting + full.dropped);
  const errors = writer.lines.filter((line) => line.error);
  expect(errors).toEqual([{ error: { code: 'ERR_USB_OUTBOX', message: expect.stringMatching(/outbox\.db.*full/) } }]);
  await ask(writer, { remove: filler });
  // It is tried again each second.
  const outbox = await until(async () => {
    const now = await ask(writer, {});
    return now.durable && now;
  }, 'the outbox to be durable again');
  expect(outbox).toMatchObject({ published: outbox.seen, waiting: 0, dropped: 0 });
  await end(writer);
  const { stdout } = await finished(['tail', '--outbox', copy, '--json']);
  expect(stdout.map((line) => Number(JSON.parse(line).info.eventId.split(':')[1]))).toEqual(Array.from({ length: outbox.seen }, (_, at) => at + 1));
});

it('waits for the disk at each commit where fsync is asked for, and not otherwise', async () => {
  const count = 40;
  const syncs = async (fsync) => {
    const folder = stateFolder();
    const trace = join(folder, 'trace');
    const writer = await started({ path: join(folder, 'outbox.db'), fsync }, ['strace', '-f', '-e', 'trace=fsync,fdatasync', '-o', trace]);
    const before = readFileSync(trace, 'utf8').match(/f(data)?sync\(/g)?.length ?? 0;
    await ask(writer, { count });
    const during = readFileSync(trace, 'utf8').match(/f(data)?sync\(/g)?.length ?? 0;
    await end(writer);
    return during - before;
  };
  expect(await syncs(true)).toBeGreaterThanOrEqual(count);
  expect(await syncs(false)).toBeLessThan(count / 4);
});

it('keeps as many published events as it is told, and tells by a gap what the bound on waiting ones has cost', async () => {
  const path = join(stateFolder(), 'outbox.db');
  for (const [when_full, kept] of [['drop-oldest', [91, 100]], ['drop-newest', [1, 10]]]) {
    const file = `${path}.${when_full}`;
    const daemon = openDaemon({ redis: { host: '127.0.0.1', port: 1 }, outbox: { path: file, max_events: 10, retain: 0, when_full }, shutdown_ms: 0 });
    await daemon.start();
    for (let at = 1; at <= 100; at += 1) {
      daemon.simulateAttach({ name: `201-1.${at}` });
      await daemon.heard.waitFor('device:attach', { count: at });
    }
    await daemon.stop();
    const lost = daemon.heard.of('gap').reduce((sum, gap) => sum + gap.lost, 0);
    expect(lost).toBe(90);
    const { stdout } = await finished(['tail', '--outbox', file, '--json']);
    const seqs = stdout.map((line) => Number(JSON.parse(line).info.eventId.split(':')[1]));
    expect([seqs[0], seqs.at(-1), seqs.length]).toEqual([...kept, 10]);
  }
});

it('is readable by its owner and group only', async () => {
  const path = join(stateFolder(), 'deep', 'outbox.db');
  const daemon = openDaemon({ outbox: { path } });
  await daemon.start();
  const modes = execFileSync('stat', ['-c', '%a', path, `${path}-wal`], { encoding: 'utf8' }).trim().split('\n');
  expect(modes).toEqual(['640', '640']);
});
