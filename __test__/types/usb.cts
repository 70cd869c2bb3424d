import { usb, getDeviceList, findByIds, findBySerialNumber, type Device } from '@autoweave/usb-daemon/usb';
import whole = require('@autoweave/usb-daemon/usb');

const watched = (device: usb.Device): Device => device;
usb.on('attach', (device) => void (watched(device).deviceDescriptor.idVendor satisfies number));
usb.once('detach', ({ portNumbers }) => void (portNumbers satisfies number[]));
usb.off('error', (error) => void error.message);
usb.on('attachIds', ({ idVendor }) => void (idVendor satisfies number));
usb.pollHotplug = true;
// @ts-expect-error no such event
usb.on('atach', () => {});
// @ts-expect-error only the entry makes devices
new usb.Device();
const first: Device | undefined = findByIds(1, 2) ?? getDeviceList().find(({ busNumber }) => busNumber === usb.LIBUSB_CLASS_HUB);
first?.getStringDescriptor(1, (error, text) => void [error?.errno satisfies number | undefined, text satisfies string | undefined]);
first?.configDescriptor?.interfaces[0]?.[0]?.bInterfaceClass satisfies number | undefined;
whole.default.unrefHotplugEvents();
whole.on('detach', (device) => void (device.parent satisfies Device | null));
void findBySerialNumber('A').then((device) => void (device satisfies Device | undefined));
