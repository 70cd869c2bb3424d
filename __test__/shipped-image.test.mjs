// The image as people run it. The Dockerfile's steps are carried out for real; the build stage, which compiles for minutes, only with
// USB_DAEMON_IMAGE=whole, as test:full says: else this checkout's addon stands for it.

import { lstatSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildImage } from './containers/image.mjs';
import { compose } from './containers/manifests.mjs';

const SIMULATED = { USB_DAEMON_SIMULATE: 'yes', USB_DAEMON_NO_REDIS: 'yes', USB_DAEMON_JSON: 'yes' };
const BUILD_LIMIT = 3_600_000;

let image;
beforeAll(() => {
  image = buildImage(process.env.USB_DAEMON_IMAGE ?? 'last');
}, BUILD_LIMIT);
afterAll(() => image?.close());

/** Every file of a folder, by its path in it. */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory()).map(({ parentPath, path, name }) => join(parentPath ?? path, name));
}

describe('the image', () => {
  it('has the program, which nobody but root may change, and nothing that only the build needs', () => {
    const files = filesIn(join(image.root, 'app'));
    const names = files.map((file) => file.slice(image.root.length));
    expect(names).toEqual(expect.arrayContaining(['/app/bin/usb-daemon.js', '/app/index.js', '/app/package.json', '/app/LICENSE', '/app/THIRD-PARTY-LICENSES.txt']));
    expect(readFileSync(join(image.root, 'app/THIRD-PARTY-LICENSES.txt'), 'utf8')).toMatch(/libusb1-sys[\s\S]*GNU LESSER GENERAL PUBLIC LICENSE/);
    expect(names.filter((name) => name.endsWith('.node'))).toHaveLength(1);
    expect(names.filter((name) => /\.(rs|toml|lock|ts|mts)$|node_modules|\/target\//.test(name))).toEqual([]);
    expect(files.filter((file) => statSync(file).uid !== 0 || statSync(file).mode & 0o022)).toEqual([]);
  });

  it('has no package manager', () => {
    const left = ['usr/local/bin', 'usr/local/lib', 'opt'].flatMap((folder) => readdirSync(join(image.root, folder)));
    expect(left.filter((name) => /^(npm|npx|yarn|corepack|node_modules)/.test(name))).toEqual([]);
  });

  it('has a user of its own, whose nothing is but the state', () => {
    expect(image.config.User).toBe('65532:65532');
    expect(readFileSync(join(image.root, 'etc/passwd'), 'utf8')).toMatch(/^autoweave:x:65532:65532:[^:]*:\/nonexistent:\/usr\/sbin\/nologin$/m);
    expect(Object.keys(image.config.Volumes)).toEqual(['/var/lib/autoweave-usb-daemon']);
    expect(lstatSync(join(image.root, 'var/lib/autoweave-usb-daemon'))).toMatchObject({ uid: 65532, gid: 65532 });
  });

  it('runs where it is given no right at all, answers its health check, and ends in good order as process 1', async () => {
    const running = image.start(SIMULATED);
    onTestFinished(() => running.end());
    await running.said.waitFor(({ type }) => type === 'attach', 'a simulated device');

    const status = readFileSync(`/proc/${running.pid}/status`, 'utf8');
    const field = (key) => status.match(new RegExp(`^${key}:\\s*(.*)$`, 'm'))[1].split('\t').at(-1);
    expect([field('NSpid'), field('Uid'), field('NoNewPrivs')]).toEqual(['1', '65532', '1']);
    expect(['CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field)).toEqual(Array(4).fill('0000000000000000'));

    const [kind, ...check] = image.config.Healthcheck.Test;
    expect(kind).toBe('CMD');
    const { code, stdout } = await running.exec(check);
    expect([code, JSON.parse(stdout).status]).toEqual([0, 'healthy']);
    expect((await running.exec(['usb-daemon', '--version'])).stdout).toMatch(/^usb-daemon \d/);
    expect(statSync(join(image.state, 'outbox.db')).uid).toBe(65532);

    running.kill(image.config.StopSignal);
    expect(await running.exit).toEqual({ code: 0, signal: null });
    expect(running.said.said.at(-1)).toEqual({ type: 'stopped' });
  });

  it('is healthy as compose.yaml has it, and tells nothing to who has no token', async () => {
    const { environment } = compose().services['usb-daemon'];
    for (const name of ['redis-password', 'http-token']) image.keepSecret(name, 'a-secret\n');
    const running = image.start({ ...environment, ...SIMULATED });
    onTestFinished(() => running.end());
    await running.said.waitFor(({ type }) => type === 'attach', 'a simulated device');
    expect((await running.exec(image.config.Healthcheck.Test.slice(1))).code).toBe(0);
    const ask = "fetch('http://127.0.0.1:8080/devices').then(({ status }) => console.log(status))";
    expect((await running.exec(['node', '-e', ask])).stdout.trim()).toBe('401');
  });

  it('is unhealthy to its health check where no daemon answers', async () => {
    const running = image.start({ ...SIMULATED, USB_DAEMON_NO_HTTP: 'yes' });
    onTestFinished(() => running.end());
    await running.said.waitFor(({ type }) => type === 'attach', 'a simulated device');
    const { code, stderr } = await running.exec(image.config.Healthcheck.Test.slice(1));
    expect([code, stderr]).toEqual([1, expect.stringContaining('no usb-daemon answers')]);
  });
});
