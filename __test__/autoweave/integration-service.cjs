'use strict';

// AutoWeave's integration service, written again from the contract: it hands its own `redis` to USBDaemon and publishes each of the
// daemon's events itself, not knowing that the daemon has done so already.

const { USBDaemon, USBEventPublisher } = require('../..');

function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const { redis: connection, timeout_ms } = JSON.parse(process.argv[2]);
const redis = { ...connection, timeout_ms };
const daemon = new USBDaemon({ redis, monitoring: { enabled: false } });
const publisher = new USBEventPublisher(redis);
const underWay = new Set();

for (const action of ['attach', 'detach']) {
  daemon.on(`device:${action}`, (info) => {
    const published = publisher
      .publishUSBEvent(action, info)
      .then(
        (streamId) => report({ event: 'published', action, eventId: info.eventId, signature: info.signature, streamId }),
        (error) => report({ event: 'error', eventId: info.eventId, code: error.code, message: error.message }),
      )
      .finally(() => underWay.delete(published));
    underWay.add(published);
  });
}
daemon.on('error', (error) => report({ event: 'error', code: error.code, message: error.message }));

process.once('SIGTERM', async () => {
  await daemon.stop();
  await Promise.all(underWay);
  await publisher.close();
  report({ event: 'stopped' });
});

daemon.start().then(() => report({ event: 'started' }));
