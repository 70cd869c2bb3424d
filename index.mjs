import USBDaemon from './index.js';

export default USBDaemon;
export const { defaultConfig } = USBDaemon;
export { USBDaemon };
