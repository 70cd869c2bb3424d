'use strict';

const { coded, jsonOf, reasonOf } = require('./failure.js');
const { NativeDaemon } = require('./native.js');

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

function isPlainObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `config` over `defaults`: objects are merged, everything else replaces; undefined is missing. */
function over(defaults, config) {
  const merged = { ...defaults };
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined) continue;
    merged[key] = isPlainObject(value) && isPlainObject(defaults[key]) ? over(defaults[key], value) : value;
  }
  return merged;
}

/** `config` over `defaults`; what cannot be read is the caller's fault. */
function completed(defaults, config) {
  if (!isPlainObject(config)) return config;
  try {
    return over(defaults, config);
  } catch (cause) {
    throw coded('ERR_USB_CONFIG', `the configuration cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** The JSON that the addon reads. */
function configurationJson(config) {
  return jsonOf(completed(defaultConfig, config), 'ERR_USB_CONFIG', 'the configuration');
}

/** The key `redis` alone, over what the environment says. */
function redisConfiguration(redis) {
  return completed(defaultConfig.redis, redis);
}

module.exports = { configurationJson, defaultConfig, redisConfiguration };
