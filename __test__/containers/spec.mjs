// What an engine tells its OCI runtime about the daemon's container: Docker's and containerd's own defaults, and the restrictions of
// deploy/compose.yaml and of Kubernetes' profile "restricted".

import { readFileSync } from 'node:fs';

/** The image's user, its state and its command. */
export const USER = 65532;
export const STATE = '/var/lib/autoweave-usb-daemon';
export const PROGRAM = '/app/bin/usb-daemon.js';

const SECCOMP = '/usr/share/containers/seccomp.json';
const MASKED = ['acpi', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi', 'timer_list', 'timer_stats'].map((name) => `/proc/${name}`);
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`);
const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
];
const OWN_SYSFS = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] };

function bound(source, destination, access) {
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', 'nosuid', access] };
}

/** The engines' default list of system calls, as it is for a container on x86_64 that has no capability. */
function seccomp() {
  const { defaultAction, defaultErrnoRet, syscalls } = JSON.parse(readFileSync(SECCOMP, 'utf8'));
  const applies = ({ includes = {} }) => !includes.caps && (includes.arches?.includes('amd64') ?? true);
  const rules = syscalls.filter(applies).map(({ names, action, args, errnoRet }) => ({ names, action, args: args ?? [], errnoRet: errnoRet ?? undefined }));
  return { defaultAction, defaultErrnoRet, architectures: ['SCMP_ARCH_X86_64'], syscalls: rules };
}

/**
 * The runtime's config.json. `users` are the mappings of a user namespace; `network` is `own`, `host` or the path of one that is
 * there; `sysfs` is `own` or the host's, bound; `deviceNodes` binds the host's /dev/bus/usb; without `cgroup` none is asked for, as
 * by a rootless engine to which nothing is delegated.
 */
export function containerSpec({ node, rootfs, checkout, state, env = {}, users, network = 'own', sysfs = 'own', deviceNodes = false, cgroup = true }) {
  const namespaces = ['pid', 'ipc', 'uts', 'mount', ...(users ? ['user'] : [])].map((type) => ({ type }));
  if (network !== 'host') namespaces.push({ type: 'network', path: network === 'own' ? undefined : network });
  const variables = { PATH: '/usr/bin:/bin', USB_DAEMON_OUTBOX: `${STATE}/outbox.db`, ...env };
  return {
    ociVersion: '1.0.2',
    root: { path: rootfs, readonly: true },
    process: {
      user: { uid: USER, gid: USER },
      args: [node, PROGRAM, 'run', '--json', '--no-redis'],
      env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      cwd: '/',
      capabilities: Object.fromEntries(['bounding', 'effective', 'inheritable', 'permitted', 'ambient'].map((set) => [set, []])),
      noNewPrivileges: true,
    },
    mounts: [
      ...MOUNTS,
      sysfs === 'own' ? OWN_SYSFS : bound('/sys', '/sys', 'ro'),
      bound(checkout, '/app', 'ro'),
      bound(state, STATE, 'rw'),
      ...(deviceNodes ? [bound('/dev/bus/usb', '/dev/bus/usb', 'ro')] : []),
    ],
    linux: {
      namespaces,
      uidMappings: users,
      gidMappings: users,
      maskedPaths: [...MASKED, '/sys/firmware'],
      readonlyPaths: READ_ONLY,
      seccomp: seccomp(),
      resources: cgroup ? { devices: [{ allow: false, access: 'rwm' }], pids: { limit: 128 } } : undefined,
    },
  };
}
