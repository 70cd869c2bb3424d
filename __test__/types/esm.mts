import Default, {
  USBDaemon,
  USBEventConsumer,
  USBEventPublisher,
  createUSBDaemon,
  defaultConfig,
  initializeTracing,
  isSameUnit,
  type USBDaemonConfig,
  type USBDeviceInfo,
  type USBError,
  type USBEvent,
  type USBTransition,
} from '@autoweave/usb-daemon';

const daemon: Default = new USBDaemon({ redis: { ...defaultConfig.redis, port: 7000 }, sources: ['netlink'] });
daemon.on('device:attach', (info) => {
  const known: USBDeviceInfo = info;
  const hex: string = known.vendorId.toString(16);
  // @ts-expect-error a serial number may be missing
  const serial: string = known.serialNumber;
  void [hex, serial, known.tags?.includes('mine')];
});
daemon.once('error', (error, context) => void [error.code satisfies `ERR_USB_${string}`, context.length]);
daemon.on('gap', ({ lost }) => void (lost satisfies number | undefined));
daemon.off('device:detach', (info: USBDeviceInfo) => void info);
daemon.emit('stopped');
// @ts-expect-error no such event
daemon.on('device:atach', () => {});
// @ts-expect-error an attach brings a device
daemon.emit('device:attach', 'usb');
// @ts-expect-error a listener of another event
daemon.on('device:attach', (error: USBError) => void error);
await daemon.start();
// @ts-expect-error a misspelt key
new USBDaemon({ redis: { prot: 1 } });
// @ts-expect-error no such source
new USBDaemon({ sources: ['udev'] });

const config: USBDaemonConfig = {
  filters: {
    vendor_whitelist: [0x04a9],
    rules: [
      { match: { vendor_id: 0x04a9, product: 'LiDE*', speed: 480 }, action: 'tag', tags: ['scanner'] },
      { match: {}, action: 'deny' },
    ],
  },
  performance: { max_events_per_second: 0, debounce_ms: 50, batch_size: 10 },
  fallback: { enable_udev: false, udev_script_path: '/usr/local/bin/helper' },
};
// @ts-expect-error a tag without tags
new USBDaemon({ filters: { rules: [{ match: {}, action: 'tag' }] } });
// @ts-expect-error a misspelt condition
new USBDaemon({ filters: { rules: [{ match: { vendorId: 1 }, action: 'deny' }] } });

const made: USBDaemon = await createUSBDaemon(config);
initializeTracing({ level: 'debug' });
// @ts-expect-error no such level
initializeTracing({ level: 'loud' });

made.connectedDevices.get('x')?.location.portPath satisfies string | undefined;
// @ts-expect-error read-only
made.connectedDevices.set('x', await made.waitFor({}));
made.getDeviceBySignature('x') satisfies USBDeviceInfo | undefined;
made.isDeviceConnected('x') satisfies boolean;
made.identify(await made.waitFor({})).connected?.location.portPath satisfies string | undefined;
declare const event: USBEvent;
made.identify(event).reason satisfies 'serial' | 'no-serial' | 'unread-serial' | 'junk-serial' | 'shared-serial';
(await made.waitFor({ sameUnitAs: event })) satisfies USBDeviceInfo;
made.dispatch({ vendor_ids: [1], sameUnitAs: event }, { onAttach: (device) => isSameUnit(device, event) satisfies boolean });
// @ts-expect-error a name is no unit
isSameUnit('0403:6001:A1', event);
made.getStats().monitoring.healthcheckPort satisfies number;
// @ts-expect-error there is none while the daemon does not run
made.getStats().outbox.durable;
made.getStatus().queuedEvents satisfies number;

await made.handleDeviceAttach({ deviceDescriptor: { idVendor: 1, idProduct: 2 }, busNumber: 1, deviceAddress: 2 });
await made.handleDeviceAttach({
  deviceDescriptor: { idVendor: 1, idProduct: 2, iManufacturer: null },
  busNumber: 1,
  deviceAddress: 2,
  portNumbers: null,
  open: null,
  interfaces: [{ class: 3, subclass: null }],
});
// @ts-expect-error an ID is never guessed
await made.handleDeviceAttach({ deviceDescriptor: { idVendor: 1, idProduct: null }, busNumber: 1, deviceAddress: 2 });
// @ts-expect-error no address
await made.handleDeviceDetach({ deviceDescriptor: { idVendor: 1, idProduct: 2 }, busNumber: 1 });

const { signal } = new AbortController();
(await made.waitFor({ vendorId: '0x04A9', class: 6 }, { signal, timeout: 1000 })) satisfies USBDeviceInfo;
await made.waitFor((device) => device.identity === 'serial');
// @ts-expect-error a misspelt key
await made.waitFor({ vendor_id: 1 });
made.dispatch({ vendor_ids: ['0x04A9', '04a9', 1193], interfaces: [6, { class: 3 }] }, { onAttach: async ({ product }) => product }).dispose();
made.dispatch({ vendorIds: [1193] }, { onDetach: () => {} });
// @ts-expect-error a handler there has to be
made.dispatch({}, {});
// @ts-expect-error a misspelt handler
made.dispatch({}, { onattach() {} });
// @ts-expect-error a list it has to be
made.dispatch({ vendor_ids: '0x04A9' }, { onAttach() {} });

const events = made.events({ signal, since: 'producer:5' });
for await (const event of events) {
  const transition: USBTransition = event;
  if (transition.type === 'attach') transition.type satisfies 'attach';
  else transition.type satisfies 'detach';
  void [event.device.stableId, event.seq.toFixed()];
}
await events[Symbol.asyncDispose]();
await made[Symbol.asyncDispose]();

const consumer: USBEventConsumer = new USBEventConsumer({ port: 7000 }, 'group', 'name', { concurrency: 2 });
consumer.on('dead', ({ attempts, code }) => void [attempts satisfies number, code satisfies USBError['code']]);
await consumer.startConsuming(async (event: USBEvent) => void (event.action satisfies 'attach' | 'detach'));
new USBEventConsumer({}, 'group', 'other').on('error', ({ code }) => void code);
const sourceOf = ({ source, backend }: USBEvent): string => (source === 'udev' || source === 'a script of our own' || backend === 'udev-helper' ? source : backend ?? '');
void sourceOf;
const laterWords = ({ synthetic, seq }: USBEvent): boolean => synthetic === 'a later word' || seq === 1;
const tagsOf = ({ tags }: USBEvent) => tags satisfies string[] | undefined;
void [laterWords, tagsOf];
// @ts-expect-error a misspelt option
new USBEventConsumer({}, 'group', 'name', { claim_ms: 1 });
const publisher = new USBEventPublisher({});
daemon.on('device:attach', async (info) => void ((await publisher.publishUSBEvent('attach', info)) satisfies string));
await publisher.publishUSBEvent('detach', { vendorId: 1, productId: 2, location: { busNumber: 1, deviceAddress: 2 } });
// @ts-expect-error no such action
await publisher.publishUSBEvent('add', { vendorId: 1, productId: 2, location: { busNumber: 1, deviceAddress: 2 } });
