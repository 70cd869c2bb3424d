'use strict';

// What is measured: this checkout, or a package that is installed somewhere (--package of run.mjs and soak.mjs).

module.exports = require(process.env.BENCH_PACKAGE ?? '..');
