// `usb-daemon udev install`, `uninstall` and `status`, in a folder that stands for the root.

import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { finished, stateFolder } from './command.mjs';
import { packageRoot } from './daemon.mjs';

const RULES = '/etc/udev/rules.d/99-autoweave-usb.rules';
const HELPER = '/usr/local/bin/autoweave-udev-notify';

let root;
beforeEach(() => {
  root = stateFolder();
});

const udev = (...args) => finished(['udev', ...args, '--root', root]);
const text = (path) => readFileSync(join(root, path), 'utf8');
const without = (content) => content.split('\n').filter((line) => !line.startsWith('# Written by `usb-daemon udev install`')).join('\n');

function put(path, content) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

describe('install', () => {
  it('says what it would do and does nothing with --dry-run, then does it, and has nothing to do after that', async () => {
    const dry = await udev('install', '--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: [] });
    expect(dry.stdout).toEqual([expect.stringMatching(/^write +helper .*autoweave-udev-notify \(missing\)$/), expect.stringMatching(/^write +rules .*99-autoweave-usb\.rules \(missing\)$/)]);
    expect(existsSync(join(root, 'etc'))).toBe(false);
    expect(await udev('install')).toEqual(dry);
    expect(without(text(RULES))).toBe(readFileSync(join(packageRoot, 'deploy/udev/99-autoweave-usb.rules'), 'utf8'));
    expect(without(text(HELPER))).toBe(readFileSync(join(packageRoot, 'deploy/udev/autoweave-udev-notify'), 'utf8'));
    expect([HELPER, RULES].map((path) => (statSync(join(root, path)).mode & 0o7777).toString(8))).toEqual(['755', '644']);
    const again = await udev('install', '--json');
    expect(again.stdout.map((line) => JSON.parse(line)).map(({ state, action }) => [state, action])).toEqual([['current', 'nothing to do'], ['current', 'nothing to do']]);
  });

  it('never touches a file that is not ours, and then writes none at all', async () => {
    put(RULES, '# mine\n');
    for (const more of [[], ['--force']]) {
      const { code, stderr } = await udev('install', ...more);
      expect([code, stderr]).toEqual([1, [expect.stringMatching(/99-autoweave-usb\.rules is none of ours, and is never touched.*ERR_USB_UDEV/)]]);
    }
    expect([text(RULES), existsSync(join(root, HELPER))]).toEqual(['# mine\n', false]);
  });

  it('does not follow a link in the place of a file', async () => {
    put('target', 'precious\n');
    mkdirSync(join(root, dirname(HELPER)), { recursive: true });
    symlinkSync(join(root, 'target'), join(root, HELPER));
    expect((await udev('install')).code).toBe(1);
    expect(text('target')).toBe('precious\n');
  });

  it('leaves a file of ours alone that somebody has changed, unless that is forced, and replaces one of another version', async () => {
    await udev('install');
    appendFileSync(join(root, RULES), '# mine\n');
    expect(await udev('install')).toMatchObject({ code: 1, stderr: [expect.stringMatching(/ours, and somebody has changed it.*--force/)] });
    expect(text(RULES)).toMatch(/# mine\n$/);
    expect((await udev('install', '--force')).stdout[1]).toMatch(/^replace +rules .*\(edited\)$/);
    expect(text(RULES)).not.toMatch(/# mine/);
    chmodSync(join(root, HELPER), 0o700);
    expect((await udev('install')).stdout[0]).toMatch(/^replace +helper .*\(older\)$/);
  });

  it('puts the helper, and the folder that it writes to, where the configuration says', async () => {
    const config = join(root, 'config.json');
    writeFileSync(config, JSON.stringify({ fallback: { udev_script_path: '/opt/notify', spool_path: '/run/elsewhere' } }));
    expect((await udev('install', '--config', config)).code).toBe(0);
    expect(text(RULES)).toContain('RUN+="/opt/notify"');
    expect(text('/opt/notify')).toContain('/run/elsewhere');
    expect((await udev('status', '--config', config)).code).toBe(0);
    writeFileSync(config, JSON.stringify({ fallback: { udev_script_path: '/x", RUN+="/bin/sh' } }));
    expect(await udev('install', '--config', config)).toMatchObject({ code: 2, stderr: [expect.stringMatching(/fallback\.udev_script_path/)] });
  });

  it('has nothing to do where a package has them', async () => {
    put('/usr/lib/udev/rules.d/99-autoweave-usb.rules', '');
    expect(await udev('install')).toMatchObject({ code: 0, stdout: [expect.stringMatching(/a package has installed/)] });
    expect([existsSync(join(root, RULES)), (await udev('status')).code]).toEqual([false, 0]);
  });
});

it('uninstall removes what is ours and nothing else', async () => {
  await udev('install');
  put(HELPER, '#!/bin/sh\n');
  expect(await udev('uninstall')).toMatchObject({ code: 1, stderr: [expect.stringMatching(/none of ours/)] });
  expect([existsSync(join(root, RULES)), text(HELPER)]).toEqual([false, '#!/bin/sh\n']);
  put(HELPER, '');
  expect((await udev('uninstall', '--dry-run')).code).toBe(1);
});

it('status says what is there, and how many records wait', async () => {
  const objects = async () => {
    const { code, stdout } = await udev('status', '--json');
    return [code, stdout.map((line) => JSON.parse(line))];
  };
  expect(await objects()).toEqual([1, [expect.objectContaining({ what: 'helper', state: 'missing' }), expect.objectContaining({ what: 'rules', state: 'missing' }), expect.objectContaining({ type: 'spool', records: null, state: 'missing' })]]);
  await udev('install');
  put(`/run/autoweave-usb/spool/${'7'.padStart(20, '0')}.event`, '');
  put('/run/autoweave-usb/spool/.8.9', '');
  expect(await objects()).toEqual([0, [expect.objectContaining({ state: 'current' }), expect.objectContaining({ state: 'current' }), expect.objectContaining({ type: 'spool', enabled: true, records: 1 })]]);
});
