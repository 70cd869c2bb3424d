// The Helm chart's manifests before those who judge them: Kubernetes' own schemas, the Prometheus Operator's kinds, promtool.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from './daemon.mjs';
import { kubernetesValidate, OPERATOR, parsed, rendered, text } from './helm/chart.mjs';
import { promtool } from './prometheus-server.mjs';

/** Those that scripts/setup/kubernetes.sh has kept: the oldest that the chart admits, the newest, and two between them. */
const VERSIONS = ['1.25', '1.29', '1.33', '1.37'];
const SETS = {
  'as they are': {},
  'with another Redis': { redis: { enabled: false }, externalRedis: { host: 'x', username: 'u', existingSecret: 's', tls: { enabled: true, existingSecret: 't' } } },
  'with another Redis by its URL': { redis: { enabled: false }, externalRedis: { url: 'rediss://x:7000' }, networkPolicy: { externalRedisTo: [{ ipBlock: { cidr: '10.0.0.0/8' } }] } },
  'with folders of the node': { usbDaemon: { outbox: { type: 'hostPath' }, devBusUsb: { enabled: true } } },
  'with as little as there can be': { redis: { enabled: false }, monitoring: { enabled: false }, networkPolicy: { enabled: false }, usbDaemon: { serviceAccount: { create: false }, tolerations: [], resources: null, securityContext: null, podSecurityContext: null } },
  'with everything else': {
    usbDaemon: {
      image: { digest: `sha256:${'0'.repeat(64)}`, pullSecrets: [{ name: 'r' }] },
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'hardware/usb', operator: 'Exists' }] }] } } },
      updateStrategy: { type: 'OnDelete', rollingUpdate: null },
      priorityClassName: 'p',
      podAnnotations: { a: 'b' },
      podLabels: { a: 'b' },
      serviceAccount: { annotations: { a: 'b' } },
      extraEnv: [{ name: 'OTEL_SERVICE_NAME', value: 'x' }, { name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }],
    },
    redis: { auth: { enabled: false }, persistence: { enabled: false }, priorityClassName: 'p', tolerations: [{ operator: 'Exists' }], nodeSelector: { a: 'b' }, affinity: { podAntiAffinity: {} } },
    otlp: { endpoint: 'http://collector:4318', existingSecret: 's' },
    monitoring: { serviceMonitor: { labels: { release: 'r' } }, prometheusRule: { labels: { release: 'r' } }, dashboard: { annotations: { a: 'b' } } },
    networkPolicy: { redisFrom: [{ podSelector: {} }], otlpTo: [{ podSelector: {} }], monitoringFrom: [], dnsTo: [] },
  },
  'with words that YAML takes for something else': {
    fullnameOverride: 'null',
    usbDaemon: { logLevel: 'off', priorityClassName: '123', serviceAccount: { name: 'true' }, nodeSelector: { a: 'true' }, outbox: { emptyDir: { sizeLimit: '100' } }, podAnnotations: { a: '1' } },
    redis: { auth: { existingSecret: '0403', existingSecretPasswordKey: '1' }, persistence: { storageClass: 'yes', size: '1000' } },
    monitoring: { token: { existingSecret: '12', existingSecretKey: 'off' } },
    otlp: { endpoint: 'http://1', existingSecret: '1e3', existingSecretHeadersKey: 'on' },
  },
  'with a claim of a class': { redis: { persistence: { storageClass: 'fast', size: '500Mi' } } },
};

const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-chart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name, content) {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

it('are valid for each version of Kubernetes, with any set of values', () => {
  const paths = Object.entries(SETS).map(([name, values]) => file(`${name.replaceAll(' ', '-')}.yaml`, text(values, { apis: OPERATOR })));
  const { code, lines } = kubernetesValidate(paths, VERSIONS);
  const kinds = new Set(lines.filter((line) => line.startsWith('WARN')).map((line) => /for kind (\w+)/.exec(line)[1]));
  expect(lines.filter((line) => !/^(INFO|WARN) /.test(line))).toEqual([]);
  // Of these there is no schema there; see below.
  expect([...kinds].sort()).toEqual(['PrometheusRule', 'ServiceMonitor']);
  expect(code).toBe(0);
  const passed = lines.filter((line) => /passed for resource daemonset/.test(line));
  expect(passed).toHaveLength(paths.length * VERSIONS.length);
});

it('would be found out where they were not', () => {
  const bad = text().replace('terminationGracePeriodSeconds', 'terminationGraceSeconds');
  const { code, lines } = kubernetesValidate([file('bad.yaml', bad)], ['1.29']);
  expect([code, lines.filter((line) => line.startsWith('ERROR'))]).toEqual([1, [expect.stringContaining("'terminationGraceSeconds' was unexpected")]]);
});

describe('of the Prometheus Operator', () => {
  const models = join(packageRoot, '.cache/kubernetes/node_modules');
  const of = (kind) => [SETS['as they are'], SETS['with everything else']].map((values) => rendered(values, { apis: OPERATOR }).get(`${kind}/it`));

  it.each(['ServiceMonitor', 'PrometheusRule'])('%s has what its kind wants', async (kind) => {
    const module = await import(pathToFileURL(join(models, `@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/${kind}.js`)).href);
    const manifests = of(kind);
    for (const manifest of manifests) new module[kind](manifest).validate();
    expect(() => new module[kind]({ ...manifests[0], spec: { endpoints: 7, groups: 7 } }).validate()).toThrow('must be array');
  });

  it('has nothing that its kind does not know', () => {
    // The types know each field, and an object that is written down may have no other one.
    symlinkSync(models, join(folder, 'node_modules'));
    const typed = (kind, manifests) => [
      `import type { I${kind} } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/${kind}';`,
      ...manifests.map((manifest, at) => `export const ${kind}${at}: I${kind} = ${JSON.stringify(manifest)};`),
    ];
    const monitors = of('ServiceMonitor');
    const [{ spec, ...rest }] = monitors;
    const bad = { ...rest, spec: { ...spec, endpoints: [{ ...spec.endpoints[0], intervall: '30s' }] } };
    const good = file('good.ts', [...typed('ServiceMonitor', monitors), ...typed('PrometheusRule', of('PrometheusRule'))].join('\n'));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler'];
    const { stdout } = spawnSync(join(packageRoot, 'node_modules/.bin/tsc'), [...options, good, file('bad.ts', typed('ServiceMonitor', [bad]).join('\n'))], { cwd: folder, encoding: 'utf8' });
    expect(stdout.trim().split('\n').filter((line) => /error TS/.test(line))).toEqual([expect.stringMatching(/^bad\.ts.*intervall.* does not exist/)]);
  });

  it('has the rules that Prometheus’ own tool accepts, with their templates as they are', async () => {
    const { spec } = rendered({}, { apis: OPERATOR }).get('PrometheusRule/it');
    const { code, said } = await promtool(['check', 'rules', file('rules.json', JSON.stringify(spec))]);
    expect([code, said]).toEqual([0, expect.stringMatching(/SUCCESS: \d+ rules found/)]);
    expect(spec).toEqual(parsed(execFileSync('cat', [join(packageRoot, 'deploy/prometheus/rules.yml')], { encoding: 'utf8' }))[0]);
    expect(JSON.stringify(spec)).toContain('{{ $labels.instance }}');
  });

  it('gives series the job that the rules go by, and the node for an instance', () => {
    const { spec } = rendered({}, { apis: OPERATOR }).get('ServiceMonitor/it');
    expect(spec.endpoints[0].relabelings).toEqual([
      { targetLabel: 'job', replacement: 'usb-daemon' },
      { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'instance' },
    ]);
    expect(spec.endpoints[0].interval).toBe('30s');
    expect(JSON.stringify(rendered({}, { apis: OPERATOR }).get('PrometheusRule/it').spec)).toContain('job=\\"usb-daemon\\"');
  });

  it('is made only where the cluster knows it', () => {
    expect([...rendered().keys()].filter((name) => /Monitor|Rule/.test(name))).toEqual([]);
    expect([...rendered({ monitoring: { serviceMonitor: { enabled: false }, prometheusRule: { enabled: false } } }, { apis: OPERATOR }).keys()].filter((name) => /Monitor|Rule/.test(name))).toEqual([]);
  });
});

it('has the dashboard as Grafana’s sidecar looks for it', () => {
  const { metadata, data } = rendered().get('ConfigMap/it-dashboard');
  expect(metadata.labels.grafana_dashboard).toBe('1');
  expect(JSON.parse(data['usb-daemon.json']).uid).toBe('autoweave-usb-daemon');
});
