// Writes the bill of materials of what is published, as CycloneDX 1.6: each crate of the addons of all targets, and the C that some
// of them carry. What only takes part in the build is in it as "excluded". The same commit gives the same bytes.
//
//   node scripts/release/sbom.mjs [--target TRIPLE]... [--output sbom.cdx.json]

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const ADDON = 'autoweave-usb-daemon';
const TARGETS = [
  'x86_64-unknown-linux-gnu', 'aarch64-unknown-linux-gnu', 'armv7-unknown-linux-gnueabihf', 'x86_64-unknown-linux-musl', 'aarch64-unknown-linux-musl',
  'x86_64-apple-darwin', 'aarch64-apple-darwin', 'x86_64-pc-windows-msvc', 'aarch64-pc-windows-msvc',
];
/** The crates that link foreign code, by what they link: what that is, and which of their files says which version. Null: it is the system's. */
const FOREIGN = {
  'usb-1.0': { name: 'libusb', license: 'LGPL-2.1-or-later', file: 'libusb/libusb/version.h', version: libusbVersion },
  sqlite3: { name: 'sqlite', license: 'blessing', file: 'sqlite3/sqlite3.h', version: (text) => /#define SQLITE_VERSION\s+"(.+)"/.exec(text)?.[1] },
  IOKit: null,
  ring: { name: 'boringssl', license: 'Apache-2.0 AND ISC', version: undefined },
};

const { values } = parseArgs({ options: { target: { type: 'string', multiple: true, default: TARGETS }, output: { type: 'string' } } });
const cargo = (...args) => execFileSync('cargo', args, { cwd: checkout, encoding: 'utf8', maxBuffer: 1 << 28 });
const metadata = JSON.parse(cargo('metadata', '--format-version', '1', '--locked'));
const byKey = new Map(metadata.packages.map((each) => [`${each.name}@${each.version}`, each]));
const checksums = new Map();
for (const [, name, version, sum] of readFileSync(join(checkout, 'Cargo.lock'), 'utf8').matchAll(/^name = "(.+)"\nversion = "(.+)"\nsource = .+\nchecksum = "(.+)"/gm)) {
  checksums.set(`${name}@${version}`, sum);
}

/** The crates, as name@version, that the addon of some targets is made of (`normal,no-proc-macro`) or made with. */
function crates(targets, edges) {
  const options = targets.flatMap((target) => ['--target', target]);
  const lines = cargo('tree', '--locked', '-p', ADDON, ...options, '-e', edges, '--prefix', 'none', '-f', '{p}').split('\n');
  return new Set(lines.filter(Boolean).map((line) => line.replace(/^(\S+) v(\S+).*/, '$1@$2')));
}

const used = crates(values.target, 'normal,build');
const inside = new Map();
for (const target of values.target) {
  for (const key of crates([target], 'normal,no-proc-macro')) inside.set(key, [...(inside.get(key) ?? []), target]);
}

/** The crates of this workspace have no version of their own to be found by. */
const isOurs = (key) => byKey.get(key).source === null;
const refOf = (key) => (isOurs(key) ? key : `pkg:cargo/${key}`);

function libusbVersion(text) {
  const part = (name) => new RegExp(`#define LIBUSB_${name} (\\d+)`).exec(text)?.[1];
  return [part('MAJOR'), part('MINOR'), part('MICRO')].join('.');
}

/** The data that a crate of ours has its build take from another one, which is only in the build otherwise. */
function dataOf({ name }) {
  if (name !== 'usb-daemon-names') return [];
  const source = metadata.packages.find((each) => each.name === 'usb-ids');
  const version = /^# Version: (\S+)$/m.exec(readFileSync(join(dirname(source.manifest_path), 'src/usb.ids'), 'utf8'))?.[1];
  if (!version) throw new Error(`usb-ids ${source.version}: no version in src/usb.ids`);
  return [{ type: 'data', 'bom-ref': `${name}#usb.ids`, name: 'usb.ids', version, licenses: [{ expression: 'GPL-2.0-or-later OR BSD-3-Clause' }] }];
}

/** The foreign code that a crate brings along, as components of their own. */
function foreignOf({ name, links, manifest_path: manifest }) {
  if (!links || name === ADDON) return [];
  const known = FOREIGN[links.replace(/^ring_core_.*/, 'ring')];
  if (known === null) return [];
  if (!known) throw new Error(`${name} links ${links}, of which scripts/release/sbom.mjs does not know whether it carries foreign code`);
  const version = known.file && known.version(readFileSync(join(dirname(manifest), known.file), 'utf8'));
  if (known.file && !/^\d+\.\d+/.test(version ?? '')) throw new Error(`${name}: no version in ${known.file}`);
  return [{
    type: 'library',
    'bom-ref': `${name}#${known.name}`,
    name: known.name,
    ...(version && { version, purl: `pkg:generic/${known.name}@${version}` }),
    licenses: [{ expression: known.license }],
  }];
}

function componentOf(key) {
  const crate = byKey.get(key);
  const targets = inside.get(key);
  const foreign = targets ? [...foreignOf(crate), ...dataOf(crate)] : [];
  const everywhere = !targets || targets.length === values.target.length;
  return {
    type: 'library',
    'bom-ref': refOf(key),
    name: crate.name,
    version: crate.version,
    scope: targets ? 'required' : 'excluded',
    ...(checksums.has(key) && { hashes: [{ alg: 'SHA-256', content: checksums.get(key) }] }),
    licenses: [crate.license ? { expression: crate.license.replaceAll('/', ' OR ') } : { license: { name: `see ${crate.license_file}` } }],
    ...(!isOurs(key) && { purl: `pkg:cargo/${key}` }),
    ...(foreign.length > 0 && { components: foreign }),
    ...(!everywhere && { properties: targets.map((value) => ({ name: 'autoweave:target', value })) }),
  };
}

const keys = [...used].sort();
const keyOf = new Map(metadata.packages.map((each) => [each.id, `${each.name}@${each.version}`]));
const { name, version, license, description, dependencies } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
if (dependencies) throw new Error('package.json has dependencies, which this bill of materials does not list');
const root = `pkg:npm/${name.replace('@', '%40')}@${version}`;
const content = {
  components: keys.map(componentOf),
  dependencies: [
    { ref: root, dependsOn: [refOf(`${ADDON}@${version}`)] },
    ...keys.map((key) => {
      const { dependencies: of } = metadata.resolve.nodes.find(({ id }) => keyOf.get(id) === key);
      return { ref: refOf(key), dependsOn: of.map((id) => keyOf.get(id)).filter((each) => used.has(each)).map(refOf).sort() };
    }),
  ],
};

/** A UUID of version 8, made of what is listed. */
function serialNumber() {
  const digest = createHash('sha256').update(root).update(JSON.stringify(content)).digest('hex');
  return `urn:uuid:${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  serialNumber: serialNumber(),
  version: 1,
  metadata: {
    timestamp: new Date(execFileSync('git', ['log', '-1', '--format=%cI'], { cwd: checkout, encoding: 'utf8' }).trim()).toISOString(),
    component: { type: 'library', 'bom-ref': root, name, version, description, licenses: [{ expression: license }], purl: root },
  },
  ...content,
};
const text = `${JSON.stringify(bom, null, 2)}\n`;
if (values.output) writeFileSync(values.output, text);
else process.stdout.write(text);
