import whole, { usb, on, refHotplugEvents, useUsbDkBackend, type ConfigDescriptor, type Device } from '@autoweave/usb-daemon/usb';
import * as everything from '@autoweave/usb-daemon/usb';

whole.usb.removeAllListeners('attach').removeAllListeners();
everything.on('attach', (device) => void (device satisfies Device));
on('detach', (device: usb.Device) => void (device.allConfigDescriptors satisfies ConfigDescriptor[]));
refHotplugEvents();
useUsbDkBackend();
const [device] = whole.getDeviceList();
device?.open();
device?.interfaces?.[0]?.endpoints[0]?.direction satisfies 'in' | 'out' | undefined;
try {
  // What throws says so in its type: nothing after it is reached.
  device?.controlTransfer(0x80, 6, 0x0100, 0, 18, () => {});
} catch (error) {
  if (error instanceof everything.LibUSBException) void (error.errno satisfies number);
}
