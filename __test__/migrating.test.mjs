// docs/MIGRATING.md: each "after" does what stands under it, on a bus with real uevents; each "before" is a program.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openNamespaceBed } from './beds/namespace/index.mjs';
import { packageRoot } from './daemon.mjs';
import { until } from './until.mjs';

const ADAPTER = { controller: 0, port: '2', vendor_id: 0x0403, product_id: 0x6001, product: 'Adapter', serial: 'A1B2C3', interfaces: ['ff/ff/ff'] };
/** The longest that a plug may stay unanswered before it is taken for one that came too early. */
const PATIENCE_MS = 2_000;

const text = readFileSync(join(packageRoot, 'docs/MIGRATING.md'), 'utf8');
const blocks = [...text.matchAll(/^(#+ .*)$|^```(\w+) (before|after|prints)\n([\s\S]*?)^```$/gm)];

/** The examples in their order: `{ title, before, after, prints }`. */
function examples() {
  const found = [];
  let heading;
  for (const [, title, , role, code] of blocks) {
    if (title) heading = title.replace(/^#+ /, '');
    else if (role === 'before') found.push({ title: heading, before: code });
    else found.at(-1)[role] = code;
  }
  return found.map((example, at) => ({ ...example, title: `${at + 1}. ${example.title}` }));
}

const isModule = (code) => /^import /m.test(code);

/** Whether `wanted` stands in `lines`, one after another. */
function has(lines, wanted) {
  return lines.some((_, from) => wanted.every((line, at) => lines[from + at] === line));
}

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
    const file = join(folder, isModule(before) ? 'before.mjs' : 'before.cjs');
    writeFileSync(file, before);
    execFileSync(process.execPath, ['--check', file]);
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
    const kind = isModule(after) ? ['--input-type=module'] : [];
    const program = bed.spawn([process.execPath, ...kind, '-e', after], { cwd: packageRoot });
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
