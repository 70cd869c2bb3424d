// The Helm chart: what it refuses, that each value does something and is described, and what it has of the rest of the repository.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { files } from '../scripts/chart.mjs';
import { finished } from './command.mjs';
import { packageRoot } from './daemon.mjs';
import { chart, configOf, containerOf, DEFAULTS, helm, notes, OPERATOR, parsed, podOf, refusal, rendered, text } from './helm/chart.mjs';

const read = (path) => readFileSync(join(packageRoot, path), 'utf8');
const schema = JSON.parse(read('deploy/helm/values.schema.json'));
const EXTERNAL = { redis: { enabled: false }, externalRedis: { host: 'redis.example' } };

/** Values in which the one at `path` is this. */
function at(path, value) {
  return path.split('.').reduceRight((within, key) => ({ [key]: within }), value);
}

function merged(one, other) {
  const isGroup = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  if (!isGroup(one) || !isGroup(other)) return other;
  return Object.fromEntries([...new Set([...Object.keys(one), ...Object.keys(other)])].map((key) => [key, key in other ? (key in one ? merged(one[key], other[key]) : other[key]) : one[key]]));
}

/** The parts of the schema that are groups of values of our own, not Kubernetes' or the daemon's. */
function groupOf(part) {
  const found = part.$ref ? schema.definitions[part.$ref.split('/').at(-1)] : part;
  return found.additionalProperties === false && found.type === 'object' ? found : null;
}

/** Each value by its path, as the schema has them. */
function* paths(part = schema, path = []) {
  for (const [key, value] of Object.entries(part.properties)) {
    if (path.length === 0 && key === 'global') continue;
    const here = [...path, key];
    const group = ['config', 'updateStrategy'].includes(key) ? null : groupOf(value);
    if (group) yield* paths(group, here);
    else yield here.join('.');
  }
}

const PATHS = [...paths()];

const variable = (name) => ({ usbDaemon: { extraEnv: [{ name, value: 'x' }] } });

/** Whether there is a value, a group of them or a key of the configuration of this path. */
function isValue(path) {
  let part = schema;
  for (const key of path.split('.')) {
    if (part.$ref) part = schema.definitions[part.$ref.split('/').at(-1)];
    // `false` or an object.
    part = [part, ...(part.anyOf ?? part.oneOf ?? [])].find(({ properties }) => properties?.[key])?.properties[key];
    if (part === undefined) return false;
  }
  return true;
}

it('is as helm lint wants it, with warnings taken for errors', () => {
  for (const values of [{}, EXTERNAL, { networkPolicy: { enabled: false }, monitoring: { enabled: false } }]) {
    const { code, stdout } = helm(['lint', '--strict', chart], values);
    expect([code, stdout]).toEqual([0, expect.stringContaining('1 chart(s) linted, 0 chart(s) failed')]);
  }
});

it('has the rules, the dashboard and the schema of the configuration as they are elsewhere in the repository', () => {
  for (const [path, content] of Object.entries(files())) expect(read(path) === content, `${path}: run node scripts/chart.mjs`).toBe(true);
});

it('is of the version of the package', () => {
  const { version, appVersion } = parsed(read('deploy/helm/Chart.yaml'))[0];
  expect([version, appVersion]).toEqual(Array(2).fill(JSON.parse(read('package.json')).version));
  expect(containerOf(rendered().get('DaemonSet/it')).image).toBe(`ghcr.io/autoweave/usb-daemon:${appVersion}`);
});

describe('each value', () => {
  it('has a default', () => {
    const missing = PATHS.filter((path) => path.split('.').reduce((value, key) => value?.[key], DEFAULTS) === undefined);
    expect(missing).toEqual([]);
  });

  it('is described, with its default', () => {
    const rows = [...read('deploy/helm/README.md').matchAll(/^\| `([\w.]+)` \| (.*?) \| (.*?) ?\|$/gm)];
    const described = rows.slice(rows.findIndex(([, path]) => path === 'nameOverride'));
    expect(described.map(([, path]) => path)).toEqual(PATHS);
    for (const [, path, shown] of described) {
      const value = path.split('.').reduce((within, key) => within[key], DEFAULTS);
      if (/^`["\d{[tf]/.test(shown)) expect([path, shown]).toEqual([path, `\`${JSON.stringify(value)}\``]);
      else expect([path, typeof value]).toEqual([path, 'object']);
    }
  });

  // What another one has to be for it to matter, and what it can be where a changed default is none that is allowed.
  const EXTERNAL_URL = at('externalRedis.url', 'redis://redis.example');
  const SETTING = {
    'usbDaemon.replicaCount': null,
    'usbDaemon.image.digest': { to: `sha256:${'0'.repeat(64)}` },
    'redis.image.digest': { to: `sha256:${'0'.repeat(64)}` },
    'usbDaemon.image.pullPolicy': { to: 'Always' },
    'redis.image.pullPolicy': { to: 'Always' },
    'usbDaemon.image.pullSecrets': { to: [{ name: 'x' }] },
    'redis.image.pullSecrets': { to: [{ name: 'x' }] },
    'usbDaemon.tolerations': { to: [] },
    'redis.tolerations': { to: [{ operator: 'Exists' }] },
    'usbDaemon.logLevel': { to: 'debug' },
    'usbDaemon.extraEnv': { to: [{ name: 'X', value: 'x' }] },
    'usbDaemon.updateStrategy': { to: { type: 'OnDelete' } },
    'usbDaemon.outbox.type': { to: 'hostPath' },
    'usbDaemon.outbox.emptyDir.sizeLimit': { to: '2Gi' },
    'usbDaemon.outbox.hostPath.path': { to: '/x', base: at('usbDaemon.outbox.type', 'hostPath') },
    'usbDaemon.config': { to: { shutdown_ms: 1 } },
    'usbDaemon.terminationGracePeriodSeconds': { to: 31 },
    'redis.persistence.size': { to: '2Gi' },
    'redis.maxmemory': { to: '1mb' },
    'redis.auth.existingSecretPasswordKey': { base: at('redis.auth.existingSecret', 'x') },
    'externalRedis.host': { base: at('redis.enabled', false), to: 'redis.example' },
    'externalRedis.url': { base: at('redis.enabled', false), to: 'redis://redis.example' },
    'externalRedis.existingSecretPasswordKey': { base: merged(EXTERNAL, at('externalRedis.existingSecret', 'x')) },
    'externalRedis.tls.existingSecret': { base: merged(EXTERNAL, at('externalRedis.tls.enabled', true)) },
    ...Object.fromEntries(['caKey', 'certKey', 'keyKey'].map((key) => [`externalRedis.tls.${key}`, { base: merged(EXTERNAL, at('externalRedis.tls', { enabled: true, existingSecret: 'x' })) }])),
    'monitoring.token.existingSecretKey': { base: at('monitoring.token.existingSecret', 'x') },
    'monitoring.allowedHosts': { to: ['x'] },
    'monitoring.serviceMonitor.interval': { to: '31s' },
    'otlp.endpoint': { to: 'http://collector:4318' },
    'otlp.existingSecretHeadersKey': { base: at('otlp.existingSecret', 'x') },
    'networkPolicy.monitoringFrom': { to: [] },
    'networkPolicy.dnsTo': { to: [] },
    'networkPolicy.externalRedisTo': { base: merged(at('redis.enabled', false), EXTERNAL_URL), to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
    'networkPolicy.otlpTo': { base: at('otlp.endpoint', 'http://collector:4318'), to: [{ podSelector: {} }] },
    'networkPolicy.redisFrom': { to: [{ podSelector: {} }] },
  };

  const another = (value) => {
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'number') return value + 1;
    if (typeof value === 'string') return `${value}x`;
    return { x: 'x' };
  };
  // New ones at each rendering.
  const lasting = (manifests) => manifests.replace(/^ +(token|redis-password): ".{20,}"$/gm, '');

  it.each(PATHS.filter((path) => SETTING[path] !== null))('changes something: %s', (path) => {
    const { base = path.startsWith('externalRedis.') ? EXTERNAL : {}, to = another(path.split('.').reduce((value, key) => value[key], DEFAULTS)) } = SETTING[path] ?? {};
    const changed = merged(base, at(path, to));
    const [before, after] = [base, changed].map((values) => lasting(text(values, { apis: OPERATOR })));
    expect(after).not.toBe(before);
  });
});

describe('refuses', () => {
  it.each([
    ['another number of daemons', { usbDaemon: { replicaCount: 2 } }, 'usbDaemon.replicaCount is 2, and has to be 1: a DaemonSet runs one daemon on each node'],
    ['privilege that contradicts the rest', { usbDaemon: { securityContext: { privileged: true } } }, 'the daemon needs no privilege'],
    ['two daemons on a node during an update', { usbDaemon: { updateStrategy: { rollingUpdate: { maxSurge: 1 } } } }, 'maxSurge has to be 0'],
    ['less time to end than the daemon takes', { usbDaemon: { config: { shutdown_ms: 30000 } } }, 'has to be more than the 30000 ms of usbDaemon.config.shutdown_ms'],
    ['a variable of the chart’s own', variable('LOG_LEVEL'), 'extraEnv names LOG_LEVEL, which other values stand for: use usbDaemon.logLevel'],
    ['a password as a variable', variable('REDIS_PASSWORD'), 'use a secret: redis.auth.existingSecret or externalRedis.existingSecret'],
    ['a token as a variable', variable('USB_DAEMON_HTTP_TOKEN'), 'use a secret: monitoring.token.existingSecret'],
    ['keys of the configuration as a variable', variable('USB_DAEMON_SET'), 'use usbDaemon.config'],
    ['a variable that only other commands know', variable('USB_DAEMON_ROOT'), 'use usbDaemon.config'],
    ['the former name of the server', variable('AUTOWEAVE_REDIS_HOST'), 'use redis or externalRedis'],
    ['a variable of Redis that there is not', variable('REDIS_TLS'), 'use redis or externalRedis'],
    ['two collectors', merged(at('otlp.endpoint', 'http://collector:4318'), variable('OTEL_EXPORTER_OTLP_ENDPOINT')), 'use otlp.endpoint'],
    ['a collector’s credentials in plain text', variable('OTEL_EXPORTER_OTLP_TRACES_HEADERS'), 'use a secret: otlp.existingSecret'],
    ['two servers', { externalRedis: { host: 'x' } }, 'events go to one of them'],
    ['two names of one server', merged(EXTERNAL, at('externalRedis.url', 'redis://x')), 'externalRedis.host and externalRedis.url are both given'],
    ['a database beside a URL', { redis: { enabled: false }, externalRedis: { url: 'redis://x', db: 1 } }, 'write both into the URL'],
    ['credentials for no server', { redis: { enabled: false }, externalRedis: { existingSecret: 'x' } }, 'no server: set externalRedis.host or externalRedis.url'],
    ['a password in a URL', { redis: { enabled: false }, externalRedis: { url: 'redis://u:hush@x' } }, 'externalRedis.url holds a password'],
    ['certificates without TLS', merged(EXTERNAL, at('externalRedis.tls.existingSecret', 'x')), 'externalRedis.tls.enabled is false'],
    ['a secret that no server asks for', { redis: { auth: { enabled: false, existingSecret: 'x' } } }, 'the server would ask for no password'],
    ['a secret of a server that is not made', { redis: { enabled: false, auth: { existingSecret: 'x' } } }, 'use externalRedis.existingSecret'],
    ['an image without a version', { redis: { image: { tag: '' } } }, 'neither a tag nor a digest'],
    ['a key of the configuration that another value sets', { usbDaemon: { config: { monitoring: { host: '127.0.0.1' } } } }, 'usbDaemon.config.monitoring.host is set elsewhere: use nothing: the kubelet'],
    ['a password in the configuration', { usbDaemon: { config: { redis: { password: 'hush' } } } }, 'usbDaemon.config.redis.password is set elsewhere: use a secret'],
    ['no Redis in the configuration', { usbDaemon: { config: { redis: false } } }, 'say redis.enabled: false instead'],
    ['what is no value', { usbDaemon: { repliaCount: 1 } }, "at '/usbDaemon': additional properties 'repliaCount' not allowed"],
    ['what is no key of the configuration', { usbDaemon: { config: { filters: { vendors: [] } } } }, "at '/usbDaemon/config/filters': additional properties 'vendors' not allowed"],
    ['a bad value of the configuration', { usbDaemon: { config: { filters: { device_class_filter: [300] } } } }, "at '/usbDaemon/config/filters/device_class_filter/0': maximum: got 300, want 255"],
    ['a group that is taken away', { monitoring: null }, "at '': missing property 'monitoring'"],
    ['a tag that YAML takes for a number', { usbDaemon: { image: { tag: 1.2 } } }, "at '/usbDaemon/image/tag': got number, want string"],
    ['a port that needs a privilege', { monitoring: { port: 80 } }, "at '/monitoring/port': minimum: got 80, want 1,024"],
  ])('%s', (_, values, reason) => {
    expect(refusal(values)).toContain(reason);
  });

  it('each variable of the daemon, and names a value that there is', async () => {
    const { stdout } = await finished(['run', '--help']);
    const variables = [...stdout.join('\n').matchAll(/\[env:\s+(\w+)\]/g)].map(([, name]) => name).filter((name) => name !== 'USB_DAEMON_SIMULATE');
    expect(variables.length).toBeGreaterThan(20);
    for (const name of variables) {
      const [, named, instead] = /extraEnv names (\w+), which other values stand for: use (?:nothing: |(?:a secret: )?([\w.]+))/.exec(refusal(variable(name)));
      expect(named).toBe(name);
      if (instead) expect([name, instead, isValue(instead)]).toEqual([name, instead, true]);
    }
  });

  it('no variable that simulates devices, that is not the daemon’s, or that takes its value from a secret', () => {
    const extraEnv = [{ name: 'USB_DAEMON_SIMULATE', value: '1' }, { name: 'RUST_LOG', value: 'debug' }, { name: 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }];
    expect(containerOf(rendered({ usbDaemon: { extraEnv } }).get('DaemonSet/it')).env).toEqual(expect.arrayContaining(extraEnv));
  });

  it('nothing that the configuration’s own schema allows', () => {
    const config = { redis: { stream: 'usb', maxlen: 9007199254740991 }, outbox: { retain: 100000000 }, filters: { rules: [{ action: 'tag', match: { class: 8 }, tags: ['disk'] }] } };
    expect(configOf(rendered({ usbDaemon: { config } }))).toMatchObject(config);
  });
});

describe('a change of the configuration', () => {
  const restarts = (config) => rendered({ usbDaemon: { config } }).get('DaemonSet/it').spec.template.metadata.annotations['checksum/config'];

  it('restarts the pods, unless a running daemon takes it over by itself', () => {
    const now = restarts({});
    expect(restarts({ filters: { vendor_whitelist: ['0403'] } })).toBe(now);
    expect(restarts({ performance: { max_events_per_second: 7, batch_size: 3 } })).toBe(now);
    expect(restarts({ performance: { debounce_ms: 60 } })).not.toBe(now);
    expect(restarts({ redis: { stream: 'usb' } })).not.toBe(now);
  });

  it('reaches them at all: the file is in a folder that is mounted whole', () => {
    const mounts = containerOf(rendered().get('DaemonSet/it')).volumeMounts;
    expect(mounts.filter(({ subPath, subPathExpr }) => subPath ?? subPathExpr)).toEqual([]);
    expect(mounts).toContainEqual({ name: 'config', mountPath: '/etc/autoweave', readOnly: true });
  });
});

describe('what is said after an installation', () => {
  it('names the secrets, the stream, the label of readers, and the kinds that the cluster has not', () => {
    const said = notes();
    for (const part of ['secret usb-usb-daemon -o', 'aw:hotplug of usb-usb-daemon-redis.autoweave:6379', "usb-usb-daemon-redis-client: 'true'", 'no ServiceMonitor was made', 'no PrometheusRule was made']) expect(said).toContain(part);
    expect(said).not.toContain('WARNING');
  });

  it.each([
    ['nothing is published', { redis: { enabled: false } }, 'WARNING: no Redis is named'],
    ['Redis asks for no password', { redis: { auth: { enabled: false } } }, 'WARNING: this Redis asks for no password'],
    ['Redis forgets', { redis: { persistence: { enabled: false } } }, 'WARNING: this Redis forgets the stream'],
    ['a folder of the node is mounted', { usbDaemon: { devBusUsb: { enabled: true } } }, 'NOTE: the pods mount a folder of the node'],
    ['a container is privileged', { usbDaemon: { securityContext: { privileged: true, allowPrivilegeEscalation: null } } }, 'WARNING: usbDaemon.securityContext.privileged is true'],
  ])('warns where %s', (_, values, warning) => {
    expect(notes(values)).toContain(warning);
  });
});

it('selects what it makes: no policy, service or monitor speaks of a pod that is not there', () => {
  const manifests = rendered({}, { apis: OPERATOR });
  const matches = (labels, selector) => Object.entries(selector).every(([key, value]) => labels[key] === value);
  const labelsOf = (kind) => manifests.get(kind).spec.template.metadata.labels;
  const [daemon, redis] = [labelsOf('DaemonSet/it'), labelsOf('StatefulSet/it-redis')];
  const selectors = {
    'Service/it': manifests.get('Service/it').spec.selector,
    'NetworkPolicy/it': manifests.get('NetworkPolicy/it').spec.podSelector.matchLabels,
    'DaemonSet/it': manifests.get('DaemonSet/it').spec.selector.matchLabels,
    'Service/it-redis': manifests.get('Service/it-redis').spec.selector,
    'NetworkPolicy/it-redis': manifests.get('NetworkPolicy/it-redis').spec.podSelector.matchLabels,
    'StatefulSet/it-redis': manifests.get('StatefulSet/it-redis').spec.selector.matchLabels,
  };
  for (const [name, selector] of Object.entries(selectors)) {
    expect([name, matches(daemon, selector), matches(redis, selector)]).toEqual([name, !name.endsWith('redis'), name.endsWith('redis')]);
  }
  expect(matches(manifests.get('Service/it').metadata.labels, manifests.get('ServiceMonitor/it').spec.selector.matchLabels)).toBe(true);
  expect(matches(redis, manifests.get('NetworkPolicy/it').spec.egress[1].to[0].podSelector.matchLabels)).toBe(true);
  expect(matches(daemon, manifests.get('NetworkPolicy/it-redis').spec.ingress[0].from[0].podSelector.matchLabels)).toBe(true);
});

it('leaves out what is not asked for', () => {
  const names = [...rendered({ redis: { enabled: false }, monitoring: { enabled: false }, networkPolicy: { enabled: false }, usbDaemon: { serviceAccount: { create: false } } }, { apis: OPERATOR }).keys()];
  expect(names.sort()).toEqual(['ConfigMap/it', 'DaemonSet/it', 'Secret/it']);
});

it('runs on the nodes that the values of the specification choose, and only on Linux', () => {
  const pod = podOf(rendered({ usbDaemon: { nodeSelector: { 'node-role.kubernetes.io/worker': 'true' } } }).get('DaemonSet/it'));
  expect(pod.nodeSelector).toEqual({ 'kubernetes.io/os': 'linux', 'node-role.kubernetes.io/worker': 'true' });
  expect(pod.tolerations).toEqual([{ key: 'hardware/usb', operator: 'Exists', effect: 'NoSchedule' }]);
  expect(containerOf(rendered().get('DaemonSet/it')).resources).toEqual({ requests: { memory: '64Mi', cpu: '50m' }, limits: { memory: '256Mi', cpu: '200m' } });
});

it('has no example in its README that it refuses', () => {
  const examples = [...read('deploy/helm/README.md').matchAll(/```yaml\n(.*?)```/gs)].map(([, example]) => parsed(example)[0]);
  expect(examples).toHaveLength(2);
  for (const values of examples) expect(refusal(values)).toBe(null);
  const chosen = helm(['template', 'usb-daemon', chart, '--set-string', 'usbDaemon.nodeSelector.hardware/usb=true']);
  expect(chosen.stdout).toContain('hardware/usb: "true"');
  expect(read('deploy/helm/README.md')).toContain('--set-string usbDaemon.nodeSelector.hardware/usb=true');
});

it('takes the longest names that Kubernetes allows a release', () => {
  const names = [...text({ nameOverride: 'a'.repeat(40) }, { release: 'b'.repeat(53) }).matchAll(/^ {2}name: (.*)$/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => name.length > 57)).toEqual([]);
});
