// Publishes the packed packages of a folder to npm: those of the platforms first, then the one that asks for them. What is there
// already is passed over, so that a run that broke off can be repeated.
//
//   node scripts/release/publish.mjs [--dry-run] [--no-provenance] [dist/npm]
//
// In a workflow with the right to an identity token npm needs no password: it proves to the registry which workflow of which commit
// asks (trusted publishing), and the provenance says the same to everyone.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const MAIN = '@autoweave/usb-daemon';
/** The first npm that knows trusted publishing. */
const OLDEST_NPM = [11, 5, 1];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: { 'dry-run': { type: 'boolean', default: false }, provenance: { type: 'boolean', default: true } },
});
const folder = resolve(positionals[0] ?? 'dist/npm');
const packages = readdirSync(folder).filter((name) => name.endsWith('.tgz')).map((name) => packed(join(folder, name)));

/** What a tarball says of itself. */
function packed(file) {
  const manifest = JSON.parse(execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }));
  const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  return { file, integrity, ...manifest };
}

/** What is not as it must be before anything is published: afterwards nothing can be taken back. */
function faults() {
  const main = packages.find(({ name }) => name === MAIN);
  if (!main) return [`${folder} has no package ${MAIN}`];
  const found = [];
  const asked = Object.entries(main.optionalDependencies ?? {});
  const platforms = packages.filter((each) => each !== main);
  if (asked.length === 0) found.push(`${MAIN} asks for no platform's package`);
  for (const [name, version] of asked) {
    const one = platforms.find((each) => each.name === name);
    if (!one) found.push(`${MAIN} asks for ${name}, which is not there`);
    else if (version !== one.version || version !== main.version) found.push(`${MAIN} ${main.version} asks for ${name} ${version}, and ${one.version} is there`);
  }
  for (const { name, scripts = {} } of packages) {
    if (name !== MAIN && !Object.hasOwn(main.optionalDependencies ?? {}, name)) found.push(`${MAIN} does not ask for ${name}`);
    const run = Object.keys(scripts).filter((script) => /^(pre|post)?install$|^prepare$/.test(script));
    if (run.length > 0) found.push(`${name} runs ${run.join(', ')} where it is installed`);
  }
  if (!values.provenance || values['dry-run']) return found;
  // The registry refuses a provenance that is of another repository than the package names.
  const own = `github.com/${process.env.GITHUB_REPOSITORY}`.toLowerCase();
  for (const { name, repository } of packages) {
    const url = String(repository?.url ?? repository).toLowerCase();
    if (!url.replace(/\.git$/, '').endsWith(own)) found.push(`${name} names ${repository ? url : 'no repository'}, and ${own} publishes it`);
  }
  if (isOlder(npm('--version').trim())) found.push(`npm is older than ${OLDEST_NPM.join('.')}`);
  return found;
}

function isOlder(version) {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  const at = OLDEST_NPM.findIndex((part, index) => part !== parts[index]);
  return at >= 0 && parts[at] < OLDEST_NPM[at];
}

function npm(...args) {
  return execFileSync('npm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The digest of what the registry has under this name and version; undefined where it has none. */
async function published({ name, version }, registry) {
  const answer = await fetch(new URL(name.replace('/', '%2f'), registry));
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`the registry does not say whether it has ${name}: ${answer.status} ${answer.statusText}`);
  return (await answer.json()).versions[version]?.dist.integrity;
}

async function publish(one, registry) {
  const { name, version, file, integrity } = one;
  const there = await published(one, registry);
  if (there === integrity) return console.log(`${name}@${version} is there already`);
  if (there !== undefined && values['dry-run']) return console.log(`${name}@${version} is there already, as another one`);
  if (there !== undefined) throw new Error(`${name}@${version} is there already and is another one: ${there}, not ${integrity}`);
  const tag = version.includes('-') ? 'next' : 'latest';
  const options = ['--access', 'public', '--tag', tag, '--ignore-scripts'];
  if (values.provenance && !values['dry-run']) options.push('--provenance');
  if (values['dry-run']) options.push('--dry-run');
  npm('publish', file, ...options);
  console.log(`${name}@${version} ${values['dry-run'] ? 'would be' : 'is'} published as ${tag}`);
}

const wrong = faults();
for (const each of wrong) console.error(`error: ${each}`);
if (wrong.length > 0) process.exit(1);
try {
  const registry = npm('config', 'get', 'registry').trim();
  for (const one of packages.sort((a, b) => Number(a.name === MAIN) - Number(b.name === MAIN) || a.name.localeCompare(b.name))) await publish(one, registry);
} catch (error) {
  console.error(`error: ${error.stderr || error.message}`);
  process.exitCode = 1;
}
