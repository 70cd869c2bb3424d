'use strict';

const { shown } = require('./device-values.js');
const { coded, reasonOf } = require('./failure.js');
const { NativeDaemon } = require('./native.js');
const { isPlainObject } = require('./plain-object.js');

/** Text of an environment variable as a number where it is one; else the text, for validation to name. */
function numeric(text) {
  if (text === undefined || text === '') return undefined;
  return /^\d+$/.test(text) ? Number(text) : text;
}

const { REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_PASSWORD } = process.env;

function frozen(value) {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/** What the addon and the environment say where the caller says nothing. */
const defaultConfig = frozen(
  over(JSON.parse(NativeDaemon.defaultConfiguration()), {
    redis: { host: REDIS_HOST || undefined, port: numeric(REDIS_PORT), db: numeric(REDIS_DB), password: REDIS_PASSWORD || undefined },
  }),
);

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `config` over `defaults`: objects are merged, everything else replaces; undefined is missing. */
function over(defaults, config) {
  if (!isObject(config)) return config;
  const merged = new Map(Object.entries(defaults));
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const inner = merged.get(key);
    merged.set(key, isObject(inner) ? over(inner, value) : value);
  }
  // Not by assignment, which takes a key `__proto__` for something else.
  return Object.fromEntries(merged);
}

/** A value as JSON has it. What JSON does not know is null in it, and `unknown` gets its path and what it is. */
function asJson(value, path, unknown, around = []) {
  const refuse = (what) => {
    unknown.set(path, what);
    return null;
  };
  if (typeof value !== 'object' || value === null) {
    const isKnown = value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
    return isKnown ? value : refuse(shown(value));
  }
  if (around.includes(value)) return refuse('what it is in');
  const within = [...around, value];
  if (Array.isArray(value)) return Array.from(value, (item, at) => asJson(item, `${path}[${at}]`, unknown, within));
  // Programs have certificates in that form; the addon says in which one it takes them.
  if (path.startsWith('redis.tls.') && Buffer.isBuffer(value)) return value.toJSON();
  if (!isPlainObject(value)) return refuse('no plain object');
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const inside = (key) => (path === '' ? key : `${path}.${key}`);
  return Object.fromEntries(entries.map(([key, inner]) => [key, asJson(inner, inside(key), unknown, within)]));
}

/** What the addon says of a configuration: its warnings, or how many faults it has and which. */
function judged(config) {
  try {
    return { warnings: NativeDaemon.judge(JSON.stringify(config)), count: 0, faults: '' };
  } catch ({ message }) {
    const [head, count = 1] = /^bad configuration(?:, (\d+) faults)?: /.exec(message) ?? [''];
    return { warnings: [], count: Number(count), faults: message.slice(head.length) };
  }
}

/** Whether this is, or is in, an option of ioredis that has no effect here: whatever its value is, the addon only warns of it. */
function isOptionOfIoredis(path) {
  const [, key] = /^redis\.([^.[]+)/.exec(path) ?? [];
  return key !== undefined && judged({ redis: { [key]: null } }).warnings.length > 0;
}

/** ERR_USB_CONFIG: all that is wrong, with what JSON does not know named as what it is. */
function refusal(config, unknown) {
  let { count, faults } = judged(config);
  faults = faults && `; ${faults}`;
  for (const [path, what] of unknown) {
    const where = `; ${path || 'the configuration'} is `;
    if (faults.includes(`${where}null: `)) {
      faults = faults.replace(`${where}null: `, () => `${where}${what}: `);
    } else if (!faults.includes(`${where}no key: `)) {
      count += 1;
      faults += `${where}${what}: expected what JSON knows`;
    }
  }
  return coded('ERR_USB_CONFIG', `bad configuration${count > 1 ? `, ${count} faults` : ''}: ${faults.slice(2)}`);
}

/** `value`, which is the configuration or what it has under the key `name`, over its defaults, as the addon reads it. */
function completed(value, name, defaults) {
  const unknown = new Map();
  let known;
  try {
    known = over(defaults, asJson(value, name, unknown));
  } catch (cause) {
    throw coded('ERR_USB_CONFIG', `the configuration cannot be read: ${reasonOf(cause)}`, { cause });
  }
  for (const path of unknown.keys()) {
    if (isOptionOfIoredis(path)) unknown.delete(path);
  }
  if (unknown.size > 0) throw refusal(name === '' ? known : { [name]: known }, unknown);
  return known;
}

/** The JSON that the addon reads. */
function configurationJson(config) {
  return JSON.stringify(completed(config, '', defaultConfig));
}

/** The key `redis` alone, over what the environment says. What in it has no effect is warned of, as a daemon does. */
function redisConfiguration(redis) {
  const known = completed(redis, 'redis', defaultConfig.redis);
  warn(judged({ redis: known }).warnings);
  return known;
}

function warn(warnings) {
  for (const warning of warnings) process.emitWarning(warning, { code: 'USB_CONFIG' });
}

module.exports = { configurationJson, defaultConfig, redisConfiguration, warn };
