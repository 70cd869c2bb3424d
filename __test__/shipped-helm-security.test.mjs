// The Helm chart's pods: what they may do, what they know, and whom they may speak to.

import { describe, expect, it } from 'vitest';
import { configOf, containerOf, OPERATOR, podOf, rendered, text, upgraded } from './helm/chart.mjs';
import { broken, RULES } from './helm/pod-security.mjs';

const PODS = ['DaemonSet/it', 'StatefulSet/it-redis'];
const EXTERNAL = { redis: { enabled: false }, externalRedis: { host: 'redis.example', port: 6380, existingSecret: 'credentials', existingSecretPasswordKey: 'password' } };
const daemon = (values) => rendered(values).get('DaemonSet/it');
const variable = (container, wanted) => container.env.find(({ name }) => name === wanted);

describe.each(PODS)('the pods of %s', (name) => {
  const pod = podOf(rendered().get(name));

  it.each(Object.keys(RULES))('keep the rule of the standard "restricted": %s', (rule) => {
    expect(RULES[rule](pod)).toBe(true);
  });

  it('write to no root file system, as a user and a group that are not root’s', () => {
    expect(containerOf(rendered().get(name)).securityContext.readOnlyRootFilesystem).toBe(true);
    for (const key of ['runAsUser', 'runAsGroup', 'fsGroup']) expect(pod.securityContext[key]).toBeGreaterThan(0);
  });

  it('have no token of the cluster, and no variables of its services', () => {
    expect([pod.automountServiceAccountToken, pod.enableServiceLinks]).toEqual([false, false]);
  });
});

it('breaks the rule on volumes, and no other one, where a folder of the node is asked for', () => {
  for (const usbDaemon of [{ devBusUsb: { enabled: true } }, { outbox: { type: 'hostPath' } }]) {
    expect(broken(podOf(daemon({ usbDaemon })))).toEqual(['volumes of harmless kinds']);
  }
});

it('is known to break each rule where it is broken', () => {
  const bad = { allowPrivilegeEscalation: null, runAsUser: 0, privileged: true, capabilities: { add: ['SYS_ADMIN'], drop: null }, procMount: 'Unmasked' };
  const pod = podOf(daemon({ usbDaemon: { securityContext: bad, podSecurityContext: { runAsNonRoot: null, seccompProfile: { type: 'Unconfined' } } } }));
  const container = { ...pod.containers[0], ports: [{ containerPort: 1, hostPort: 1 }], livenessProbe: { httpGet: { host: '10.0.0.1' } } };
  const securityContext = { ...pod.securityContext, windowsOptions: { hostProcess: true }, appArmorProfile: { type: 'Unconfined' }, seLinuxOptions: { role: 'x' }, sysctls: [{ name: 'kernel.msgmax' }] };
  expect(broken({ ...pod, securityContext, hostPID: true, containers: [container], volumes: [{ name: 'x', hostPath: {} }] })).toEqual(Object.keys(RULES));
});

it('holds no role in the cluster', () => {
  expect([...rendered({}, { apis: OPERATOR }).keys()].filter((name) => /Role|Cluster/.test(name))).toEqual([]);
  expect(rendered().get('ServiceAccount/it').automountServiceAccountToken).toBe(false);
});

describe('secrets', () => {
  it('are files that only the pod’s group reads, and stand in no variable and no configuration', () => {
    for (const values of [{}, EXTERNAL]) {
      const pod = podOf(daemon(values));
      const { defaultMode, sources } = pod.volumes.find(({ name }) => name === 'secrets').projected;
      expect([defaultMode, sources.map(({ secret: { items } }) => items[0].path)]).toEqual([0o440, ['token', 'redis-password']]);
      const container = pod.containers[0];
      expect(container.env.filter(({ name, value, valueFrom }) => /PASSWORD|TOKEN/.test(name) && (valueFrom || !value.startsWith('/run/secrets/autoweave/')))).toEqual([]);
      expect(variable(container, 'REDIS_PASSWORD_FILE').value).toBe('/run/secrets/autoweave/redis-password');
      expect(configOf(rendered(values)).redis).not.toHaveProperty('password');
    }
    expect(podOf(rendered().get('StatefulSet/it-redis')).volumes.find(({ name }) => name === 'password').secret.defaultMode).toBe(0o440);
  });

  it('of a server without a password are not asked for', () => {
    for (const values of [{ redis: { auth: { enabled: false } } }, { redis: { enabled: false } }, { redis: { enabled: false }, externalRedis: { host: 'x' } }]) {
      const pod = podOf(daemon(values));
      expect(pod.volumes.find(({ name }) => name === 'secrets').projected.sources.map(({ secret: { items } }) => items[0].path)).toEqual(['token']);
      expect(variable(pod.containers[0], 'REDIS_PASSWORD_FILE')).toBe(undefined);
    }
  });

  it('are made where none is named, and not where one is', () => {
    const made = rendered();
    expect(Buffer.from(made.get('Secret/it').data.token, 'base64').toString()).toMatch(/^\w{40}$/);
    expect(Buffer.from(made.get('Secret/it-redis').data['redis-password'], 'base64').toString()).toMatch(/^\w{40}$/);
    const named = rendered({ monitoring: { token: { existingSecret: 'a', existingSecretKey: 'b' } }, redis: { auth: { existingSecret: 'c', existingSecretPasswordKey: 'd' } } }, { apis: OPERATOR });
    expect([...named.keys()].filter((name) => name.startsWith('Secret/'))).toEqual([]);
    const { sources } = podOf(named.get('DaemonSet/it')).volumes.find(({ name }) => name === 'secrets').projected;
    expect(sources.map(({ secret }) => [secret.name, secret.items[0].key])).toEqual([['a', 'b'], ['c', 'd']]);
    expect(podOf(named.get('StatefulSet/it-redis')).volumes.find(({ name }) => name === 'password').secret).toMatchObject({ secretName: 'c', items: [{ key: 'd' }] });
    expect(named.get('ServiceMonitor/it').spec.endpoints[0].authorization.credentials).toEqual({ name: 'a', key: 'b' });
  });

  it('are kept by an upgrade, and made where the cluster has none of that name or key', async () => {
    const kept = { 'usb-usb-daemon': { token: 'a token' }, 'usb-usb-daemon-redis': { 'redis-password': 'a password' } };
    expect(await upgraded(kept)).toEqual(kept);
    const { 'usb-usb-daemon': { token }, 'usb-usb-daemon-redis': redis } = await upgraded({ 'usb-usb-daemon-redis': { another: 'x' } });
    expect([token, redis['redis-password']]).toEqual([expect.stringMatching(/^\w{40}$/), expect.stringMatching(/^\w{40}$/)]);
    expect(token).not.toBe(redis['redis-password']);
  });

  it('of certificates are files as well', () => {
    const values = { ...EXTERNAL, externalRedis: { ...EXTERNAL.externalRedis, tls: { enabled: true, existingSecret: 'authority', certKey: 'tls.crt', keyKey: 'tls.key' } } };
    expect(configOf(rendered(values)).redis.tls).toEqual({ ca: '/etc/autoweave-tls/ca.crt', cert: '/etc/autoweave-tls/tls.crt', key: '/etc/autoweave-tls/tls.key' });
    expect(podOf(daemon(values)).volumes.find(({ name }) => name === 'redis-tls').secret).toEqual({ secretName: 'authority', defaultMode: 0o440 });
    expect(configOf(rendered({ ...EXTERNAL, externalRedis: { host: 'x', tls: { enabled: true } } })).redis.tls).toBe(true);
  });
});

describe('the network', () => {
  const policy = (values) => rendered(values).get('NetworkPolicy/it').spec;
  const ports = (rules) => rules.flatMap(({ ports: each }) => each.map(({ port }) => port));

  it('lets daemons ask DNS and Redis, and be asked by what watches them', () => {
    const { policyTypes, ingress, egress } = policy();
    expect([policyTypes, ports(ingress), ports(egress)]).toEqual([['Ingress', 'Egress'], [8080], [53, 53, 6379]]);
    expect([...ingress.map(({ from }) => from.length), ...egress.map(({ to }) => to.length)].every((count) => count > 0)).toBe(true);
  });

  it('lets them ask another Redis and a collector at their ports', () => {
    const otlp = { endpoint: 'https://collector' };
    const url = (externalRedis) => policy({ redis: { enabled: false }, externalRedis, otlp });
    expect(ports(policy({ ...EXTERNAL, otlp: { endpoint: 'http://collector.monitoring:4318/x' } }).egress)).toEqual([53, 53, 6380, 4318]);
    expect(ports(url({ url: 'rediss://user@redis.example:7000/1' }).egress)).toEqual([53, 53, 7000, 443]);
    expect(ports(url({ url: 'redis://redis.example' }).egress)).toEqual([53, 53, 6379, 443]);
    expect(policy({ ...EXTERNAL, networkPolicy: { externalRedisTo: [{ ipBlock: { cidr: '10.0.0.0/8' } }] } }).egress[1].to).toEqual([{ ipBlock: { cidr: '10.0.0.0/8' } }]);
  });

  it('lets nothing out where nothing is sent, and nobody in where nothing is watched', () => {
    const { ingress, egress } = policy({ redis: { enabled: false }, monitoring: { enabled: false } });
    expect([ingress, egress]).toEqual([[], []]);
  });

  it('keeps Redis for daemons and labeled pods of the namespace', () => {
    const { ingress, egress } = rendered().get('NetworkPolicy/it-redis').spec;
    expect(egress).toEqual([]);
    expect(ingress).toHaveLength(1);
    expect(ingress[0].from.map(({ podSelector: { matchLabels } }) => matchLabels['app.kubernetes.io/component'] ?? matchLabels)).toEqual(['daemon', { 'usb-usb-daemon-redis-client': 'true' }]);
  });
});

it('names the node in events, not the pod', () => {
  expect(variable(containerOf(daemon()), 'USB_DAEMON_HOST_NAME').valueFrom).toEqual({ fieldRef: { fieldPath: 'spec.nodeName' } });
});

it('leaves OpenShift the choice of users', () => {
  const none = { runAsUser: null, runAsGroup: null, fsGroup: null };
  const manifests = rendered({ usbDaemon: { podSecurityContext: none }, redis: { podSecurityContext: none } });
  for (const name of PODS) {
    expect(Object.keys(podOf(manifests.get(name)).securityContext).filter((key) => key in none)).toEqual([]);
    expect(broken(podOf(manifests.get(name)))).toEqual([]);
  }
});

it('has no value of the specification that makes it privileged unless somebody insists', () => {
  expect(text()).not.toMatch(/privileged/);
  const container = containerOf(daemon({ usbDaemon: { securityContext: { privileged: true, allowPrivilegeEscalation: null } } }));
  expect(container.securityContext).toMatchObject({ privileged: true, readOnlyRootFilesystem: true });
});
