import USBDaemon = require('@autoweave/usb-daemon');

const daemon: USBDaemon = new USBDaemon.USBDaemon({ redis: false });
daemon.on('event:published', ({ action }) => void (action satisfies 'attach' | 'detach'));
const health: USBDaemon.Health = daemon.getHealth();
void [health.status, USBDaemon.defaultConfig];
