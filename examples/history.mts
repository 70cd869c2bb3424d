// Follows events from where the last run has left off, over restarts of this program: an outbox on disk keeps them.

import { readFile, writeFile } from 'node:fs/promises';
import { USBDaemon } from '@autoweave/usb-daemon';

const [folder = '.'] = process.argv.slice(2);
const daemon = new USBDaemon({ redis: false, monitoring: { enabled: false }, outbox: { path: `${folder}/outbox.db`, required: true } });
daemon.on('error', (error, context) => console.error(error.code, context, error.message));
await daemon.start();

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => ended.abort());

const bookmark = `${folder}/bookmark`;
const since = await readFile(bookmark, 'utf8').catch(() => 0);
try {
  for await (const { type, device } of daemon.events({ since, signal: ended.signal })) {
    console.log(device.eventId, type, device.stableId, device.synthetic ?? '');
    if (device.eventId) await writeFile(bookmark, device.eventId);
  }
} catch (error) {
  if (!ended.signal.aborted) throw error;
} finally {
  await daemon.stop();
}
