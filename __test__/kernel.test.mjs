import { openQemuBed } from './beds/qemu/index.mjs';
import { deviceSuite } from './device-suite.mjs';

deviceSuite('real kernel with udevd, as nobody', () => openQemuBed({ udev: true }), { user: 'nobody' });
deviceSuite('real kernel without udevd', () => openQemuBed({ udev: false }));
