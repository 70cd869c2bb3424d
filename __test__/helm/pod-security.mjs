// The Pod Security Standard "restricted" (and with it "baseline"), rule by rule, as Kubernetes' documentation lists them.

const SAFE_SYSCTLS = ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes'];
const SELINUX_TYPES = [undefined, '', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];
const VOLUMES = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];
const APPARMOR = [undefined, 'RuntimeDefault', 'Localhost'];
const SECCOMP = ['RuntimeDefault', 'Localhost'];

const containersOf = (pod) => [...(pod.initContainers ?? []), ...pod.containers, ...(pod.ephemeralContainers ?? [])];
/** What holds for a container: its own, or the pod's. */
const holds = (pod, container, key) => container.securityContext?.[key] ?? pod.securityContext?.[key];
const contexts = (pod) => [pod, ...containersOf(pod)].map(({ securityContext }) => securityContext ?? {});
const hostsOf = ({ startupProbe, livenessProbe, readinessProbe, lifecycle }) =>
  [startupProbe, livenessProbe, readinessProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host]);

/** Each rule by its name: true where a pod keeps it. */
export const RULES = {
  'no host process of Windows': (pod) => contexts(pod).every(({ windowsOptions }) => !windowsOptions?.hostProcess),
  'no namespace of the host': (pod) => !pod.hostNetwork && !pod.hostPID && !pod.hostIPC,
  'no privileged container': (pod) => containersOf(pod).every(({ securityContext }) => !securityContext?.privileged),
  'no capability but NET_BIND_SERVICE': (pod) =>
    containersOf(pod).every(({ securityContext: { capabilities } = {} }) => capabilities?.drop?.includes('ALL') && (capabilities.add ?? []).every((name) => name === 'NET_BIND_SERVICE')),
  'volumes of harmless kinds': (pod) => (pod.volumes ?? []).every(({ name, ...kinds }) => Object.keys(kinds).every((kind) => VOLUMES.includes(kind))),
  'no port of the host': (pod) => containersOf(pod).every(({ ports = [] }) => ports.every(({ hostPort }) => !hostPort)),
  'no host in probes and hooks': (pod) => containersOf(pod).every((container) => hostsOf(container).every((host) => !host)),
  'AppArmor not off': (pod) => contexts(pod).every(({ appArmorProfile }) => APPARMOR.includes(appArmorProfile?.type)),
  'no SELinux type, user or role of its own': (pod) =>
    contexts(pod).every(({ seLinuxOptions }) => SELINUX_TYPES.includes(seLinuxOptions?.type) && !seLinuxOptions?.user && !seLinuxOptions?.role),
  'the usual view of /proc': (pod) => containersOf(pod).every(({ securityContext }) => [undefined, 'Default'].includes(securityContext?.procMount)),
  'no sysctl but safe ones': (pod) => (pod.securityContext?.sysctls ?? []).every(({ name }) => SAFE_SYSCTLS.includes(name)),
  'no escalation of privilege': (pod) => containersOf(pod).every(({ securityContext }) => securityContext?.allowPrivilegeEscalation === false),
  'not as root, and that is checked': (pod) => containersOf(pod).every((container) => holds(pod, container, 'runAsNonRoot') === true),
  'no user 0': (pod) => contexts(pod).every(({ runAsUser }) => runAsUser !== 0),
  'seccomp': (pod) => containersOf(pod).every((container) => SECCOMP.includes(holds(pod, container, 'seccompProfile')?.type)),
};

/** The names of the rules that a pod breaks. */
export function broken(pod) {
  return Object.entries(RULES).filter(([, isKept]) => !isKept(pod)).map(([name]) => name);
}
