import Default, { USBDaemon, defaultConfig, type USBDeviceInfo } from '@autoweave/usb-daemon';

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
