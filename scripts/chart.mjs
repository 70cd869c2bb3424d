// Writes what the Helm chart has of the rest of the repository, since a chart can read no file outside its own folder: the alert rules,
// the dashboard, and within values.schema.json the schema of the daemon's configuration.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => new URL(`../${path}`, import.meta.url);
const read = (path) => readFileSync(at(path), 'utf8');

const COPIES = {
  'deploy/helm/files/rules.yml': 'deploy/prometheus/rules.yml',
  'deploy/helm/files/usb-daemon.json': 'deploy/grafana/usb-daemon.json',
};
const SCHEMA = 'deploy/helm/values.schema.json';

/** The schema of the values, with that of the configuration as it is now. */
function schema() {
  const values = JSON.parse(read(SCHEMA));
  const { $schema, title, ...config } = JSON.parse(read('usb-daemon.schema.json'));
  delete config.properties.$schema;
  values.properties.usbDaemon.properties.config = config;
  return `${JSON.stringify(values, null, 2)}\n`;
}

/** What each of the chart's files should hold, by its path. */
export function files() {
  const copies = Object.entries(COPIES).map(([path, source]) => [path, read(source)]);
  return Object.fromEntries([...copies, [SCHEMA, schema()]]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, content] of Object.entries(files())) writeFileSync(at(path), content);
}
