// Secrets that lie in files, and what a machine is called where its own name says little.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { command, finished, stateFolder } from './command.mjs';
import { fieldsOf, freePort, startRedis } from './redis-server.mjs';
import { until } from './until.mjs';

const SECRET = 'hush hush';

function fileWith(text) {
  const file = join(stateFolder(), 'secret');
  writeFileSync(file, text);
  return file;
}

async function redis() {
  const server = await startRedis({ args: ['--requirepass', SECRET], client: { password: SECRET } });
  onTestFinished(() => server.close());
  return server;
}

it('takes the password of Redis from a file, and calls the machine what it is told to', async () => {
  const server = await redis();
  const env = { REDIS_PORT: String(server.port), REDIS_HOST: '127.0.0.1', REDIS_PASSWORD_FILE: fileWith(`${SECRET}\n`), USB_DAEMON_HOST_NAME: 'node-7' };
  const { code } = await finished(['simulate', '--count', '1'], { env });
  expect(code).toBe(0);
  const [first] = await server.client.xrange('aw:hotplug', '-', '+');
  expect(fieldsOf(first).host).toBe('node-7');
});

it('takes the token from a file, the daemon and whoever asks for its health', async () => {
  const port = String(await freePort());
  const env = { USB_DAEMON_HTTP_PORT: port, USB_DAEMON_HTTP_TOKEN_FILE: fileWith('t0ken\n') };
  const daemon = command(['--no-redis', '--set', 'sources=["simulated"]', '--json'], { env });
  await until(async () => {
    const { ok } = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => ({ ok: false }));
    return ok;
  });
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(401);
  expect((await finished(['health'], { env: { USB_DAEMON_HTTP_PORT: port } })).code).toBe(2);
  const asked = await finished(['health', '--json'], { env });
  expect(JSON.parse(asked.stdout[0])).toHaveProperty('status');
  await daemon.end();
});

it.each([
  ['no such file', () => ({ REDIS_PASSWORD_FILE: '/nowhere/at/all' }), 'redis.password (REDIS_PASSWORD_FILE) cannot be had: /nowhere/at/all'],
  ['an empty file', () => ({ REDIS_PASSWORD_FILE: fileWith('\n') }), 'it is empty'],
  ['a folder', () => ({ USB_DAEMON_HTTP_TOKEN_FILE: stateFolder() }), 'monitoring.token (USB_DAEMON_HTTP_TOKEN_FILE) cannot be had'],
  ['a token that no header carries', () => ({ USB_DAEMON_HTTP_TOKEN_FILE: fileWith(SECRET) }), 'monitoring.token (USB_DAEMON_HTTP_TOKEN_FILE)'],
  ['a token file without a name', () => ({ USB_DAEMON_HTTP_TOKEN_FILE: '' }), "a value is required for 'USB_DAEMON_HTTP_TOKEN_FILE'"],
  ['a secret that is said as well', () => ({ REDIS_PASSWORD: SECRET, REDIS_PASSWORD_FILE: fileWith(SECRET) }), 'redis.password is given twice, by REDIS_PASSWORD_FILE and by REDIS_PASSWORD'],
  ['a name of no length', () => ({ USB_DAEMON_SET: 'host_name=""' }), 'host_name (USB_DAEMON_SET) is ""'],
])('refuses %s, by name and without showing it', async (_, env, message) => {
  const { code, stderr } = await finished([], { env: env() });
  expect(code).toBe(2);
  expect(stderr.join('\n')).toContain(message);
  expect(stderr.join('\n')).not.toContain(SECRET);
});

it('lets an option go before the variable of the other kind', async () => {
  const { stdout } = await finished(['config', '--json', '--redis-password-file', fileWith('of the file')], { env: { REDIS_PASSWORD: SECRET } });
  const row = stdout.map((line) => JSON.parse(line)).find(({ key }) => key === 'redis.password');
  expect(row).toMatchObject({ name: '--redis-password-file', value: '***' });
});
