// A running daemon reads its configuration again: at SIGHUP, and when the file has changed.

import { readFileSync, readdirSync } from 'node:fs';
import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, stateFolder } from './command.mjs';

const HUB = '0409';
const RELOADED = /^config {4}reloaded {5}filters and limits of /;
const REFUSED = /^config {4}refused /;
const RESTART = /^config {4}restart /;
const QUIET = { redis: false, monitoring: { enabled: false } };
const without = (...vendors) => ({ ...QUIET, filters: { vendor_blacklist: vendors } });

/** A daemon with a file of its own, and a second file beside it that nothing has to do with. */
async function running(content = QUIET, { name = 'config.json', args = [] } = {}) {
  const folder = stateFolder();
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(content));
  const run = command(['--simulate', '--json', '--config', path, ...args]);
  await run.stdout.waitFor(/"type":"attach"/);
  // In one go: a file that is looked at while it is written is half a file.
  const write = async (next) => {
    await writeFile(`${path}.new`, typeof next === 'string' ? next : JSON.stringify(next));
    await rename(`${path}.new`, path);
  };
  return { run, folder, path, write };
}

/** What an editor does: a new file in the place of the old one. */
async function replace(path, content) {
  await writeFile(`${path}.new`, JSON.stringify(content));
  await rename(`${path}.new`, path);
}

const transitions = (run) => run.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'attach' || type === 'detach');
const isHub = ({ info }) => info.vendorId === 0x0409;
const threads = (pid) => readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim());

/** Waits until the demonstration has gone on for so many lines. */
const further = (run, count) => run.stdout.waitFor(/"type":"(attach|detach)"/, { count: transitions(run).length + count });

describe('filters of a changed file hold for what comes later', () => {
  for (const [how, change] of [
    ['where the file is written to', ({ path, content }) => writeFile(path, JSON.stringify(content))],
    ['where the file is replaced', ({ path, content }) => replace(path, content)],
  ]) {
    it(`and no event is lost, ${how}`, async () => {
      const { run, path } = await running();
      await change({ path, content: without(HUB) });
      await run.stderr.waitFor(RELOADED);
      const before = transitions(run);
      expect(before.filter(isHub)).toHaveLength(1);
      // A cycle without the hub: its first attachment was told of, so its detachment is, and nothing of it after that.
      await run.stdout.waitFor(/"type":"detach".*"vendorId":1033/);
      await further(run, 7);
      expect(transitions(run).filter(isHub).map(({ type }) => type)).toEqual(['attach', 'detach']);
      await change({ path, content: QUIET });
      await run.stderr.waitFor(RELOADED, { count: 2 });
      await run.stdout.waitFor(/"type":"attach".*"vendorId":1033/, { count: 2 });
      expect(await run.end()).toEqual({ code: 0, signal: null });
      const told = transitions(run);
      const numbers = told.map(({ info }) => Number(info.eventId.split(':').at(-1)));
      expect(numbers).toEqual(numbers.map((_, at) => at + 1));
      expect(told.filter(isHub).map(({ type }) => type).slice(0, 3)).toEqual(['attach', 'detach', 'attach']);
      // Of the others each cycle is whole: three come, and the same three leave.
      const others = told.filter((one) => !isHub(one));
      for (let at = 0; at + 6 <= others.length; at += 6) {
        const ports = others.slice(at, at + 6).map(({ type, info }) => `${type} ${info.location.portPath}`);
        const came = ports.slice(0, 3).map((port) => port.replace('attach', 'detach'));
        expect(ports.slice(3)).toEqual(came.reverse());
      }
    });
  }

  it('and so do those of a file that is reached through links', async () => {
    const folder = stateFolder();
    for (const [name, content] of [['one', QUIET], ['two', without(HUB)]]) await writeFile(join(folder, name), JSON.stringify(content));
    await symlink('one', join(folder, '..data'));
    await symlink('..data', join(folder, 'config.json'));
    const run = command(['--simulate', '--json', '--config', join(folder, 'config.json')]);
    await run.stdout.waitFor(/"type":"attach"/);
    await symlink('two', join(folder, '..next'));
    await rename(join(folder, '..next'), join(folder, '..data'));
    await run.stderr.waitFor(RELOADED);
    await run.end();
  });
});

describe('SIGHUP', () => {
  it('has the file read again, changed or not', async () => {
    const { run } = await running();
    run.kill('SIGHUP');
    await run.stderr.waitFor(RELOADED);
    run.kill('SIGHUP');
    await run.stderr.waitFor(RELOADED, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stderr.lines.filter((line) => !RELOADED.test(line))).toEqual([]);
  });

  it('does no harm where there is no file', async () => {
    const run = command(['--simulate', '--no-redis', '--no-http', '--json']);
    await run.stdout.waitFor(/"type":"attach"/);
    run.kill('SIGHUP');
    await run.stderr.waitFor(/^config {4}reloaded {5}filters and limits hold from now on$/);
    expect(threads(run.pid)).not.toContain('aw-config');
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });

  it('leaves options and variables over the file', async () => {
    const { run, write } = await running(QUIET, { args: ['--vendor-blacklist', '1234'] });
    await write(without(HUB));
    await run.stderr.waitFor(RELOADED);
    await run.stdout.waitFor(/"type":"attach".*"vendorId":1033/, { count: 2 });
    await run.end();
  });

  it('ends a command that has nothing to read again, as it always did', async () => {
    const run = command(['watch', '--no-present']);
    await run.stderr.waitFor(/./);
    run.kill('SIGHUP');
    expect(await run.exit).toEqual({ code: null, signal: 'SIGHUP' });
  });
});

describe('a bad new file changes nothing and says why in one line:', () => {
  for (const [what, content, why] of [
    ['bad JSON', '{ "filters": ', 'EOF while parsing'],
    ['nothing at all', '', 'EOF while parsing'],
    ['bad values', { filters: { vendor_blacklist: ['zz'] }, performance: { batch_size: 0 } }, 'bad configuration, 2 faults: filters.vendor_blacklist[0] is "zz"'],
    ['a misspelt key', { ...without(HUB), filtres: {} }, 'filtres is no key: did you mean "filters"?'],
  ]) {
    it(what, async () => {
      const { run, write } = await running(without('046d'));
      await write(content);
      const [line] = await run.stderr.waitFor(REFUSED);
      expect(line).toContain(why);
      expect(line).toMatch(/\[ERR_USB_CONFIG\]; nothing has changed$/);
      await further(run, 2);
      expect(run.stdout.lines.filter((other) => /"vendorId":1133/.test(other))).toEqual([]);
      expect(run.stderr.lines).toEqual([line]);
      await write(without(HUB));
      await run.stderr.waitFor(RELOADED);
      expect(await run.end()).toEqual({ code: 0, signal: null });
    });
  }

  it('a file that has gone, at SIGHUP', async () => {
    const { run, path } = await running();
    await rm(path);
    run.kill('SIGHUP');
    const [line] = await run.stderr.waitFor(REFUSED);
    expect(line).toContain('No such file');
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });
});

describe('the watch', () => {
  it('names what holds only after a restart, until it is as it was', async () => {
    const { run, write } = await running();
    await write({ ...QUIET, redis: { password: 'hush' }, shutdown_ms: 7, performance: { debounce_ms: 7, batch_size: 7 } });
    const [line] = await run.stderr.waitFor(RESTART);
    expect(line).toMatch(/changed, but only after a restart: performance\.debounce_ms, redis, shutdown_ms$/);
    await write(QUIET);
    await run.stderr.waitFor(RELOADED, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stderr.lines.filter((other) => RESTART.test(other))).toEqual([line]);
    expect(run.stderr.lines.join('\n')).not.toContain('hush');
  });

  it('is a thread of its own, and looks past other files and a file that is written as it was', async () => {
    const { run, folder, path, write } = await running();
    expect(threads(run.pid)).toContain('aw-config');
    await writeFile(join(folder, 'other.json'), '{');
    await write(QUIET);
    await write(without(HUB));
    await run.stderr.waitFor(RELOADED);
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stderr.lines).toHaveLength(1);
  });

  it('says so where its folder goes, and the daemon goes on', async () => {
    const { run, folder } = await running(QUIET, { args: ['--outbox', ':memory:'] });
    await rm(folder, { recursive: true });
    await run.stderr.waitFor(/^config {4}deaf .*its folder has gone; changes of the file go unnoticed: send SIGHUP$/);
    await further(run, 1);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });
});
