// A device that its driver is slow to take, and the kernel keeps locked meanwhile.

// usb_8dev sends a command over bulk endpoints while it probes, and waits a second for an answer that never comes.
/** Of the module usb_8dev. */
export const SLOW = {
  deviceDescriptor: { vid: 0x0483, pid: 0x1234 },
  configurations: [['09022e000101008032', '0904000004ff000000', '07058102000200', '07050202000200', '07058302000200', '07050402000200'].join('')],
  strings: ['edevices', 'USB2CAN converter', 'SLOW'],
};
