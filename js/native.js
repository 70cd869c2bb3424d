'use strict';

// Loads the addon: the one built in this checkout, else the one of the package for this platform. Both libcs of Linux are
// tried in turn, because finding out which one it is costs more than a failed attempt.

const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { PLATFORMS, fileOf, packageOf } = require('./platforms.js');

function load({ arch, platform }) {
  const here = PLATFORMS.filter(({ os, cpu }) => os === platform && cpu === arch);
  // A user has none here, and for Node to find that out, and to make an error of it, takes its time.
  const beside = here.map((each) => join(__dirname, fileOf(each))).filter(existsSync);
  const attempts = [];
  for (const candidate of [...beside, ...here.map(packageOf)]) {
    try {
      return require(candidate);
    } catch (error) {
      attempts.push({ candidate, error });
    }
  }
  throw require('./native-refusal.js').refusal(here, attempts);
}

module.exports = load(process);
