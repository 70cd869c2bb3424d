'use strict';

// "The same unit": two names that are equal, and, where they are names of ports, ports of one machine.

const { readArgument } = require('./argument-reading.js');
const { badArgument } = require('./failure.js');
const { shown } = require('./device-values.js');

/** So long are vendor and product. */
const IDS = 9;
/** Vendor and product, then what the name rests on: a serial number (`:`) or a port (`@`). */
const STABLE_ID = /^[0-9a-f]{4}:[0-9a-f]{4}[:@][\x21-\x7e]+$/i;

/** What an info or a consumer's event says of its unit. Only such an event says of which machine it is. Throws ERR_USB_ARGUMENT. */
function unitOf(info, path) {
  const { stableId, host } = readArgument(path, () => {
    return typeof info === 'object' && info !== null ? { stableId: info.stableId, host: info.host } : {};
  });
  if (typeof stableId !== 'string' || !STABLE_ID.test(stableId)) {
    const what = typeof info === 'object' && info !== null ? `${path}.stableId is ${shown(stableId)}` : `${path} is ${shown(info)}`;
    throw badArgument(`${what}: expected the info of a device, with its stableId`);
  }
  // Vendor and product may be written in capitals; a serial number is as it is.
  const unit = stableId.slice(0, IDS).toLowerCase() + stableId.slice(IDS);
  return { stableId: unit, host: typeof host === 'string' ? host : undefined };
}

/** Whether both are the same one, as far as can be told. Of a machine that is not known, the other's is taken. */
function isSame(one, other) {
  if (one.stableId !== other.stableId) return false;
  const isPort = one.stableId[IDS] === '@';
  return !isPort || one.host === undefined || other.host === undefined || one.host === other.host;
}

function isSameUnit(one, other) {
  return isSame(unitOf(one, 'one'), unitOf(other, 'other'));
}

/** A function that says whether a device of this machine, which is called `host`, is the unit of `info`. */
function sameUnitAs(info, path, host) {
  const unit = unitOf(info, path);
  return ({ stableId }) => isSame(unit, { stableId, host });
}

module.exports = { isSameUnit, sameUnitAs };
