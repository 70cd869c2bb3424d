// npm `usb` 2, beside which latencies are measured.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const PEER_VERSION = '2.18';
const peerFolder = fileURLToPath(new URL('../.cache/peers/usb2', import.meta.url));

/** Installs the peer once; its package brings the compiled addon along. */
export async function installPeer() {
  const folder = join(peerFolder, 'node_modules/usb');
  const installed = await readFile(join(folder, 'package.json'), 'utf8').then(JSON.parse, () => ({ version: '' }));
  if (!installed.version.startsWith(`${PEER_VERSION}.`)) {
    const argv = ['install', '--prefix', peerFolder, '--ignore-scripts', '--no-audit', '--no-fund', `usb@${PEER_VERSION}`];
    await promisify(execFile)('npm', argv).catch((error) => {
      throw new Error(`npm usb ${PEER_VERSION}, which the latency is compared with, cannot be installed: ${error.stderr || error.message}`);
    });
  }
  return folder;
}
