// The dashboard in a real browser, over a daemon with simulated devices.

import { describe, expect, it } from 'vitest';
import { axeFinds, openDashboard, openPage, served, sharedBrowser } from './browser.mjs';
import { cycle } from './daemon.mjs';
import { until } from './until.mjs';

sharedBrowser();

const HUB = { name: '201-1', vendorId: 0x05e3, productId: 0x0610, manufacturer: 'Genesys', product: 'Hub', deviceClass: 9, speed: '480' };
const KEYBOARD = { name: '201-1.2', vendorId: 0x046d, productId: 0xc31c, manufacturer: 'Logitech', product: 'Keyboard', serialNumber: 'K-77', speed: '1.5', interfaces: [{ class: 3, subclass: 1, protocol: 1 }] };
const STICK = { name: '202-3', vendorId: 0x0781, productId: 0x5581, manufacturer: 'SanDisk', product: 'Ultra', speed: '5000', interfaces: [{ class: 8, subclass: 6, protocol: 80 }] };

const rowsOf = (page) => page.locator('#event-list [role=option]:not([hidden])');
const place = (page, name) => page.locator(`#device-tree [data-key="${name}"]`);
const check = (page, id) => page.locator(`#why-list > [data-key="${id}"]`);
const textOf = (locator) => locator.textContent();
/** At once, where it is not tried again by itself in this moment. */
const tryAgain = (page) => page.locator('#banner-again').evaluate((button) => button.click());
/** Texts of the rows in view, newest first: elements are used again, so their order says nothing. */
const shownRows = (page) => rowsOf(page).evaluateAll((rows) => rows.sort((one, other) => one.ariaPosInSet - other.ariaPosInSet).map((row) => row.textContent));

async function waitForRows(page, count) {
  await until(async () => (await rowsOf(page).count()) === count, `${count} rows`);
}

describe('devices', () => {
  it('stand where they are plugged in, with speed and IDs, and go when they are pulled', async () => {
    const { daemon, page } = await openDashboard();
    await page.locator('#device-empty').waitFor();
    for (const device of [HUB, KEYBOARD, STICK]) daemon.simulateAttach(device);
    const keyboard = place(page, HUB.name).locator(`[data-key="${KEYBOARD.name}"]`);
    await keyboard.waitFor();
    expect(await textOf(keyboard)).toMatch(/Logitech Keyboard.*046d:c31c.*Input.*1\.5 Mbit\/s.*K-77/);
    expect(await textOf(place(page, 'bus 202'))).toMatch(/Bus 202.*SanDisk Ultra.*5 Gbit\/s/);
    expect(await textOf(page.locator('#device-summary'))).toBe('3 devices');
    daemon.simulateDetach(KEYBOARD.name);
    await keyboard.waitFor({ state: 'detached' });
    expect(await shownRows(page)).toEqual([/detach.*Keyboard/, /attach.*Ultra/, /attach.*Keyboard/, /attach.*Hub/].map((text) => expect.stringMatching(text)));
  });

  it('whose hub is held back, and those held back themselves, stand at their port all the same', async () => {
    const { daemon, page } = await openDashboard({ filters: { vendor_blacklist: ['05e3'] } });
    for (const device of [HUB, KEYBOARD]) daemon.simulateAttach(device);
    await place(page, KEYBOARD.name).waitFor();
    const hub = place(page, HUB.name);
    await hub.locator('.device.held').waitFor();
    expect(await textOf(hub.locator('.device.held'))).toMatch(/Genesys Hub.*held back by filters\.vendor_blacklist/);
    daemon.simulateDetach(HUB.name);
    await until(async () => /Hub not told of/.test(await textOf(hub)), 'the place of the hub alone');
  });
});

describe('the stream of events', () => {
  it('says who saw an event, and how long each step took', async () => {
    const { daemon, page } = await openDashboard();
    daemon.simulateAttach(KEYBOARD);
    await rowsOf(page).first().click();
    const detail = page.locator('#event-detail');
    expect(await textOf(detail.locator('[data-key=seen]'))).toMatch(/simulated\s*first/);
    await until(async () => /tell it\d[\d.]* ms.*store it\d[\d.]* ms.*in all\d[\d.]* ms/.test(await textOf(detail.locator('[data-key=steps]'))), 'the steps');
    expect(await textOf(detail)).toMatch(/K-77.*[0-9a-f]{16}:1/);
    await until(async () => /told within \d[\d.]* ms/.test(await textOf(page.locator('#latency-text'))), 'the histogram in words');
    await until(async () => /1 came and 0 left/.test(await textOf(page.locator('#rate-text'))), 'the rate in words');
  });

  it('has what was before the page was opened', async () => {
    const { daemon, address } = await served();
    cycle(daemon, 20);
    await daemon.heard.waitFor('device:detach', { count: 10 });
    const page = await openPage(address);
    await until(async () => (await textOf(page.locator('#event-note'))) === '20 shown', 'all of it');
  });

  it('is searched by any word of a device, and Escape shows all again', async () => {
    const { daemon, page } = await openDashboard();
    for (const device of [HUB, KEYBOARD, STICK]) daemon.simulateAttach(device);
    await waitForRows(page, 3);
    for (const [search, found] of [['logi', 1], ['046D:c31c', 1], ['202-3 attach', 1], ['k-77', 1], ['attach', 3], ['nothing like it', 0]]) {
      await page.fill('#event-search', search);
      await waitForRows(page, found);
    }
    expect(await textOf(page.locator('#event-empty'))).toMatch(/No event matches/);
    await page.press('#event-search', 'Escape');
    await waitForRows(page, 3);
  });

  it('is held by Pause while events go on, and caught up with afterwards', async () => {
    const { daemon, page } = await openDashboard();
    daemon.simulateAttach(HUB);
    await waitForRows(page, 1);
    await page.click('#event-pause');
    daemon.simulateAttach(KEYBOARD);
    await until(async () => /paused, 1 more since/.test(await textOf(page.locator('#event-note'))), 'the pause to be told');
    // What is plugged in is shown all the same.
    await place(page, KEYBOARD.name).waitFor();
    expect(await rowsOf(page).count()).toBe(1);
    await page.click('#event-pause');
    await waitForRows(page, 2);
  });

  it('of 5,000 events leaves the page as quick as it was, with no more elements than fit, and is not read out', async () => {
    // Who is slower than the flood gets the rest from the outbox.
    const { daemon, page } = await openDashboard({ outbox: { retain: 10_000 } });
    daemon.simulateAttach(STICK);
    await waitForRows(page, 1);
    await page.evaluate(() => {
      window.frames = () => {
        const began = performance.now();
        let [count, isDone] = [0, false];
        const frame = () => {
          count += 1;
          if (!isDone) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
        window.framesPerSecond = () => {
          isDone = true;
          return (count * 1000) / (performance.now() - began);
        };
      };
      window.said = 0;
      new MutationObserver(() => (window.said += 1)).observe(document.querySelector('#voice'), { childList: true, characterData: true, subtree: true });
    });
    const framesWhile = async (what) => {
      await page.evaluate(() => window.frames());
      await what();
      return page.evaluate(() => window.framesPerSecond());
    };
    const idle = await framesWhile(() => page.evaluate(() => new Promise((done) => setTimeout(done, 500))));
    const busy = await framesWhile(() => {
      cycle(daemon, 5000);
      return until(async () => /^5,001 shown/.test(await textOf(page.locator('#event-note'))), 'all of them');
    });
    // A ratio, because the machine may be slow, and far from what it is: browser, page and daemon share two processors. A page that drew each
    // event by itself would not have all of them in time.
    expect(busy).toBeGreaterThan(idle / 10);
    expect(await page.locator('#event-list [role=option]').count()).toBeLessThan(100);
    expect(await page.evaluate(() => window.said)).toBeLessThan(5);
    await page.fill('#event-search', 'sandisk');
    await waitForRows(page, 1);
  });
});

describe('what devices say', () => {
  it('stays text, whatever it is', async () => {
    const { daemon, page } = await openDashboard({ filters: { rules: [{ match: { product: 'held*' }, action: 'deny' }] } });
    const mark = '<img src=x onerror=alert(1)>';
    const say = { manufacturer: '<script>alert(1)</script>', product: mark, serialNumber: `"><svg onload=alert(1)>${mark}` };
    daemon.simulateAttach({ ...KEYBOARD, ...say });
    daemon.simulateAttach({ ...STICK, ...say, product: `held ${mark}` });
    await place(page, KEYBOARD.name).waitFor();
    await place(page, STICK.name).locator('.held').waitFor();
    await page.fill('#why-search', 'img');
    for (const row of await rowsOf(page).all()) await row.click();
    for (const part of ['#device-tree', '#event-list', '#event-detail', '#why-list', '#why-found']) expect(await textOf(page.locator(part)), part).toContain(mark);
    expect(await page.locator('img, main script, [onload], [onerror]').count()).toBe(0);
  });

  it('neither hides nor turns round what stands beside it, and is cut where it is long', async () => {
    const { daemon, page } = await openDashboard({ viewport: { width: 360, height: 740 } });
    daemon.simulateAttach({ ...KEYBOARD, manufacturer: 'A\u202Egnp\u0007\u200B', product: 'x'.repeat(255), serialNumber: 'e\u0301\u0301\u0301\u0301\u0301\u0301' });
    await place(page, KEYBOARD.name).waitFor();
    const text = await textOf(place(page, KEYBOARD.name));
    expect(text).toContain('A⟨U+202E⟩gnp⟨U+0007⟩⟨U+200B⟩');
    expect(text).toContain(`${'x'.repeat(120)}…`);
    expect(text).not.toContain('x'.repeat(121));
    expect(text).toContain('e\u0301\u0301\u0301…');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });
});

describe('why a device is not here', () => {
  it('filtered: which list or rule holds it back, and where to change that', async () => {
    const rules = [{ match: { product: 'Ultra' }, action: 'deny' }];
    const { daemon, page } = await openDashboard({ filters: { vendor_blacklist: ['046d'], rules } });
    daemon.simulateAttach(KEYBOARD);
    const filtered = check(page, 'filtered');
    await filtered.locator('.finding').waitFor();
    expect(await textOf(filtered)).toMatch(/Does a filter hold it back\?.*Logitech Keyboard is plugged in now.*046d:c31c.*Take 046d off filters\.vendor_blacklist.*--vendor-blacklist.*--config/);
    expect(await filtered.locator('details').getAttribute('open')).not.toBe(null);
    daemon.simulateAttach(STICK);
    await until(async () => /filters\.rules\[0\]/.test(await textOf(filtered)), 'the rule');
    await page.fill('#why-search', '0781');
    await until(async () => /SanDisk Ultra 0781:5581 at 202-3 is plugged in, and held back: rule 1/.test(await textOf(page.locator('#why-found'))), 'the answer');
    expect(await shownRows(page)).toEqual([/no event.*Ultra.*filters\.rules\[0\]/, /no event.*Keyboard.*filters\.vendor_blacklist/].map((text) => expect.stringMatching(text)));
  });

  it('a source is deaf: which one, why, and what to do', async () => {
    const deaf = { source: 'netlink', state: 'deaf', reason: 'a snapshot found what no uevent had told: this network namespace gets none, snapshots decide' };
    const up = { source: 'snapshot', state: 'up', reason: 'compares with sysfs' };
    const { page } = await openDashboard({ health: () => ({ status: 'degraded', sources: [deaf, up] }) });
    const hears = check(page, 'hears');
    await hears.locator('.finding').waitFor();
    expect(await textOf(hears)).toMatch(/snapshot hears, the kernel’s own events are missing.*netlink.*is deaf.*this network namespace gets none.*--network=host.*usb-daemon doctor/);
    expect(await textOf(page.locator('#verdict'))).toMatch(/Netlink does not hear/);
  });

  it('no source hears at all', async () => {
    const { page } = await openDashboard({ sources: [] });
    await until(async () => /No source can hear/.test(await textOf(check(page, 'hears'))), 'the answer');
    expect(await textOf(page.locator('#verdict'))).toMatch(/No source hears/);
  });

  it('a permission is missing: which, and how to give it', async () => {
    const refused = { source: 'netlink', state: 'unavailable', reason: 'the uevent socket cannot be opened: Operation not permitted (os error 1)' };
    const nodes = { source: 'inotify', state: 'failed', reason: '/dev/bus/usb: Permission denied (os error 13)' };
    const { page } = await openDashboard({ health: () => ({ status: 'degraded', sources: [refused, nodes, { source: 'snapshot', state: 'up', reason: '' }] }) });
    const allowed = check(page, 'allowed');
    await allowed.locator('.finding').first().waitFor();
    expect(await textOf(allowed)).toMatch(/No: 2 sources may not look.*AF_NETLINK.*RestrictAddressFamilies=.*list \/dev\/bus\/usb.*no device is opened/);
  });

  it('duplicate: it was told already, and where it is', async () => {
    const { daemon, page } = await openDashboard();
    const device = { busNumber: 1, deviceAddress: 7, portNumbers: [4, 2], deviceDescriptor: { idVendor: 0x04a9, idProduct: 0x220e }, product: 'LiDE' };
    await daemon.handleDeviceAttach(device);
    await daemon.handleDeviceAttach(device);
    const known = check(page, 'known');
    await known.locator('summary').click();
    await known.locator('.finding').waitFor();
    await until(async () => /LiDE at 1-4\.2.*reported its attach once more.*It is in the list of devices, since/.test(await textOf(known)), 'where it is');
    await page.fill('#why-search', 'lide');
    await until(async () => /is here, since/.test(await textOf(page.locator('#why-found'))), 'the answer');
  });
});

describe('the connection', () => {
  it('that is lost is said plainly, and taken up again where it was left', async () => {
    const { daemon, page } = await openDashboard();
    daemon.simulateAttach(KEYBOARD);
    await waitForRows(page, 1);
    await daemon.stop();
    await page.locator('#banner').waitFor();
    expect(await textOf(page.locator('#banner'))).toMatch(/The daemon does not answer\. What you see is as it was at \d\d:\d\d:\d\d/);
    expect(await textOf(page.locator('#verdict'))).toMatch(/does not answer/);
    const again = page.waitForRequest((request) => request.url().endsWith('/events') && request.headers()['last-event-id'] !== undefined);
    await daemon.start();
    await tryAgain(page);
    await page.locator('#banner').waitFor({ state: 'hidden' });
    expect((await again).headers()['last-event-id']).toMatch(/^[0-9a-f]{16}:1$/);
    daemon.simulateAttach(STICK);
    await place(page, STICK.name).waitFor();
    await place(page, KEYBOARD.name).waitFor({ state: 'detached' });
  });

  it('that is refused is no daemon that is away: its devices are shown all the same', async () => {
    const { daemon, address } = await served();
    daemon.simulateAttach(KEYBOARD);
    const followers = await Promise.all(Array.from({ length: 64 }, () => fetch(`${address}/events`)));
    const page = await openPage(address);
    await until(async () => /does not let this page follow its events.*64 clients/.test(await textOf(page.locator('#banner'))), 'the refusal');
    await place(page, KEYBOARD.name).waitFor();
    daemon.simulateDetach(KEYBOARD.name);
    await place(page, KEYBOARD.name).waitFor({ state: 'detached' });
    await Promise.all(followers.map(({ body }) => body.cancel()));
    await tryAgain(page);
    await page.locator('#banner').waitFor({ state: 'hidden' });
  });

  it('asks for a token where the daemon does, says that one is wrong, and shows none in any address', async () => {
    const { daemon, page } = await openDashboard({ monitoring: { token: 's3cret-t0ken' } });
    daemon.simulateAttach(KEYBOARD);
    await page.locator('#token').waitFor();
    const asked = [];
    page.on('request', (request) => asked.push([request.url(), request.headers().authorization]));
    for (const [token, says] of [['two words', /without blanks/], ['wrong', /does not accept/]]) {
      await page.fill('#token-input', token);
      await page.press('#token-input', 'Enter');
      await until(async () => says.test(await textOf(page.locator('#token-words'))), says);
    }
    await page.fill('#token-input', 's3cret-t0ken');
    await page.press('#token-input', 'Enter');
    await place(page, KEYBOARD.name).waitFor();
    expect(await page.locator('#token').isVisible()).toBe(false);
    expect(asked.filter(([url]) => url.includes('s3cret'))).toEqual([]);
    expect(asked.at(-1)[1]).toBe('Bearer s3cret-t0ken');
  });
});

describe('everybody', () => {
  it('can use it by keyboard alone', async () => {
    const { daemon, page } = await openDashboard();
    for (const device of [HUB, KEYBOARD, STICK]) daemon.simulateAttach(device);
    await waitForRows(page, 3);
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
    const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
    await press('Tab', 'Tab', 'Enter', 'Tab');
    expect(await focused()).toBe('event-search');
    await press('Tab');
    expect(await focused()).toBe('event-pause');
    await press('Tab', 'ArrowDown', 'ArrowDown');
    expect(await focused()).toBe('event-list');
    const active = await page.getAttribute('#event-list', 'aria-activedescendant');
    expect(await textOf(page.locator(`#${active}`))).toMatch(/Logitech Keyboard/);
    expect(await textOf(page.locator('.detail-title'))).toMatch(/Logitech Keyboard/);
    await press('End');
    expect(await textOf(page.locator('.detail-title'))).toMatch(/Genesys Hub/);
    await press('Escape');
    expect(await page.locator('#event-detail').isVisible()).toBe(false);
    await press(' ');
    expect(await textOf(page.locator('#event-pause'))).toBe('Go on');
    // A port's button shows what happened there, and whoever moved sees where they are.
    await page.focus(`#device-tree [data-show="${KEYBOARD.name}"]`);
    await press('Enter');
    expect([await focused(), await page.inputValue('#event-search')]).toEqual(['event-search', KEYBOARD.name]);
    expect(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)).toBe('solid');
  });

  const STATES = {
    empty: async () => (await openDashboard()).page,
    full: async () => {
      const { daemon, page } = await openDashboard({ filters: { vendor_blacklist: ['0781'] }, redis: { host: '127.0.0.1', port: 1 } });
      for (const device of [HUB, KEYBOARD, STICK]) daemon.simulateAttach(device);
      await place(page, STICK.name).waitFor();
      await rowsOf(page).first().click();
      await page.fill('#why-search', 'a');
      await page.locator('#why-list details').evaluateAll((all) => all.forEach((details) => { details.open = true; }));
      return page;
    },
    disconnected: async () => {
      const { daemon, page } = await openDashboard();
      daemon.simulateAttach(KEYBOARD);
      await waitForRows(page, 1);
      await daemon.stop();
      await page.locator('#banner').waitFor();
      return page;
    },
    'asked for a token': async () => {
      const { page } = await openDashboard({ monitoring: { token: 's3cret-t0ken' } });
      await page.locator('#token').waitFor();
      return page;
    },
  };
  it.each(Object.keys(STATES))('finds nothing in their way by axe-core, light on a wall and dark on a phone: %s', async (state) => {
    const page = await STATES[state]();
    await until(async () => state === 'asked for a token' || (await page.locator('#why-list > li').count()) > 0, 'the answers');
    for (const [colorScheme, viewport] of [['light', { width: 1920, height: 1080 }], ['dark', { width: 360, height: 740 }]]) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize(viewport);
      expect(await axeFinds(page), `${colorScheme} ${viewport.width}`).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
    }
  });
});
