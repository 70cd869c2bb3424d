import whole, { usb, on, refHotplugEvents, useUsbDkBackend, type ConfigDescriptor, type Device, type DeviceDescriptor, type InEndpoint, type OutEndpoint } from '@autoweave/usb-daemon/usb';
import * as everything from '@autoweave/usb-daemon/usb';
import type { USBDeviceDescriptor } from '@autoweave/usb-daemon';

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
device?.interfaces?.[0]?.endpoints[0]?.device satisfies Device | undefined;
// One type, under the name that each entry has for it.
const same = (descriptor: DeviceDescriptor): USBDeviceDescriptor => descriptor;
// What throws is there for whoever calls it.
const refusing = (input: InEndpoint, output: OutEndpoint): never => {
  if (input.pollActive) return input.transferAsync(1);
  if (output.timeout) return output.transferWithZLP(Buffer.alloc(1));
  if (output.address) return output.transferAsync(Buffer.alloc(1));
  const [first] = device?.interfaces ?? [];
  if (first?.altSetting) return first.setAltSettingAsync(1);
  if (first) return first.releaseAsync();
  return input.startPollTransfers();
};
void [same, refusing];
