// docs/MIGRATING.md: each "after" does what stands under it, on a bus with real uevents; each "before" is a program. Those for
// usb 2 are run in kernel-migrating.test.mjs: they open the device, which needs a real one.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { packageRoot } from './daemon.mjs';
import { argumentsFor, examples, fileNameFor, has, text } from './migrating-page.mjs';
import { installPeer } from './peer-usb2.mjs';
import { until } from './until.mjs';

const ADAPTER = { controller: 0, port: '2', vendor_id: 0x0403, product_id: 0x6001, product: 'Adapter', serial: 'A1B2C3', interfaces: ['ff/ff/ff'] };
/** The longest that a plug may stay unanswered before it is taken for one that came too early. */
const PATIENCE_MS = 2_000;

describe('the page', () => {
  it('has no code that is not checked', () => {
    expect(text.match(/^```\w/gm)).toHaveLength(examples().length * 3);
    for (const example of examples()) expect(Object.keys(example)).toEqual(['title', 'before', 'after', 'prints']);
  });

  it('shows the entry /usb as a change of name alone', () => {
    const same = examples().filter(({ after }) => after.includes('@autoweave/usb-daemon/usb'));
    expect(same).toHaveLength(2);
    for (const { before, after } of same) expect(before.replace("'usb'", "'@autoweave/usb-daemon/usb'")).toBe(after);
  });
});

describe('before', () => {
  let folder;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'usb-daemon-migrating-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(examples())('$title is a program', ({ before }) => {
    const file = join(folder, fileNameFor('before', before));
    writeFileSync(file, before);
    execFileSync(process.execPath, ['--check', file]);
  });

  it('the one that the page says usb 2 itself does not run is not run by it', async () => {
    const { before, after } = examples().find((example) => example.before.includes("import * as usb from 'usb'"));
    const cwd = join(await installPeer(), '../..');
    const { status, stdout, stderr } = spawnSync(process.execPath, argumentsFor(before), { cwd, encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([1, '', expect.stringContaining('TypeError: usb.on is not a function')]);
    expect(after).toBe(before.replace("'usb'", "'@autoweave/usb-daemon/usb'"));
  });
});

describe('after', () => {
  let bed;
  beforeAll(async () => {
    bed = await openNamespaceBed();
    const server = bed.spawn(['redis-server', '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { cwd: '/tmp' });
    await server.waitForLine((line) => /ready to accept connections/i.test(line));
  });
  afterAll(() => bed?.close());

  it.each(examples())('$title prints what it says', async ({ after, prints }) => {
    const program = bed.spawn([process.execPath, ...argumentsFor(after)], { cwd: packageRoot });
    const lines = [];
    const read = (async () => {
      for await (const line of program.stdout) lines.push(line);
    })();
    const wanted = prints.trimEnd().split('\n');
    const answered = (count) => until(() => lines.length > count, 'a line', { timeoutMs: PATIENCE_MS }).catch(() => {});
    await until(async () => {
      expect(program.running, program.stderrText()).toBe(true);
      const [came, left] = [lines.length, lines.length + 1];
      const handle = await bed.plug(ADAPTER);
      await answered(came);
      await bed.unplug(handle);
      await answered(left);
      return has(lines, wanted);
    }, JSON.stringify(wanted));
    program.kill('SIGKILL');
    await Promise.all([program.exit, read]);
    // Nothing else was printed, but for what a program found that was started while the adapter was there.
    expect([...new Set(lines)].filter((line) => !wanted.includes(line) && !line.startsWith('there '))).toEqual([]);
    expect(program.stderrText()).toBe('');
  });
});
