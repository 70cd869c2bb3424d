'use strict';

const { coded, jsonOf, reasonOf } = require('./failure.js');

/** Text of an environment variable as a number where it is one; else the text, for validation to name. */
function numeric(text, fallback) {
  if (text === undefined || text === '') return fallback;
  return /^\d+$/.test(text) ? Number(text) : text;
}

const { REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_PASSWORD } = process.env;

/** What the environment and the contract say where the caller says nothing. */
const defaultConfig = Object.freeze({
  redis: Object.freeze({
    host: REDIS_HOST || 'localhost',
    port: numeric(REDIS_PORT, 6379),
    db: numeric(REDIS_DB, 0),
    ...(REDIS_PASSWORD ? { password: REDIS_PASSWORD } : {}),
  }),
  monitoring: Object.freeze({
    enabled: true,
    host: '127.0.0.1',
    interval: 5000,
    healthcheck_port: 8080,
  }),
  performance: Object.freeze({ batch_size: 10 }),
});

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
