// As much of a cluster as helm asks before it installs: which kinds there are, and secrets that are there already.

import { createServer } from 'node:http';
import { once } from 'node:events';

const KINDS = {
  v1: ['ConfigMap', 'Secret', 'Service', 'ServiceAccount'],
  'apps/v1': ['DaemonSet', 'StatefulSet'],
  'networking.k8s.io/v1': ['NetworkPolicy'],
};

/** By path, what a cluster with these secrets of this release answers. */
function answerOf(path, secrets, release) {
  const [, group] = /^\/(?:api|apis)\/(.+)$/.exec(path) ?? [];
  const [, secret] = /\/secrets\/(.+)$/.exec(path) ?? [];
  if (path === '/version') return { major: '1', minor: '33', gitVersion: 'v1.33.0' };
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') {
    const groups = Object.keys(KINDS).filter((version) => version.includes('/'));
    const versionOf = (groupVersion) => ({ groupVersion, version: groupVersion.split('/')[1] });
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((each) => ({ name: each.split('/')[0], versions: [versionOf(each)], preferredVersion: versionOf(each) })) };
  }
  if (KINDS[group]) {
    const resources = KINDS[group].map((kind) => ({ name: kind === 'NetworkPolicy' ? 'networkpolicies' : `${kind.toLowerCase()}s`, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: ['get', 'list', 'create'] }));
    return { kind: 'APIResourceList', groupVersion: group, resources };
  }
  if (secrets[secret]) {
    const data = Object.fromEntries(Object.entries(secrets[secret]).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
    const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
    const annotations = { 'meta.helm.sh/release-name': release.name, 'meta.helm.sh/release-namespace': release.namespace };
    return { apiVersion: 'v1', kind: 'Secret', metadata: { name: secret, labels, annotations }, data };
  }
  return null;
}

/** A cluster that has these secrets (`{ name: { key: text } }`) of this release: gives a kubeconfig for it; `close` ends it. */
export async function fakeCluster(secrets, release) {
  const server = createServer(({ url }, response) => {
    const answer = answerOf(new URL(url, 'http://cluster').pathname, secrets, release);
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message: 'not found' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const name = 'fake';
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `http://127.0.0.1:${server.address().port}` } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { kubeconfig, close };
}
