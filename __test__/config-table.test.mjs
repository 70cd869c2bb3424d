// Every key of the schema, with a good value and bad ones: none crashes, and each bad one is named.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { USBDaemon, packageRoot } from './daemon.mjs';

const { NativeDaemon } = createRequire(import.meta.url)(`${packageRoot}/js/native.js`);
const schema = JSON.parse(NativeDaemon.configurationSchema());

/** What else a key needs around it to be good. */
const CERTIFICATE = pem();
const BESIDE = {
  'redis.tls.cert': { redis: { tls: { key: CERTIFICATE.key } } },
  'redis.tls.key': { redis: { tls: { cert: CERTIFICATE.cert } } },
  'outbox.required': { outbox: { path: '/nowhere/outbox.db' } },
};
/** Good values that a type alone does not give. */
const GOOD = {
  'redis.url': ['redis://h', null],
  'redis.tls.ca': [CERTIFICATE.cert, null],
  'redis.tls.cert': [CERTIFICATE.cert],
  'redis.tls.key': [CERTIFICATE.key],
  'filters.rules[].tags': [['x']],
  'drivers.rules[]': [{ match: { class: 3 } }],
  'drivers.rules[].match': [{ class: 3 }],
};
/** A text of each format, and one that is none. */
const FORMATS = { 'ip-address': ['::1', 'no such'], 'usb-id': ['0x046D', '0x00046d'], tag: ['x', 'a,b'], glob: ['[AB]*', '[AB'], 'port-glob': ['1-4.*', 'no such'], 'host-name': ['usb.lan', 'usb.lan:80'], token: ['hush', 'hu sh'], 'kernel-name': ['ftdi_sio', '../x'] };
/** What is said where these are missing. */
const REQUIRED = {
  'filters.rules[].action': 'filters.rules[0].action is missing',
  'drivers.rules[].match': 'drivers.rules[0].match is missing',
  'redis.tls.cert': 'redis.tls: cert and key go together',
  'redis.tls.key': 'redis.tls: cert and key go together',
};
/** Values of other types than this one. */
const OTHERS = { boolean: [7, 'x', [], null], integer: ['7', true, [], {}, 1.5], number: ['7', true, [], {}], string: [7, true, [], {}], array: [7, true, 'x', {}], object: [7, 'x'] };

/** A certificate that nobody has to trust, and its key. */
function pem() {
  const folder = mkdtempSync(join(tmpdir(), 'usb-daemon-pem-'));
  try {
    const [key, cert] = ['key', 'cert'].map((name) => join(folder, name));
    const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...algorithm, '-keyout', key, '-out', cert, '-subj', '/CN=nobody'], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const variantsOf = (node) => (node.anyOf ?? node.oneOf ?? [node]).flatMap((one) => (one.anyOf || one.oneOf ? variantsOf(one) : [one]));
const typesOf = (node) => [node.type ?? []].flat();

/** All keys as { path, node, inside }: `[]` in a path stands for the elements of a list. */
function keysOf(node, path = '') {
  return variantsOf(node).flatMap((variant) => [
    ...Object.entries(variant.properties ?? {}).flatMap(([key, inner]) => {
      const here = path === '' ? key : `${path}.${key}`;
      return [{ path: here, node: inner }, ...keysOf(inner, here)];
    }),
    ...(variant.items ? [{ path: `${path}[]`, node: variant.items }, ...keysOf(variant.items, `${path}[]`)] : []),
  ]);
}

function goodOf({ path, node }) {
  if (path in GOOD) return GOOD[path];
  return variantsOf(node).flatMap((variant) => {
    if ('const' in variant) return [variant.const];
    if (variant.enum) return variant.enum;
    return typesOf(variant).flatMap((type) => {
      if (type === 'boolean') return [true, false];
      if (type === 'integer' || type === 'number') return [variant.minimum ?? 0, variant.maximum ?? 7];
      if (type === 'string') return [FORMATS[variant.format]?.[0] ?? 'x'];
      if (type === 'array') return [[]];
      return type === 'null' ? [null] : [(variant.required ?? []).reduce((object, key) => ({ ...object, [key]: goodOf({ path: `${path}.${key}`, node: variant.properties[key] })[0] }), {})];
    });
  });
}

/** Values that no variant takes: of a wrong type, and out of its bounds. */
function badOf({ node }) {
  const variants = variantsOf(node);
  const candidates = variants.flatMap((variant) => {
    const bounds = [];
    if ('minimum' in variant) bounds.push(variant.minimum - 1);
    if ('maximum' in variant) bounds.push(variant.maximum + 1);
    if (variant.minLength > 0) bounds.push('');
    if (variant.format in FORMATS) bounds.push(FORMATS[variant.format][1]);
    if ('const' in variant || variant.enum) bounds.push('no such', 7, !variant.const || 'x', null);
    return [...bounds, ...typesOf(variant).flatMap((type) => OTHERS[type] ?? [])];
  });
  return candidates.filter((value) => !variants.some((variant) => takes(variant, value)));
}

function takes(variant, value) {
  if ('const' in variant) return variant.const === value;
  if (variant.enum) return variant.enum.includes(value);
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;
  const types = typesOf(variant);
  if (types.length > 0 && !types.includes(type) && !(type === 'integer' && types.includes('number'))) return false;
  if (typeof value === 'number') return value >= (variant.minimum ?? -Infinity) && value <= (variant.maximum ?? Infinity);
  if (typeof value !== 'string') return true;
  return value.length >= (variant.minLength ?? 0) && FORMATS[variant.format]?.[1] !== value;
}

/** A configuration that has the value at the path, and around it what the path needs. */
function configWith(path, value) {
  const parts = path.replaceAll('[]', '.[]').split('.');
  const inner = parts.reduceRight((inside, part) => {
    if (part === '[]') return [inside];
    return { [part]: inside };
  }, value);
  if (value === 'tag') inner.filters.rules[0].tags = ['x'];
  if (path.startsWith('filters.rules[].')) inner.filters.rules[0] = { action: 'deny', ...inner.filters.rules[0] };
  if (path.startsWith('drivers.rules[].')) {
    // A rule for drivers is about some devices, and an ID is some driver's.
    const match = path.endsWith('.bus_number') ? { class: 3 } : { bus_number: 1 };
    inner.drivers.rules[0] = merged({ match, ...(path.endsWith('.new_id') && { driver: 'x' }) }, inner.drivers.rules[0]);
  }
  return merged(BESIDE[path] ?? {}, inner);
}

function merged(one, other) {
  const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  if (!isObject(one) || !isObject(other)) return other;
  return Object.entries(other).reduce((all, [key, value]) => ({ ...all, [key]: merged(all[key], value) }), one);
}

const shownPath = (path) => path.replaceAll('[]', '[0]');

function faultOf(config) {
  try {
    return void new USBDaemon(config);
  } catch (error) {
    return error;
  }
}

function expectNamed(config, named) {
  const error = faultOf(config);
  expect(error, `${JSON.stringify(config)} is taken`).toBeInstanceOf(Error);
  expect(error.code, `${JSON.stringify(config)}: ${error.message}`).toBe('ERR_USB_CONFIG');
  expect(error.message, JSON.stringify(config)).toContain(named);
  return error;
}

const KEYS = keysOf(schema).filter(({ path }) => path !== '$schema');

it('the table has every key', () => {
  const paths = KEYS.map(({ path }) => path);
  for (const path of ['redis.tls.ca', 'filters.rules[].match.port_path', 'filters.rules[].tags[]', 'sources.netlink.receive_buffer', 'sources[]', 'shutdown_ms']) expect(paths).toContain(path);
  expect(paths.length).toBeGreaterThan(55);
});

describe.each(KEYS)('$path', (key) => {
  const { path } = key;

  it('takes each good value', () => {
    const values = goodOf(key);
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) expect(faultOf(configWith(path, value)), JSON.stringify(value)).toBeUndefined();
  });

  it('may be missing or undefined, or is named where it may not', () => {
    if (path.endsWith(']')) return;
    const without = path === 'filters.rules[].action' ? { filters: { rules: [{}] } } : configWith(path, undefined);
    if (path in REQUIRED) expectNamed(without, REQUIRED[path]);
    else expect(faultOf(without)).toBeUndefined();
  });

  it('names itself where a value is of a wrong type or out of bounds', () => {
    const values = badOf(key);
    expect(values.length).toBeGreaterThan(0);
    for (const value of values) expectNamed(configWith(path, value), `${shownPath(path)} is `);
  });

  it('is what a misspelt key is told it may have been', () => {
    if (path.endsWith(']')) return;
    const name = path.split('.').at(-1);
    const misspelt = `${name.slice(0, -1)}${name.at(-1) === 'x' ? 'y' : 'x'}`;
    const parent = path.slice(0, -name.length);
    const { message } = expectNamed(configWith(`${parent}${misspelt}`, 1), `${shownPath(parent)}${misspelt} is no key: `);
    expect(message).toContain(name);
  });
});

it('and all of them at once are all named', () => {
  // A list is right for those that are one.
  const paths = KEYS.map(({ path }) => path).filter((path) => /^(monitoring|performance|outbox|fallback)\.(?!allowed_hosts)/.test(path));
  const config = {};
  for (const path of paths) {
    const [section, key] = path.split('.');
    config[section] = { ...config[section], [key]: [] };
  }
  const error = expectNamed(config, `${paths.length} faults`);
  for (const path of paths) expect(error.message).toContain(`${path} is a list`);
});
