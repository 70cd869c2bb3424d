'use strict';

// Nothing: what Node alone takes.

exports.start = () => {};
