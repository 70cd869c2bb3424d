'use strict';

/**
 * Whether a value is an object of any realm without a class, or one without a prototype. What has a class keeps values where
 * nobody looks for them: a Map has no entries of its own.
 */
function isPlainObject(value) {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

module.exports = { isPlainObject };
