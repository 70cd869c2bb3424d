import Default, { USBDaemon, USBEventConsumer, USBEventPublisher, defaultConfig, type USBDeviceInfo, type USBEvent } from '@autoweave/usb-daemon';

const daemon: Default = new USBDaemon({ redis: { ...defaultConfig.redis, port: 7000 }, sources: ['netlink'] });
daemon.on('device:attach', (info) => {
  const known: USBDeviceInfo = info;
  const hex: string = known.vendorId.toString(16);
  // @ts-expect-error a serial number may be missing
  const serial: string = known.serialNumber;
  void [hex, serial];
});
daemon.on('error', (error, context) => void [error.code satisfies `ERR_USB_${string}`, context.length]);
daemon.on('gap', ({ lost }) => void (lost satisfies number | undefined));
await daemon.start();
// @ts-expect-error a misspelt key
new USBDaemon({ redis: { prot: 1 } });
// @ts-expect-error no such source
new USBDaemon({ sources: ['udev'] });

const consumer: USBEventConsumer = new USBEventConsumer({ port: 7000 }, 'group', 'name', { concurrency: 2 });
consumer.on('dead', ({ attempts }) => void (attempts satisfies number));
await consumer.startConsuming(async (event: USBEvent) => void (event.action satisfies 'attach' | 'detach'));
new USBEventConsumer({}, 'group', 'other').on('error', ({ code }) => void code);
const sourceOf = ({ source, backend }: USBEvent): string => (source === 'udev' || source === 'a script of our own' || backend === 'udev-helper' ? source : backend ?? '');
void sourceOf;
// @ts-expect-error a misspelt option
new USBEventConsumer({}, 'group', 'name', { claim_ms: 1 });
const publisher = new USBEventPublisher({});
daemon.on('device:attach', async (info) => void ((await publisher.publishUSBEvent('attach', info)) satisfies string));
await publisher.publishUSBEvent('detach', { vendorId: 1, productId: 2, location: { busNumber: 1, deviceAddress: 2 } });
// @ts-expect-error no such action
await publisher.publishUSBEvent('add', { vendorId: 1, productId: 2, location: { busNumber: 1, deviceAddress: 2 } });
