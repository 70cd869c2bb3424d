import * as module from './usb.js';

export * from './usb.js';
declare const _default: Omit<typeof module, 'default'>;
export default _default;
