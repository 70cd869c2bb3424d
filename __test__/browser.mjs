// A real Chromium, and the dashboard in it: what the page asks for, refuses and says is kept, so that a test can look at it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from 'vitest';
import { openDaemon } from './daemon.mjs';
import { freePort } from './redis-server.mjs';
import { until } from './until.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const QUIETLY = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let browser;
/** What no page may do, of all pages of the test that runs. */
let strays = [];

/** One browser for all tests of a file, which are failed by a request to elsewhere, a broken policy, a dialog or an error in a page. */
export function sharedBrowser() {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: QUIETLY });
  });
  afterAll(() => browser?.close());
  afterEach(() => {
    const found = strays;
    strays = [];
    expect(found).toEqual([]);
  });
}

/** A daemon with simulated devices and its server. */
export async function served({ monitoring, ...config } = {}) {
  const port = await freePort();
  const daemon = openDaemon({ ...config, monitoring: { enabled: true, host: '127.0.0.1', healthcheck_port: port, ...monitoring } });
  await daemon.start();
  await until(() => fetch(`http://127.0.0.1:${port}/live`).then(({ ok }) => ok, () => false), 'the server');
  return { daemon, address: `http://127.0.0.1:${port}` };
}

/** The dashboard of such a daemon; `health` may change what GET /health says. */
export async function openDashboard({ health, viewport = { width: 1920, height: 1080 }, ...config } = {}) {
  const { daemon, address } = await served(config);
  const page = await openPage(address, { health, viewport });
  return { daemon, address, page };
}

export async function openPage(address, { health, viewport } = {}) {
  const context = await browser.newContext({ viewport });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const stray = (what) => strays.push(what);
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${address}/`) && !url.startsWith('data:')) stray(`request to ${url}`);
  });
  page.on('dialog', (dialog) => {
    stray(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('pageerror', (error) => stray(`error: ${error.stack}`));
  await page.exposeFunction('policyBroken', (what) => stray(`policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => window.policyBroken(`${violatedDirective} ${blockedURI} ${sample}`));
  });
  if (health) {
    await page.route('**/health', async (route) => {
      const response = await route.fetch();
      const json = await response.json();
      await route.fulfill({ response, json: { ...json, ...health(json) } });
    });
  }
  await page.goto(`${address}/`);
  return page;
}

/** What axe-core finds in the page as it is: `rule: element` each. It gets by the page's policy, which forbids it as it does any script from elsewhere. */
export async function axeFinds(page) {
  const session = await page.context().newCDPSession(page);
  const { executionContextId } = await isolated(session);
  const run = async (expression) => {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(AXE);
  const found = await run('axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")} ${failureSummary}`)))');
  await session.detach();
  return found;
}

async function isolated(session) {
  const { frameTree } = await session.send('Page.getFrameTree');
  return session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
}
