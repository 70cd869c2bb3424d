// The dashboard: asks the daemon, keeps what it says in the model, and has the parts of the page drawn when they have changed.

import { announcer } from './announcer.js';
import { charts } from './charts.js';
import { ask, follow, TokenNeeded } from './daemon.js';
import { eventDetail } from './detail.js';
import { frames } from './dom.js';
import { eventList } from './events.js';
import { linkBanner, tokenDialog } from './link.js';
import { Model } from './model.js';
import { statusSection } from './status.js';
import { deviceTree } from './tree.js';
import { whySection } from './why.js';

const HEALTH_EVERY_MS = 2000;
/** In a flood devices are asked for this often at most; and once more afterwards, when their drivers have been bound. */
const DEVICES_EVERY_MS = 400;
const DRIVERS_AFTER_MS = 1500;
const CHARTS_EVERY_MS = 1000;

const at = (id) => document.getElementById(id);
const model = new Model();
const paintSoon = frames();

const events = eventList({ list: at('event-list'), search: at('event-search'), pause: at('event-pause'), note: at('event-note'), empty: at('event-empty'), probe: at('row-probe') }, model, (row) => detail.show(row));
const detail = eventDetail({ panel: at('event-detail'), close: at('detail-close') }, model, () => {
  events.choose(null);
  at('event-list').focus();
});
const tree = deviceTree({ root: at('device-tree'), summary: at('device-summary'), empty: at('device-empty') }, model);
const status = statusSection({ verdict: at('verdict'), facts: at('daemon-facts'), sources: at('sources'), parts: at('parts') }, model);
const why = whySection({ list: at('why-list'), summary: at('why-summary'), badge: at('why-count'), search: at('why-search'), found: at('why-found') }, model);
const figures = charts({ latency: at('latency'), latencyText: at('latency-text'), steps: at('steps'), rate: at('rate'), rateText: at('rate-text') }, model);
const banner = linkBanner({ banner: at('banner'), words: at('banner-words'), countdown: at('banner-count'), again: at('banner-again') }, model, () => stream.retry());
const voice = announcer(at('voice'), model);
const dialog = tokenDialog({ dialog: at('token'), form: at('token-form'), input: at('token-input'), words: at('token-words') }, () => {
  refreshAll();
  stream.retry();
});

/** Asks for one thing at a time of each kind; what is asked meanwhile is asked once more afterwards. */
function asker(path, take) {
  let [isAsking, isWanted] = [false, false];
  return async function askNow() {
    if (isAsking) return void (isWanted = true);
    isAsking = true;
    try {
      const { body, aheadMs } = await ask(path);
      take(body, aheadMs);
    } catch (error) {
      // Whether the daemon is there is told by the stream; here only what that would not know.
      if (error instanceof TokenNeeded) dialog.ask();
    } finally {
      isAsking = false;
      if (isWanted) {
        isWanted = false;
        askNow();
      }
    }
  };
}

const askHealth = asker('/health', (health, aheadMs) => {
  model.health = health;
  // The header has whole seconds, and has travelled: less than two says nothing.
  model.aheadMs = Math.abs(aheadMs) > 2000 ? aheadMs : 0;
  model.link.since = Date.now();
  for (const part of [status, why]) paintSoon(part.paint);
});
const askDevices = asker('/devices', ({ devices, heldBack = [] }) => {
  Object.assign(model, { devices, heldBack, isListed: true });
  for (const part of [tree, why]) paintSoon(part.paint);
});
const askWithheld = asker('/withheld', ({ withheld }) => {
  model.takeWithheld(withheld);
  for (const part of [events, why]) paintSoon(part.paint);
});

function refreshAll() {
  askHealth();
  askDevices();
  askWithheld();
}

let devicesAsked = 0;
let devicesTimer = null;
let driversTimer = null;
function devicesChanged() {
  // Whoever comes back to the tab has all asked for anew.
  if (document.hidden) return;
  clearTimeout(driversTimer);
  driversTimer = setTimeout(askDevices, DRIVERS_AFTER_MS);
  devicesTimer ??= setTimeout(() => {
    devicesTimer = null;
    devicesAsked = Date.now();
    askDevices();
  }, Math.max(0, devicesAsked + DEVICES_EVERY_MS - Date.now()));
}

const stream = follow({
  open() {
    model.link = { state: 'live', since: Date.now() };
    paintSoon(banner.paint);
    refreshAll();
  },
  closed({ reason, isRefused, retryAt }) {
    model.link = { state: isRefused ? 'refused' : 'lost', since: model.link.since, reason, retryAt };
    for (const part of [banner, status, why]) paintSoon(part.paint);
    if (isRefused) refreshAll();
  },
  tokenNeeded: () => dialog.ask(),
  event({ type, data }) {
    const told = parsed(data);
    if (!told) return;
    // Of what is no event, some has passed us by.
    if (type === 'skipped') return refreshAll();
    const row = model.take(type, told);
    paintSoon(events.paint);
    paintSoon(detail.paint);
    if (type === 'attach' || type === 'detach') {
      devicesChanged();
      if (row && !told.device.synthetic && model.now() - told.device.timestamp < 5000) voice.heard(row);
    }
    if (type === 'withheld') {
      devicesChanged();
      paintSoon(why.paint);
    }
    if (['source', 'redis', 'gap'].includes(type) && !document.hidden) askHealth();
  },
});

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

setInterval(() => {
  if (document.hidden) return;
  if (model.link.state === 'live') askHealth();
  if (model.link.state === 'refused') refreshAll();
}, HEALTH_EVERY_MS);
setInterval(() => {
  if (document.hidden) return;
  paintSoon(figures.paint);
  if (model.link.retryAt) paintSoon(banner.paint);
}, CHARTS_EVERY_MS);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && model.link.state !== 'lost') refreshAll();
});
document.addEventListener('click', (event) => {
  const port = event.target.closest('[data-show]')?.dataset.show;
  if (!port) return;
  events.look(port);
  at('event-search').focus();
});
at('host').textContent = location.host;
for (const part of [status, why, events, figures]) paintSoon(part.paint);
