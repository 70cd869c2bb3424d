import USBDaemon = require('@autoweave/usb-daemon');
import Default, { USBDaemon as Named, createUSBDaemon, type USBDeviceFilter, type USBMonitoringConfig } from '@autoweave/usb-daemon';

const daemon: USBDaemon = new USBDaemon.USBDaemon({ redis: false });
daemon.on('event:published', ({ action }) => void (action satisfies 'attach' | 'detach'));
daemon.on('log', ({ level, eventId, fields }: USBDaemon.USBLogLine) => {
  level satisfies 'error' | 'warn' | 'info' | 'debug' | 'trace';
  // @ts-expect-error not every line is about an event
  eventId.length;
  void fields;
});
const health: USBDaemon.Health = daemon.getHealth();
const monitoring: USBMonitoringConfig = daemon.getStats().monitoring;
const filter: USBDeviceFilter = { vendorIds: [1193], deviceClass: [6] };
const made: Promise<Named> = createUSBDaemon();
new Default().dispatch(filter, { onAttach: (device: USBDaemon.USBDeviceInfo) => void device });
const transition = (event: USBDaemon.USBTransition) => event.type satisfies 'attach' | 'detach';
// @ts-expect-error the class itself is no daemon
const none: USBDaemon = USBDaemon;
void [health.status, USBDaemon.defaultConfig, monitoring, made, transition, none];
