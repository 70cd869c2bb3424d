// The daemon in an OCI container (crun) in a QEMU bed's guest.

import { Observer } from '../observe.mjs';
import { packageRoot } from '../daemon.mjs';
import { PROGRAM, STATE, USER, containerSpec } from './spec.mjs';
import { POD_NETWORK } from './modes.mjs';

const ROOTFS = '/run/bed/rootfs';
const RUNTIME = '/run/bed/crun';
const FIRST_PORT = 8100;
/** Many start at once, on an emulated processor. */
const START_MS = 180_000;

/** Prepares the guest: a root file system, control groups, a pod's network, and what rootless engines need. */
export async function prepareContainers(bed) {
  const steps = [
    'set -e',
    // Without what is mounted below it. The places to mount at are there, as the image has them.
    `mkdir -p ${ROOTFS} ${RUNTIME} /app ${STATE}`,
    `mount --bind / ${ROOTFS}`,
    'mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    "echo 'nobody:100000:65536' | tee /etc/subuid >/etc/subgid",
    `install -d -o nobody -m 700 ${RUNTIME}/nobody`,
    `touch ${POD_NETWORK}`,
    `unshare --net=${POD_NETWORK} ip link set lo up`,
  ];
  const { code, stderr } = await bed.shell(steps.join('\n'), { cwd: '/' });
  if (code !== 0) throw new Error(`preparing containers: ${stderr}`);
}

/** Starts the mode's container; `at` tells several of them apart. Resolves once it has announced what is present. */
export async function startContainer(bed, mode, at) {
  const { id, users, interval } = mode;
  const bundle = `/run/bed/bundle-${id}`;
  const port = FIRST_PORT + at;
  const env = { USB_DAEMON_INTERVAL: interval, USB_DAEMON_HTTP_PORT: port };
  const spec = containerSpec({ ...mode, node: process.execPath, rootfs: ROOTFS, checkout: packageRoot, state: `${bundle}/state`, env });
  const owner = hostUser(users);
  const write = `mkdir -p ${bundle}/state && chown ${owner}:${owner} ${bundle}/state && cat >${bundle}/config.json`;
  const written = bed.spawn(['sh', '-c', write], { cwd: '/' });
  written.write(JSON.stringify(spec));
  written.endInput();
  const { code } = await written.exit;
  if (code !== 0) throw new Error(`the container's bundle: ${written.stderrText()}`);
  const container = new Container(bed, mode, bundle);
  await container.said.waitFor(({ type }) => type === 'started', `${mode.name} to have started`, { timeoutMs: START_MS });
  return container;
}

/** Which user of the host the image's user is. */
function hostUser(users) {
  const { containerID, hostID } = users?.findLast((each) => each.containerID <= USER) ?? { containerID: 0, hostID: 0 };
  return hostID + USER - containerID;
}

class Container {
  #bed
  #options
  #runtime

  constructor(bed, mode, bundle) {
    this.mode = mode;
    this.#bed = bed;
    this.#options = { cwd: '/', user: mode.user, env: { ...process.env, XDG_RUNTIME_DIR: `${RUNTIME}/nobody` } };
    this.#runtime = ['crun', '--root', mode.user ? `${RUNTIME}/nobody` : RUNTIME, ...(mode.cgroup === false ? ['--cgroup-manager=disabled'] : [])];
    const child = bed.spawn([...this.#runtime, 'run', '--bundle', bundle, mode.id], this.#options);
    this.said = new Observer(child);
    this.exit = child.exit;
  }

  /** Runs a program in the container, as the image's user. */
  exec(argv) {
    return this.#bed.exec([...this.#runtime, 'exec', '--user', `${USER}:${USER}`, this.mode.id, ...argv], this.#options);
  }

  /** What HEALTHCHECK asks: its exit code and the whole answer. */
  async health() {
    const { code, stdout } = await this.exec([process.execPath, PROGRAM, 'health', '--json']);
    return { code, ...JSON.parse(stdout) };
  }

  kill(signal) {
    return this.#bed.exec([...this.#runtime, 'kill', this.mode.id, signal], this.#options);
  }
}
