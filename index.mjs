import USBDaemon from './index.js';

export default USBDaemon;
export const { USBEventConsumer, USBEventPublisher, defaultConfig } = USBDaemon;
export { USBDaemon };
