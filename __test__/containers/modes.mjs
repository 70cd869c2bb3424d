// The modes in which engines run a container, as far as they decide what is heard, and what docs/CONTAINERS.md says of each.

const DAY = 86_400_000;
/** A network namespace that a pod's sandbox has made. */
export const POD_NETWORK = '/run/bed/pod-network';

/** As dockerd's userns-remap and Kubernetes' hostUsers: false map. */
const REMAPPED = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
/** As newuidmap maps for the user nobody, who runs a rootless engine. */
const ROOTLESS = [
  { containerID: 0, hostID: 65_534, size: 1 },
  { containerID: 1, hostID: 100_000, size: 65_535 },
];

/** Uevents are heard. An interval of a day says that no comparison with sysfs has helped. */
const HEARS = { interval: DAY, backend: 'netlink', netlink: 'up', health: 'healthy' };
/** Uevents are not heard, and nothing wakes the comparison but its interval. */
const INTERVAL = { interval: 500, backend: 'snapshot', netlink: 'deaf', health: 'degraded' };
/** Uevents are not heard, and only device nodes that come and go can have woken the comparison. */
const WOKEN = { interval: DAY, backend: 'snapshot', netlink: 'deaf', health: 'degraded' };

export const MODES = [
  { name: 'docker, default network', id: 'bridge', ...HEARS },
  { name: 'docker, host network', id: 'host', network: 'host', ...HEARS },
  { name: 'docker, userns-remap', id: 'remap', users: REMAPPED, ...INTERVAL },
  { name: 'docker, userns-remap with /dev/bus/usb', id: 'remap-nodes', users: REMAPPED, deviceNodes: true, ...WOKEN },
  { name: 'rootless, own network', id: 'rootless', users: ROOTLESS, user: 'nobody', cgroup: false, ...INTERVAL },
  { name: 'rootless, own network with /dev/bus/usb', id: 'rootless-nodes', users: ROOTLESS, user: 'nobody', cgroup: false, deviceNodes: true, ...WOKEN },
  { name: "rootless podman, host network", id: 'rootless-host', users: ROOTLESS, user: 'nobody', cgroup: false, network: 'host', sysfs: 'host', ...HEARS },
  { name: 'Kubernetes pod, default', id: 'pod', network: POD_NETWORK, ...HEARS },
  { name: 'Kubernetes pod, hostNetwork', id: 'pod-host', network: 'host', ...HEARS },
  { name: 'Kubernetes pod, hostUsers: false', id: 'pod-users', users: REMAPPED, ...INTERVAL },
];
