// What to do about it: one piece of advice for each thing that keeps a device from being told of. Texts are lists of strings
// and { code } parts; nothing here is markup.

import { hex, visible } from './text.js';

export const code = (text) => ({ code: text });

/** What each source is, for somebody who has never heard of it. */
export const SOURCE_WORDS = {
  netlink: 'the kernel’s own events',
  libusb: 'libusb’s callbacks, which confirm',
  snapshot: 'comparison with what is in /sys',
  inotify: 'device nodes in /dev/bus/usb',
  simulated: 'devices for demonstration',
  injected: 'reports of a program',
  'udev-helper': 'what udev’s helper has written down',
};

export function isPermission(reason) {
  return /permission denied|not permitted|access denied|EACCES|EPERM|os error (1|13)\b|forbidden/i.test(reason ?? '');
}

const PERMISSION = {
  netlink: ['Allow the process sockets of the family ', code('AF_NETLINK'), ': in its systemd unit ', code('RestrictAddressFamilies='), ', in a container the seccomp profile.'],
  libusb: ['Let the daemon’s user read the folder ', code('/dev/bus/usb'), '; give a container that folder (', code('-v /dev/bus/usb:/dev/bus/usb:ro'), ').'],
  inotify: ['Let the daemon’s user list ', code('/dev/bus/usb'), ' and the folders in it (', code('r-x'), '); no device is opened, so rights to the nodes are not needed.'],
  snapshot: ['Let the daemon’s user read ', code('/sys/bus/usb/devices'), ': a sandbox or a security module hides it.'],
  'udev-helper': ['Put the daemon’s user into the group that the folder belongs to: ', code('autoweave'), '.'],
};
const DOCTOR = [code('usb-daemon doctor'), ', run as the same user in the same place, says what else is missing.'];

/** What to do where a source is not allowed what it needs. */
export function forPermission(source) {
  return [PERMISSION[source] ?? ['Give the daemon’s user the right that the reason names.'], DOCTOR];
}

const SILENT = {
  netlink: ['Run the daemon in the host’s network namespace: ', code('--network=host'), ' for a container, ', code('hostNetwork: true'), ' in Kubernetes, no ',
    code('PrivateNetwork='), ' in a systemd unit, and no user namespace (', code('--userns=host'), ').'],
  libusb: ['Give a container ', code('/dev/bus/usb'), ' (a volume, or ', code('--device'), '), or switch ', code('sources.libusb'), ' off. It only confirms what the kernel says.'],
  inotify: ['Needed only where the kernel’s events are not heard: mount the host’s ', code('/dev/bus/usb'), ' (read-only does).'],
  snapshot: ['Let this process see the host’s ', code('/sys'), '.'],
};
const SOONER = ['Until then a smaller ', code('monitoring.interval'), ' finds changes sooner.'];

/** What to do where a source hears nothing. */
export function forSilence(source, state) {
  const what = SILENT[source] ?? ['It is tried again by itself.'];
  return source === 'netlink' && state === 'deaf' ? [what, SOONER, DOCTOR] : [what, DOCTOR];
}

const LISTS = {
  vendor_blacklist: { means: 'its vendor is on the list of those not told of', option: '--vendor-blacklist', variable: 'USB_DAEMON_VENDOR_BLACKLIST' },
  vendor_whitelist: { means: 'its vendor is not on the list of the only ones told of', option: '--vendor-whitelist', variable: 'USB_DAEMON_VENDOR_WHITELIST' },
  device_class_filter: { means: 'neither it nor one of its interfaces is of a class that is told of', option: '--class-filter', variable: 'USB_DAEMON_CLASS_FILTER' },
};

/** What a filter's `detail` means: which setting it is, what that says, and how to let the device through. */
export function forFilter({ detail = '', vendorId }) {
  const list = Object.keys(LISTS).find((name) => detail.includes(name));
  const rule = /rules\[(\d+)\]/.exec(detail);
  const vendor = code(hex(vendorId));
  if (list) {
    const { means, option, variable } = LISTS[list];
    const key = code(`filters.${list}`);
    const change = {
      vendor_blacklist: ['Take ', vendor, ' off ', key],
      vendor_whitelist: ['Put ', vendor, ' on ', key],
      device_class_filter: ['Put its class on ', key],
    }[list];
    return { setting: `filters.${list}`, means, change: [...change, ' (option ', code(option), ', variable ', code(variable), '), wherever it is set.'] };
  }
  if (rule) {
    const setting = `filters.rules[${rule[1]}]`;
    const means = `rule ${Number(rule[1]) + 1} of the filters denies it`;
    return { setting, means, change: ['Change ', code(setting), ', or put a rule with ', code('"action": "allow"'), ' for this device before it.'] };
  }
  return { setting: visible(detail) || 'filters', means: 'a filter denies it', change: ['Change ', code('filters'), '.'] };
}

/** Where filters are changed, whichever it is. */
export const WHERE_FILTERS = ['They are in the file that ', code('--config'), ' names (read again when it is saved, or at SIGHUP), or in ', code('new USBDaemon({ filters })'), '. ',
  code('usb-daemon config'), ' shows where each value comes from. A device that is there already is asked anew when it is plugged in again.'];

export const BEYOND = [
  ['Does the kernel see it? ', code('lsusb'), ' lists it then, and ', code('dmesg --follow'), ' says something when you plug it in. If neither does: another cable, another port, a hub with its own power.'],
  ['Is it plugged into this machine? A virtual machine sees only what is passed through to it.'],
  ['Does it show above under another name? Search by its port or its IDs.'],
];
