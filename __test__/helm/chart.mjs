// The Helm chart as helm renders it, parsed as Kubernetes reads it: YAML 1.1, in which 0440 is octal.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../daemon.mjs';
import { fakeCluster } from './fake-cluster.mjs';

export const chart = join(packageRoot, 'deploy/helm');
export const RELEASE = 'usb';
const NAMESPACE = 'autoweave';
/** What a cluster with Prometheus' operator says that it knows. */
export const OPERATOR = ['monitoring.coreos.com/v1/ServiceMonitor', 'monitoring.coreos.com/v1/PrometheusRule'];
const program = join(packageRoot, '.cache/tools/bin/helm');
const modules = join(packageRoot, '.cache/kubernetes/python');

/** Runs helm with these values; gives its exit code and what it said. */
export function helm(args, values = {}) {
  // What is JSON is YAML.
  const run = spawnSync(program, [...args, '--values', '-'], { input: JSON.stringify(values), encoding: 'utf8' });
  if (run.error) throw new Error(`helm cannot start: ${run.error.message}; run sh scripts/setup/test.sh`);
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

const template = (release, apis) => ['template', release, chart, '--namespace', NAMESPACE, ...apis.flatMap((api) => ['--api-versions', api])];

const made = new Map();

/** The manifests as text: of the same values once and for all. */
export function text(values = {}, { apis = [], release = RELEASE } = {}) {
  const key = JSON.stringify([values, apis, release]);
  if (!made.has(key)) {
    const { code, stdout, stderr } = helm(template(release, apis), values);
    if (code !== 0) throw new Error(stderr);
    made.set(key, stdout);
  }
  return made.get(key);
}

/** Why helm renders nothing of these values; null where it does. */
export function refusal(values) {
  const { code, stderr } = helm(template(RELEASE, []), values);
  return code === 0 ? null : stderr;
}

/** What is said after an installation. */
export function notes(values = {}) {
  const said = helm(['install', RELEASE, chart, '--namespace', NAMESPACE, '--dry-run=client'], values);
  if (said.code !== 0) throw new Error(said.stderr);
  return said.stdout.split('\nNOTES:\n')[1];
}

/** Documents of YAML as objects. */
export function parsed(yaml) {
  const program = 'import json, sys, yaml; json.dump([d for d in yaml.load_all(sys.stdin, yaml.CSafeLoader) if d], sys.stdout)';
  return JSON.parse(execFileSync('python3', ['-c', program], { input: yaml, env: { ...process.env, PYTHONPATH: modules }, encoding: 'utf8', maxBuffer: 1 << 24 }));
}

/** The secrets that an upgrade makes in a cluster that has these, both as `{ name: { key: text } }`. */
export async function upgraded(secrets) {
  const { kubeconfig, close } = await fakeCluster(secrets, { name: RELEASE, namespace: NAMESPACE });
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-cluster-'));
  try {
    writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig));
    const args = [...template(RELEASE, []), '--dry-run=server', '--disable-openapi-validation', '--kubeconfig', join(folder, 'kubeconfig')];
    const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, HELM_CACHE_HOME: folder } });
    const textOf = (data) => Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
    return Object.fromEntries(parsed(stdout).filter(({ kind }) => kind === 'Secret').map(({ metadata, data }) => [metadata.name, textOf(data)]));
  } finally {
    close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const read = new Map();

/** The manifests by `Kind/name`, the name without the release's own. */
export function rendered(values, options) {
  const manifests = text(values, options);
  if (!read.has(manifests)) read.set(manifests, JSON.stringify(parsed(manifests)));
  const all = JSON.parse(read.get(manifests));
  return new Map(all.map((manifest) => [`${manifest.kind}/${manifest.metadata.name.replace('usb-usb-daemon', 'it')}`, manifest]));
}

export const podOf = (manifest) => manifest.spec.template.spec;
export const containerOf = (manifest) => podOf(manifest).containers[0];
/** The daemon's configuration. */
export const configOf = (manifests) => JSON.parse(manifests.get('ConfigMap/it').data['usb-daemon.json']);
export const DEFAULTS = parsed(readFileSync(join(chart, 'values.yaml'), 'utf8'))[0];

/** kubernetes-validate itself, which else reads its schemas anew for each manifest, and YAML slowly. */
const VALIDATE = `
import functools, sys, yaml
import kubernetes_validate.utils as utils
from kubernetes_validate.__main__ import main
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)
yaml.SafeLoader = yaml.CSafeLoader
sys.exit(main())`;

/** Runs kubernetes-validate on files with manifests; gives what it said, a line for each. */
export function kubernetesValidate(files, versions) {
  const args = ['-c', VALIDATE, '--strict', ...versions.flatMap((version) => ['-k', version]), ...files];
  const { status, stdout, stderr } = spawnSync('python3', args, { env: { ...process.env, PYTHONPATH: modules }, encoding: 'utf8' });
  if (stderr) throw new Error(stderr);
  return { code: status, lines: stdout.trim().split('\n') };
}
