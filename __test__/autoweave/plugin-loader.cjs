'use strict';

// AutoWeave's plugin loader, written again from the contract and the specification (4.2), with nothing of this package in it:
// reads `aw:hotplug` as a consumer group and hands each event to the plugins that its device concerns, each in a thread of its own.

const { writeSync } = require('node:fs');
const { isMainThread, parentPort, workerData, Worker } = require('node:worker_threads');

const STREAM = 'aw:hotplug';
const RETRY_MS = 1000;

/** Written at once, also from a worker: what has been reported has been received, even if the process is killed next. */
function report(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

/** As the specification's: unknown fields are ignored, so a place is known by its signature alone. */
function parseUSBEvent(messageId, fields) {
  const fieldObj = {};
  for (let at = 0; at < fields.length; at += 2) fieldObj[fields[at]] = fields[at + 1];
  return {
    messageId,
    source: fieldObj.source,
    action: fieldObj.action,
    vendorId: parseInt(fieldObj.vendor_id, 16),
    productId: parseInt(fieldObj.product_id, 16),
    deviceSignature: fieldObj.device_signature,
    manufacturer: fieldObj.manufacturer,
    product: fieldObj.product,
    serialNumber: fieldObj.serial_number,
    timestamp: parseInt(fieldObj.timestamp, 10),
    deviceDescriptor: fieldObj.device_descriptor ? JSON.parse(fieldObj.device_descriptor) : null,
  };
}

class Plugin {
  #manifest;
  #worker;
  #answer;

  constructor({ name, manifest, hangsAt }) {
    this.#manifest = manifest;
    this.#worker = new Worker(__filename, { workerData: { name, hangsAt } });
    this.#worker.on('message', () => this.#answer());
  }

  /** One of each list has to fit; no list, or an empty one, asks for nothing. */
  concerns({ vendorId, productId, deviceDescriptor }) {
    const { vendor_ids, product_ids, device_classes } = this.#manifest;
    const fits = (list, value) => !list?.length || list.some((each) => parseInt(each, 16) === value);
    return fits(vendor_ids, vendorId) && fits(product_ids, productId) && fits(device_classes, deviceDescriptor?.bDeviceClass);
  }

  /** Resolves when the plugin has done what it does: only then may the entry be acknowledged. */
  handle(type, event) {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#worker.postMessage({ type, event });
    });
  }

  close() {
    return this.#worker.terminate();
  }
}

function runPlugin({ name, hangsAt }) {
  let taken = 0;
  parentPort.on('message', ({ type, event }) => {
    report({ event: 'plugin', plugin: name, type, of: event });
    taken += 1;
    if (taken !== hangsAt) parentPort.postMessage('done');
  });
}

async function load({ redis: connection, group = 'plugin-loader', consumer = 'main', plugins: descriptions }) {
  const Redis = require('ioredis');
  const redis = new Redis(connection);
  const plugins = descriptions.map((each) => new Plugin(each));
  let isRunning = true;
  process.once('SIGTERM', () => (isRunning = false));

  await redis.xgroup('CREATE', STREAM, group, '$', 'MKSTREAM').catch((error) => {
    if (!error.message.includes('BUSYGROUP')) throw error;
  });
  report({ event: 'loading' });

  async function route(event) {
    const type = event.action === 'attach' ? 'usb:attach' : 'usb:detach';
    await Promise.all(plugins.filter((plugin) => plugin.concerns(event)).map((plugin) => plugin.handle(type, event)));
  }

  // What a killed predecessor of this name has left unacknowledged comes first; `>` alone never gives it again.
  let from = '0';
  while (isRunning) {
    try {
      const results = await redis.xreadgroup('GROUP', group, consumer, 'COUNT', 1, 'BLOCK', 1000, 'STREAMS', STREAM, from);
      const messages = results?.[0]?.[1] ?? [];
      if (messages.length === 0) from = '>';
      for (const [messageId, fields] of messages) {
        await route(parseUSBEvent(messageId, fields));
        await redis.xack(STREAM, group, messageId);
      }
    } catch (error) {
      report({ event: 'error', message: error.message });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  await Promise.all(plugins.map((plugin) => plugin.close()));
  await redis.quit();
}

if (isMainThread) load(JSON.parse(process.argv[2]));
else runPlugin(workerData);
