// A running daemon reads its configuration again: at SIGHUP, and when the file has changed.

import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, stateFolder } from './command.mjs';

const HUB = '0409';
const RELOADED = /"state":"reloaded"/;
const REFUSED = /"state":"refused"/;
const RESTART = /"state":"restart"/;
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
  await writeFile(`${path}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  await rename(`${path}.new`, path);
}

const transitions = (run) => run.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'attach' || type === 'detach');
const isHub = ({ info }) => info.vendorId === 0x0409;
/** What it says of its configuration. */
const told = (run) => run.stdout.lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'config' || type === 'warning');
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
      await run.stdout.waitFor(RELOADED);
      const before = transitions(run);
      expect(before.filter(isHub)).toHaveLength(1);
      // A cycle without the hub: its first attachment was told of, so its detachment is, and nothing of it after that.
      await run.stdout.waitFor(/"type":"detach".*"vendorId":1033/);
      await further(run, 7);
      expect(transitions(run).filter(isHub).map(({ type }) => type)).toEqual(['attach', 'detach']);
      await change({ path, content: QUIET });
      await run.stdout.waitFor(RELOADED, { count: 2 });
      await run.stdout.waitFor(/"type":"attach".*"vendorId":1033/, { count: 2 });
      expect(await run.end()).toEqual({ code: 0, signal: null });
      const all = transitions(run);
      const numbers = all.map(({ info }) => Number(info.eventId.split(':').at(-1)));
      expect(numbers).toEqual(numbers.map((_, at) => at + 1));
      expect(all.filter(isHub).map(({ type }) => type).slice(0, 3)).toEqual(['attach', 'detach', 'attach']);
      // Of the others each cycle is whole: three come, and the same three leave.
      const others = all.filter((one) => !isHub(one));
      for (let at = 0; at + 6 <= others.length; at += 6) {
        const ports = others.slice(at, at + 6).map(({ type, info }) => `${type} ${info.location.portPath}`);
        const came = ports.slice(0, 3).map((port) => port.replace('attach', 'detach'));
        expect(ports.slice(3)).toEqual(came.reverse());
      }
    });
  }

  /** A daemon whose file is reached through a link that leads into another folder. */
  async function linked(link) {
    const [here, there] = [stateFolder(), stateFolder()];
    for (const [name, content] of [['one', QUIET], ['two', without(HUB)]]) {
      await mkdir(join(there, name));
      await writeFile(join(there, name, 'config.json'), JSON.stringify(content));
    }
    await link({ here, there });
    const run = command(['--simulate', '--json', '--config', join(here, 'config.json')]);
    await run.stdout.waitFor(/"type":"attach"/);
    return { run, here, there };
  }

  /** In one go, as Kubernetes does it. */
  async function relink(target, path) {
    await symlink(target, `${path}.next`);
    await rename(`${path}.next`, path);
  }

  for (const [what, link, change] of [
    ['a name in another folder that is written to', ({ here, there }) => symlink(join(there, 'one', 'config.json'), join(here, 'config.json')), ({ there }) => writeFile(join(there, 'one', 'config.json'), JSON.stringify(without(HUB)))],
    ['a name in another folder that is replaced', ({ here, there }) => symlink(join(there, 'one', 'config.json'), join(here, 'config.json')), ({ there }) => replace(join(there, 'one', 'config.json'), without(HUB))],
    ['a folder that is a link, in another folder', async ({ here, there }) => {
      await symlink('one', join(there, '..data'));
      await symlink(join(there, '..data', 'config.json'), join(here, 'config.json'));
    }, ({ there }) => relink('two', join(there, '..data'))],
    ['a link that is made anew', ({ here, there }) => symlink(join(there, 'one', 'config.json'), join(here, 'config.json')), async ({ here, there }) => {
      await rm(join(here, 'config.json'));
      await symlink(join(there, 'two', 'config.json'), join(here, 'config.json'));
    }],
  ]) {
    it(`and so do those of a file that is reached through links: ${what}`, async () => {
      const { run, ...folders } = await linked(link);
      await change(folders);
      await run.stdout.waitFor(RELOADED);
      // What it leads to now is watched.
      await writeFile(realpathSync(join(folders.here, 'config.json')), JSON.stringify({ ...QUIET, shutdown_ms: 7 }));
      await run.stdout.waitFor(RESTART);
      expect(await run.end()).toEqual({ code: 0, signal: null });
      expect(told(run).filter(({ state }) => state === 'refused')).toEqual([]);
    });
  }

  it('and so do those of a single file that is mounted, and whose folder is another one outside', async () => {
    const [inside, outside] = [stateFolder(), stateFolder()];
    const [mounted, original] = [join(inside, 'config.json'), join(outside, 'config.json')];
    for (const path of [mounted, original]) await writeFile(path, JSON.stringify(QUIET));
    // A hard link is what a mounted file is to inotify: the same file, and nothing happens in this folder.
    await rm(mounted);
    await link(original, mounted);
    const run = command(['--simulate', '--json', '--config', mounted]);
    await run.stdout.waitFor(/"type":"attach"/);
    await writeFile(original, JSON.stringify(without(HUB)));
    await run.stdout.waitFor(RELOADED);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });
});

describe('SIGHUP', () => {
  it('has the file read again, changed or not', async () => {
    const { run } = await running();
    run.kill('SIGHUP');
    await run.stdout.waitFor(RELOADED);
    run.kill('SIGHUP');
    await run.stdout.waitFor(RELOADED, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stderr.lines).toEqual([]);
    expect(told(run)[1]).toEqual({ type: 'config', state: 'reloaded', message: expect.stringMatching(/^filters and limits of .*config\.json hold from now on$/) });
  });

  it('is told in a line for people without --json', async () => {
    const path = join(stateFolder(), 'config.json');
    await writeFile(path, JSON.stringify(QUIET));
    const run = command(['--simulate', '--config', path]);
    await run.stdout.waitFor(/ attach /);
    run.kill('SIGHUP');
    await run.stderr.waitFor(/^config {4}reloaded {5}filters and limits of .*config\.json hold from now on$/);
    await replace(path, { ...QUIET, redis: { lazyConnect: true }, shutdown_ms: 7 });
    await run.stderr.waitFor(/^config {4}restart {6}changed, but only after a restart: redis, shutdown_ms$/);
    expect(run.stderr.lines).toContain('warning: redis.lazyConnect is an option of ioredis that has no effect here');
    await replace(path, '{');
    await run.stderr.waitFor(/^config {4}refused {6}.*\[ERR_USB_CONFIG\]; nothing has changed$/);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });

  it('ends a daemon that has no file to read again, as its terminal does when it closes', async () => {
    const run = command(['--simulate', '--no-redis', '--no-http', '--json']);
    await run.stdout.waitFor(/"type":"attach"/);
    expect(threads(run.pid)).not.toContain('aw-config');
    expect(await run.end('SIGHUP')).toEqual({ code: 0, signal: null });
    expect(JSON.parse(run.stdout.lines.at(-1))).toEqual({ type: 'stopped' });
  });

  it('leaves options and variables over the file', async () => {
    const { run, write } = await running(QUIET, { args: ['--vendor-blacklist', '1234'] });
    await write(without(HUB));
    await run.stdout.waitFor(RELOADED);
    expect(told(run)[0]).toMatchObject({ message: expect.stringMatching(/but not filters\.vendor_blacklist: --vendor-blacklist goes before it$/), keys: ['filters.vendor_blacklist'] });
    await run.stdout.waitFor(/"type":"attach".*"vendorId":1033/, { count: 2 });
    await run.end();
  });

  it('names a bad value of the file that an option hides', async () => {
    const { run, write } = await running(QUIET, { args: ['--vendor-blacklist', '1234'] });
    await write(without('zz'));
    await run.stdout.waitFor(REFUSED);
    expect(told(run)[0].message).toContain('filters.vendor_blacklist[0] is "zz"');
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
      await run.stdout.waitFor(REFUSED);
      expect(told(run)).toEqual([{ type: 'config', state: 'refused', message: expect.stringContaining(why), code: 'ERR_USB_CONFIG' }]);
      await further(run, 2);
      expect(run.stdout.lines.filter((other) => /"vendorId":1133/.test(other))).toEqual([]);
      expect([told(run).length, run.stderr.lines]).toEqual([1, []]);
      await write(without(HUB));
      await run.stdout.waitFor(RELOADED);
      expect(await run.end()).toEqual({ code: 0, signal: null });
    });
  }

  it('a file that has gone, at SIGHUP', async () => {
    const { run, path } = await running();
    await rm(path);
    run.kill('SIGHUP');
    const [line] = await run.stdout.waitFor(REFUSED);
    expect(line).toContain('No such file');
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });
});

describe('the watch', () => {
  it('names what holds only after a restart, until it is as it was', async () => {
    const { run, write } = await running();
    await write({ ...QUIET, redis: { password: 'hush' }, shutdown_ms: 7, performance: { debounce_ms: 7, batch_size: 7 } });
    const [line] = await run.stdout.waitFor(RESTART);
    expect(JSON.parse(line)).toMatchObject({ message: 'changed, but only after a restart: performance.debounce_ms, redis, shutdown_ms', keys: ['performance.debounce_ms', 'redis', 'shutdown_ms'] });
    await write(QUIET);
    await run.stdout.waitFor(RELOADED, { count: 2 });
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(run.stdout.lines.filter((other) => RESTART.test(other))).toEqual([line]);
    expect([...run.stdout.lines, ...run.stderr.lines].join('\n')).not.toContain('hush');
  });

  it('is a thread of its own, and looks past other files and a file that is written as it was', async () => {
    const { run, folder, path, write } = await running();
    expect(threads(run.pid)).toContain('aw-config');
    await writeFile(join(folder, 'other.json'), '{');
    await write(QUIET);
    await write(without(HUB));
    await run.stdout.waitFor(RELOADED);
    expect(await run.end()).toEqual({ code: 0, signal: null });
    expect(told(run)).toHaveLength(1);
  });

  it('says so where its folder goes, and the daemon goes on', async () => {
    const { run, folder } = await running(QUIET, { args: ['--outbox', ':memory:'] });
    await rm(folder, { recursive: true });
    await run.stdout.waitFor(/its folder has gone; changes of the file go unnoticed: send SIGHUP.*"state":"deaf"/);
    await further(run, 1);
    expect(await run.end()).toEqual({ code: 0, signal: null });
  });
});
