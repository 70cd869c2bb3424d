#!/usr/bin/env node
'use strict';

const { writeSync } = require('node:fs');

/** Where no addon loads, that is one line as for any other error: whoever typed a command has no use for a stack. */
function addon() {
  try {
    return require('../js/native.js');
  } catch (error) {
    if (error.code !== 'ERR_USB_ADDON') throw error;
    writeSync(2, `error: ${error.message.replace(/\s+/g, ' ')} [${error.code}]\n`);
    return process.exit(1);
  }
}

const { NativeCli } = addon();
const cli = new NativeCli(process.argv.slice(2));
// What a service manager has given to this process is taken now: no child is to take it for its own.
for (const name of NativeCli.ownVariables()) delete process.env[name];
let asked = false;

function stop(signal) {
  if (asked) {
    // Somebody is in a hurry: as if it had never been handled. process.exit() would wait for the run.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  asked = true;
  cli.stop();
}

process.on('SIGINT', stop);
process.on('SIGTERM', stop);
// A daemon reads its file again, or ends in good order where it has none: the others end with their terminal, as if it had never
// been handled.
process.on('SIGHUP', (signal) => {
  if (cli.reload()) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
// A reader that has gone shows as a failed write, which ends the run with its own exit code.
process.on('SIGPIPE', () => {});

cli.run().then((code) => process.exit(code));
