import { openNamespaceBed } from './beds/namespace/index.mjs';
import { deviceSuite } from './device-suite.mjs';

deviceSuite('namespace', openNamespaceBed);
deviceSuite('namespace, as nobody', openNamespaceBed, { user: 'nobody' });
deviceSuite('namespace, without /dev/bus/usb', () => openNamespaceBed({ devfs: false }));
