import USBDaemon from './index.js';

export default USBDaemon;
export const { USBEventConsumer, USBEventPublisher, createUSBDaemon, defaultConfig, initializeTracing, isSameUnit } = USBDaemon;
export { USBDaemon };
