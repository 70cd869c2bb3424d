// Reads the stream as one of a group: what this one does not finish, another one of the group takes over.
// REDIS_HOST and REDIS_PORT say where Redis is.

import { hostname } from 'node:os';
import { USBEventConsumer, defaultConfig } from '@autoweave/usb-daemon';

const hex = (id) => id.toString(16).padStart(4, '0');
const consumer = new USBEventConsumer(defaultConfig.redis, 'plugin-loader', hostname());
consumer.on('error', (error) => console.error(error.code, error.message));
consumer.on('redis:state', ({ connected, address, reason }) => connected || console.error('no Redis at', address, reason));
consumer.on('dead', ({ messageId, code, reason }) => console.error('given up', messageId, code, reason));

consumer.startConsuming(async (event) => {
  // It is acknowledged once this promise has resolved, and comes again where it rejects.
  console.log(event.eventId, event.action, `${hex(event.vendorId)}:${hex(event.productId)}`, event.synthetic ?? '');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.stop());
