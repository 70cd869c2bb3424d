// The bill of materials of a release: whether it is one by CycloneDX's own schema, and whether it says what the addon is made of.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { afterAll, beforeAll, expect, it } from 'vitest';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const sbom = (...args) => execFileSync('node', ['scripts/release/sbom.mjs', ...args], { cwd: checkout, encoding: 'utf8', maxBuffer: 1 << 26 });
const LINUX = ['--target', 'x86_64-unknown-linux-gnu'];

let folder;
let text;
let bom;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'usb-daemon-sbom-'));
  text = sbom();
  bom = JSON.parse(text);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const component = (name) => bom.components.find((each) => each.name === name);

it('is what CycloneDX 1.6 asks for', async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(text)).toBeNull();
});

it('is of the package as npm has it', () => {
  const { name, version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  expect(bom.metadata.component).toMatchObject({ name, version, purl: `pkg:npm/%40autoweave/usb-daemon@${version}` });
});

it('gives the same bytes for the same commit', () => {
  const file = join(folder, 'again.json');
  sbom(...LINUX, '--output', file);
  expect(readFileSync(file, 'utf8')).toBe(sbom(...LINUX));
});

it('names every crate with the digest that the lock file has of it', () => {
  const lock = readFileSync(join(checkout, 'Cargo.lock'), 'utf8');
  const foreign = bom.components.filter(({ purl }) => purl);
  expect(foreign.length).toBeGreaterThan(150);
  for (const { name, version, hashes } of foreign) {
    expect(lock).toContain(`name = "${name}"\nversion = "${version}"\n`);
    expect(lock).toContain(`checksum = "${hashes[0].content}"`);
  }
});

it('has the C and the data that crates carry along, with the version that their sources name', () => {
  const carried = bom.components.flatMap(({ components = [] }) => components);
  expect(carried.map(({ name }) => name).sort()).toEqual(['boringssl', 'libusb', 'sqlite', 'usb.ids']);
  expect(carried.find(({ name }) => name === 'libusb').version).toMatch(/^1\.0\.\d+$/);
  expect(carried.find(({ name }) => name === 'sqlite').version).toMatch(/^3\.\d+\.\d+$/);
  expect(carried.find(({ name }) => name === 'usb.ids')).toMatchObject({ type: 'data', version: expect.stringMatching(/^\d{4}\.\d\d\.\d\d$/) });
});

it('tells what is in the addon from what only makes it, and lists nothing of the tests', () => {
  expect(component('redis').scope).toBe('required');
  expect(component('serde_derive').scope).toBe('excluded');
  expect(component('cc').scope).toBe('excluded');
  expect(['proptest', 'usb-testbed'].map(component)).toEqual([undefined, undefined]);
});

it('says of which targets a crate is where it is not of all', () => {
  expect(component('redis').properties).toBeUndefined();
  const targets = component('schannel').properties.map(({ value }) => value);
  expect(targets).toEqual(['x86_64-pc-windows-msvc', 'aarch64-pc-windows-msvc']);
});

it('leads from the package to every component', () => {
  const reached = new Set();
  const visit = (ref) => {
    if (reached.has(ref)) return;
    reached.add(ref);
    bom.dependencies.find((each) => each.ref === ref).dependsOn.forEach(visit);
  };
  visit(bom.metadata.component['bom-ref']);
  expect(bom.components.map((each) => each['bom-ref']).filter((ref) => !reached.has(ref))).toEqual([]);
});

it('is refused where a crate links something that is not known to it', () => {
  for (const each of ['Cargo.toml', 'Cargo.lock', 'package.json', 'crates', 'src', 'build.rs', '.cargo']) symlinkSync(join(checkout, each), join(folder, each));
  mkdirSync(join(folder, 'scripts/release'), { recursive: true });
  const copy = join(folder, 'scripts/release/sbom.mjs');
  cpSync(join(checkout, 'scripts/release/sbom.mjs'), copy);
  const gitDir = execFileSync('git', ['rev-parse', '--absolute-git-dir'], { cwd: checkout, encoding: 'utf8' }).trim();
  const run = () => spawnSync('node', [copy, ...LINUX, '--output', join(folder, 'copy.json')], { encoding: 'utf8', env: { ...process.env, GIT_DIR: gitDir } });
  expect(run()).toMatchObject({ status: 0, stderr: '' });
  const known = readFileSync(copy, 'utf8');
  expect(known).toContain("'usb-1.0': ");
  writeFileSync(copy, known.replace("'usb-1.0': ", "'something else': "));
  const { status, stderr } = run();
  expect(status).toBe(1);
  expect(stderr).toContain('libusb1-sys links usb-1.0');
});
