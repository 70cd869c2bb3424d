// Devices whose descriptors or answers are not as USB has them, as bed.plugSynthetic() takes them, and what a real kernel leaves of each.

const LENGTH_AT = 2;

/** A configuration of these descriptors (hex), whose total length is right unless `fields` say otherwise. `power` is in units of 2 mA. */
function configuration(descriptors, { interfaces = 1, power = 50, total } = {}) {
  const bytes = Buffer.from(`0902000000010080${power.toString(16).padStart(2, '0')}${descriptors.join('')}`, 'hex');
  bytes.writeUInt16LE(total ?? bytes.length, LENGTH_AT);
  bytes.writeUInt8(interfaces, 4);
  return [bytes.toString('hex')];
}

/** An interface descriptor: number, class codes in hex, how many endpoints it claims. */
const interfaceOf = (number, codes, endpoints = 0) => `0904${hex(number)}00${hex(endpoints)}${codes}00`;
const hex = (byte) => byte.toString(16).padStart(2, '0');

const VENDOR = 'ff0000';
const DISK = '080650';
const MODEM = '020201';
const DATA = '0a0000';
const KEYBOARD = '030101';
const INTERRUPT_IN = '0705810308000a';
/** HID's own descriptor, of a report descriptor of so many bytes. */
const hidOf = (length) => `09211101000122${hex(length)}00`;
/** Ends within an item, and closes nothing. */
const CUT_REPORT = '05010906a101050719';
const vendor = configuration([interfaceOf(0, VENDOR)]);
const keyboard = configuration([interfaceOf(0, KEYBOARD, 1), hidOf(CUT_REPORT.length / 2), INTERRUPT_IN]);

/** Those that the kernel takes: what is told of them once nothing more will come. */
export const TAKEN = {
  'says that its configuration is longer than it is': { device: { configurations: configuration([interfaceOf(0, VENDOR)], { total: 255 }) }, interfaces: [255] },
  'has a descriptor of length 0, and an interface behind it': {
    device: { configurations: configuration([interfaceOf(0, VENDOR), '0004', interfaceOf(1, DISK)], { interfaces: 2 }) },
    interfaces: [255],
  },
  'says that it has 40 interfaces, and has one': { device: { configurations: configuration([interfaceOf(0, VENDOR)], { interfaces: 40 }) }, interfaces: [255] },
  'refuses to say its strings': { device: { configurations: vendor, strings: [null, null, null] }, interfaces: [255] },
  'is a disk without endpoints': { device: { configurations: configuration([interfaceOf(0, DISK, 2)]) }, interfaces: [8], reasons: ['no-driver'] },
  'is a serial line of which the half is missing': {
    device: { configurations: configuration([interfaceOf(0, MODEM, 1), interfaceOf(1, DATA, 2)], { interfaces: 2 }) },
    interfaces: [2, 10],
    reasons: ['no-driver', 'no-driver'],
  },
  'is a keyboard that refuses its report descriptor': { device: { configurations: keyboard }, interfaces: [3], reasons: ['no-driver'] },
  'is a keyboard whose report descriptor is cut': { device: { configurations: keyboard, report: CUT_REPORT }, interfaces: [3], reasons: ['no-driver'] },
  'wants more power than there is': { device: { configurations: configuration([interfaceOf(0, VENDOR)], { power: 255 }) }, interfaces: [], reasons: ['not-configured'] },
  'refuses to be configured': { device: { configurations: vendor, stalls: ['0009'] }, interfaces: [], reasons: ['not-configured'] },
  'has a configuration of nothing': { device: { configurations: configuration([], { interfaces: 0 }) }, interfaces: [], reasons: ['not-configured'] },
};

/** Those that the kernel does not take: nothing is told of them. */
export const REFUSED = {
  'refuses its configuration descriptor': { configurations: [''] },
  'has no configuration': { deviceDescriptor: { bNumConfigurations: 0 } },
  'has half a device descriptor': { deviceDescriptor: { raw: '120100020000004009120000' } },
};
