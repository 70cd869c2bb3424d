// filters.usbguard_rules: a site's policy in USBGuard's language says which devices are told of. The language itself is tested in Rust, beside
// USBGuard's own parser (crates/core/src/filter/usbguard).

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, stateFolder } from './command.mjs';
import { openDaemon } from './daemon.mjs';
import { served } from './http-served.mjs';

const KEYBOARD = { name: '201-1', vendorId: 0x046d, productId: 0xc31c, product: 'Keyboard', interfaces: [{ class: 3, subclass: 1, protocol: 1 }, { class: 3, subclass: 0, protocol: 0 }] };
const STICK = { name: '201-2', vendorId: 0x0781, productId: 0x5581, product: 'Ultra', serialNumber: 'A1', interfaces: [{ class: 8, subclass: 6, protocol: 0x50 }] };
/** A disk that types, as USBGuard's manual has it. */
const BAD_STICK = { ...STICK, name: '201-3', interfaces: [...STICK.interfaces, { class: 3, subclass: 1, protocol: 1 }] };

async function policy(...lines) {
  const path = join(stateFolder(), 'rules.conf');
  await writeFile(path, lines.join('\n'));
  return path;
}

/** Products that a daemon with this policy tells of. */
async function toldOf(usbguard_rules, ...devices) {
  const daemon = openDaemon({ filters: { usbguard_rules } });
  await daemon.start();
  for (const device of devices) daemon.simulateAttach(device);
  daemon.simulateAttach({ name: '201-9', vendorId: 0xffff });
  // The last rule of each policy lets this one through.
  await daemon.heard.waitFor('device:attach', { match: ({ vendorId }) => vendorId === 0xffff });
  return daemon.heard.of('device:attach').slice(0, -1).map(({ location }) => `201-${location.portPath}`);
}

const LAST = 'allow id ffff:*';

describe('a policy', () => {
  it('lets through what it allows, and holds back what it blocks, rejects or does not know', async () => {
    const path = await policy('# of a site', 'block via-port "201-2"', 'reject 046d:0001', 'allow with-interface equals { 08:*:* }', 'allow 046d:*', '', LAST);
    expect(await toldOf(path, KEYBOARD, STICK, { ...STICK, name: '201-4' }, { ...KEYBOARD, name: '201-5', productId: 1 }, BAD_STICK)).toEqual(['201-1', '201-4']);
  });

  it('is asked after the lists, and its rules by line', async () => {
    const path = await policy('allow 0781:*', 'reject with-interface all-of { 03:*:* }', LAST);
    const { daemon, get } = await served({ filters: { usbguard_rules: path, vendor_blacklist: ['0781'] } });
    const events = await get('/events');
    daemon.simulateAttach(STICK);
    daemon.simulateAttach(KEYBOARD);
    daemon.simulateAttach({ name: '201-8', vendorId: 1 });
    let text = '';
    for await (const chunk of events.body) {
      text += Buffer.from(chunk).toString();
      if ((text.match(/"detail"/g) ?? []).length === 3) break;
    }
    const details = [...text.matchAll(/"detail":"([^"]+)"/g)].map(([, detail]) => detail);
    expect(details).toEqual(['filters.vendor_blacklist', 'filters.usbguard_rules, line 2', 'filters.usbguard_rules, in which no rule matches']);
    expect(daemon.heard.of('device:attach')).toEqual([]);
  });

  it('that cannot be read is said with each line that is at fault, and nothing starts', async () => {
    const start = (usbguard_rules) => openDaemon({ filters: { usbguard_rules } }).start();
    const faulty = await policy('allow 046d:*', 'alow 046d:*', 'allow with-interface 3:1:1', 'allow if localtime(08:00-17:00)');
    const error = await start(faulty).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'ERR_USB_CONFIG', message: expect.stringContaining(`bad configuration, 3 faults: filters.usbguard_rules: ${faulty}: line 2, column 1`) });
    for (const line of [3, 4]) expect(error.message).toContain(`line ${line}, column `);
    await expect(start('/nowhere/rules.conf')).rejects.toMatchObject({ code: 'ERR_USB_CONFIG', message: 'filters.usbguard_rules: /nowhere/rules.conf: No such file or directory (os error 2)' });
  });

  it('cannot be changed over HTTP, where it would have any file read', async () => {
    const { get } = await served({ monitoring: { token: 'a-token-of-the-tests' } });
    const body = JSON.stringify({ filters: { usbguard_rules: '/etc/shadow' } });
    const headers = { authorization: 'Bearer a-token-of-the-tests', 'content-type': 'application/json' };
    const answer = await get('/api/v1/usb/config', { method: 'PUT', headers, body });
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain('filters.usbguard_rules cannot be changed over HTTP');
  });

  it('is read again with the configuration, and where it is at fault then, nothing changes', async () => {
    const path = await policy('block', '');
    const config = join(stateFolder(), 'config.json');
    const write = (interval) => writeFile(`${config}.new`, JSON.stringify({ redis: false, monitoring: { enabled: false, interval }, filters: { usbguard_rules: path } })).then(() => rename(`${config}.new`, config));
    await write(5000);
    const run = command(['--simulate', '--json', '--config', config]);
    await run.stdout.waitFor(/"type":"started"/);
    await writeFile(path, 'permit');
    run.kill('SIGHUP');
    await run.stdout.waitFor(/line 1, column 1.*"state":"refused"/);
    await writeFile(path, 'allow');
    run.kill('SIGHUP');
    await run.stdout.waitFor(/"state":"reloaded"/);
    await run.stdout.waitFor(/"type":"attach"/);
    expect(run.stdout.lines.findIndex((line) => line.includes('"type":"attach"'))).toBeGreaterThan(run.stdout.lines.findIndex((line) => line.includes('"reloaded"')));
  });
});
