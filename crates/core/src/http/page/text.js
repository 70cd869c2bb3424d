// Texts as they are shown. What a device says of itself is hostile: nothing in it may hide, reorder or pose as anything else.

/** Control, format (bidi, zero width), line separators and halves of characters: what has no shape of its own. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** More marks upon one letter than any script needs; they would be drawn over the lines above and below. */
const PILE = /(\p{M}{3})\p{M}+/gu;
const LONGEST = 120;

/** A device's text for the eye: what has no shape is named by its code, and what is too long is cut. */
export function visible(text, longest = LONGEST) {
  if (text === undefined || text === null) return '';
  // Cut before anything else: no text is so long that looking at it costs something.
  const head = String(text).slice(0, longest + 1);
  const shown = head.replace(PILE, '$1…').replace(UNSEEN, (sign) => `⟨${codeOf(sign)}⟩`);
  if (head.length <= longest) return shown.trim() === '' && shown !== '' ? `⟨${shown.length} blank⟩` : shown;
  return `${shown.slice(0, longest)}…`;
}

function codeOf(sign) {
  return `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Vendor and product ID as `046d:c31c`. */
export function ids({ vendorId, productId }) {
  return `${hex(vendorId)}:${hex(productId)}`;
}

export function hex(number, digits = 4) {
  return Number.isInteger(number) ? number.toString(16).padStart(digits, '0') : '?'.repeat(digits);
}

const saidOr = (said, known) => (said?.trim() ? said : known);

/** What a device is called: what it says it is, else what its IDs stand for, else what it is by its classes. */
export function nameOf(device, longest) {
  const said = [saidOr(device.manufacturer, device.vendorName), saidOr(device.product, device.productName)].map((text) => visible(text, longest)).filter(Boolean);
  // Many a product begins with its maker's name.
  if (said.length === 2 && said[1].toLowerCase().startsWith(said[0].toLowerCase())) said.shift();
  return said.join(' ') || `${kindOf(device) ?? 'Device'} without a name`;
}

const KINDS = {
  1: 'Audio', 2: 'Modem', 3: 'Input', 5: 'Physical', 6: 'Camera', 7: 'Printer', 8: 'Storage', 9: 'Hub', 10: 'Data', 11: 'Smart card',
  13: 'Security', 14: 'Video', 15: 'Health', 16: 'Audio and video', 220: 'Diagnostic', 224: 'Wireless', 239: 'Composite', 254: 'Application', 255: 'Vendor',
};

/** What it is by its own class, or by that of its first interface. */
export function kindOf(device) {
  const classes = [device.deviceDescriptor?.bDeviceClass, ...(device.interfaces ?? []).map((one) => one.class)];
  return classes.map((code) => KINDS[code]).find((kind) => kind && kind !== 'Composite');
}

/** Mbit/s as one says it. */
export function speed(mbits) {
  if (!Number.isFinite(mbits)) return '';
  return mbits >= 1000 ? `${mbits / 1000} Gbit/s` : `${mbits} Mbit/s`;
}

/** Milliseconds to as many digits as mean something. */
export function ms(value) {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10_000 ? 0 : 1)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  if (value >= 10) return `${value.toFixed(1)} ms`;
  return `${value.toFixed(value >= 0.1 || value === 0 ? 2 : 3)} ms`;
}

/** A stretch of time in its two largest units. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return '0 s';
  const [size, unit] = parts[at];
  const [smaller, smallerUnit] = parts[at + 1] ?? [1, ''];
  const rest = Math.floor((seconds % size) / smaller);
  return rest > 0 && smallerUnit ? `${Math.floor(seconds / size)} ${unit} ${rest} ${smallerUnit}` : `${Math.floor(seconds / size)} ${unit}`;
}

/** How long ago. */
export function ago(milliseconds) {
  return milliseconds < 1000 ? 'just now' : `${span(milliseconds)} ago`;
}

/** `13:06:18.168` on this computer's clock. */
export function clock(timestamp, parts = 3) {
  if (!Number.isFinite(timestamp)) return '–';
  const time = new Date(timestamp);
  const two = (number) => String(number).padStart(2, '0');
  const whole = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return parts === 3 ? `${whole}.${String(time.getMilliseconds()).padStart(3, '0')}` : whole;
}

/** `1 device`, `2 devices`. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** What the kernel calls the port of a device: `1-4.2`, or `usb1`. */
export function portOf({ name, location }) {
  if (name) return visible(name, 40);
  if (!location) return '?';
  return location.portPath === '0' ? `usb${location.busNumber}` : `${location.busNumber}-${visible(location.portPath, 40)}`;
}
