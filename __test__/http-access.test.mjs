// Who may ask the HTTP server: under which name, from which page, with which token.

import { describe, expect, it } from 'vitest';
import { finished } from './command.mjs';
import { ask, follow, raw, served } from './http-served.mjs';

const JSON_TYPE = 'application/json';
const errorOf = ({ status, text }) => [status, JSON.parse(text).error.code];

describe('on a loopback address', () => {
  it('only loopback names are taken for its own, whatever is asked', async () => {
    const { port } = await served();
    for (const host of ['localhost', `localhost:${port}`, '127.0.0.1:1', '[::1]:80', 'usb.localhost']) {
      expect((await ask(port, '/health', { headers: { host } })).status, host).toBe(200);
    }
    for (const path of ['/health', '/live', '/', '/metrics', '/events', '/nothing', '/api/v1/usb/status']) {
      expect(errorOf(await ask(port, path, { headers: { host: 'evil.example' } })), path).toEqual([403, 'ERR_USB_HTTP_HOST']);
    }
    const { text } = await ask(port, '/health', { headers: { host: 'rebound.example:8080' } });
    expect(JSON.parse(text).error.message).toBe('this server is not called rebound.example:8080: call it localhost or 127.0.0.1, or name that in monitoring.allowed_hosts');
  });

  it('a name can be allowed', async () => {
    const { port } = await served({ monitoring: { allowed_hosts: ['usb.example'] } });
    expect((await ask(port, '/health', { headers: { host: 'usb.example:443' } })).status).toBe(200);
    expect((await ask(port, '/health', { headers: { host: 'not.usb.example' } })).status).toBe(403);
  });

  it('a request without Host, or with two, is none', async () => {
    const { port } = await served();
    for (const head of ['GET /health HTTP/1.1\r\n', 'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n']) {
      expect(await raw(port, `${head}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(await raw(port, 'GET /health HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.0 200 /);
  });
});

it('on another address it goes by any address and its own name, and probes by any name', async () => {
  const { port } = await served({ monitoring: { host: '0.0.0.0' } });
  for (const [path, host, status] of [
    ['/health', '192.0.2.7:8080', 200],
    ['/health', 'evil.example', 403],
    ['/devices', 'evil.example', 403],
    ['/live', 'evil.example', 200],
    ['/ready', 'evil.example', 200],
  ]) {
    expect((await ask(port, path, { headers: { host } })).status, `${path} ${host}`).toBe(status);
  }
});

describe('a token', () => {
  const monitoring = { token: 'hush-hush' };
  const authorization = 'Bearer hush-hush';

  it('is needed for all but /live, /ready and the page', async () => {
    const { port } = await served({ monitoring });
    for (const path of ['/live', '/ready', '/']) expect((await ask(port, path)).status, path).toBe(200);
    for (const path of ['/health', '/metrics', '/devices', '/withheld', '/events', '/nothing', '/api/v1/usb/status', '/api/v1/usb/events/stream']) {
      const refused = await ask(port, path);
      expect(errorOf(refused), path).toEqual([401, 'ERR_USB_HTTP_TOKEN']);
      expect(refused.headers['www-authenticate']).toBe('Bearer realm="usb-daemon"');
      expect((await ask(port, path, { headers: { authorization: 'Bearer hush-husk' } })).status, path).toBe(401);
    }
    expect((await ask(port, '/health', { headers: { authorization } })).status).toBe(200);
    expect((await follow(port, '/events', { authorization })).status).toBe(200);
  });

  it('is sent by usb-daemon health, from an option, the environment or the file', async () => {
    const { port } = await served({ monitoring });
    const args = ['health', '--http-port', String(port)];
    const bare = await finished(args);
    const advice = 'USB_DAEMON_HTTP_TOKEN, or --http-token, or give the daemon\'s --config [ERR_USB_CONFIG]';
    expect([bare.code, bare.stderr.join()]).toEqual([2, expect.stringContaining(`a token is needed: set ${advice}`)]);
    expect((await finished([...args, '--http-token', 'hush-hush'])).code).toBe(0);
    expect((await finished(args, { env: { USB_DAEMON_HTTP_TOKEN: 'hush-hush' } })).code).toBe(0);
    expect((await finished(args, { env: { USB_DAEMON_SET: 'monitoring.token="hush-hush"' } })).code).toBe(0);
    const wrong = await finished(args, { env: { USB_DAEMON_HTTP_TOKEN: 'hush-hash' } });
    expect([wrong.code, wrong.stderr.join()]).toEqual([2, expect.stringContaining(`this is not its token: correct ${advice}`)]);
    expect(wrong.stderr.join()).not.toContain('hush');
  });

  it('that is empty is refused, so that no server is open by mistake', async () => {
    const said = (name) => `monitoring.token (${name}) is empty: give ${name} the token, or leave it out to have none`;
    const env = { USB_DAEMON_HTTP_TOKEN: '' };
    for (const args of [['config'], ['--no-redis'], ['run', '--http-port', 'x'], ['health'], ['health', '--http-token='], ['config', '--http-token=']]) {
      const { code, stdout, stderr } = await finished(args, { env });
      const name = args.includes('--http-token=') ? '--http-token' : 'USB_DAEMON_HTTP_TOKEN';
      expect([args, code, stdout, stderr.join()]).toEqual([args, 2, [], expect.stringContaining(said(name))]);
    }
    expect((await finished(['config', '--http-token', 'hush-hush'], { env })).code).toBe(0);
  });

  it('is shown by nothing', async () => {
    const { stdout } = await finished(['config'], { env: { USB_DAEMON_HTTP_TOKEN: 'hush-hush' } });
    expect(stdout.find((line) => line.startsWith('monitoring.token'))).toMatch(/"\*\*\*" +environment USB_DAEMON_HTTP_TOKEN/);
    for (const token of ['hush hush', 'h\u00fcsh']) {
      const { code, stderr } = await finished(['config', '--http-token', token]);
      expect([code, stderr.join()]).toEqual([2, expect.stringContaining('monitoring.token (--http-token) is a text: expected a text of visible ASCII characters')]);
      expect(stderr.join()).not.toMatch(/hush|h\u00fcsh/);
    }
  });
});

it('every answer has the headers that a browser needs, and none that lets another site read it', async () => {
  const { port } = await served({ monitoring: { token: 't' } });
  const authorization = 'Bearer t';
  const stream = await follow(port, '/events', { authorization, origin: 'https://evil.example' });
  const answers = [
    await ask(port, '/'),
    await ask(port, '/live'),
    await ask(port, '/health'),
    await ask(port, '/health', { headers: { authorization, origin: 'https://evil.example' } }),
    await ask(port, '/nothing', { headers: { authorization } }),
    await ask(port, '/health', { method: 'DELETE', headers: { authorization } }),
    await ask(port, '/health', { method: 'OPTIONS', headers: { authorization, origin: 'https://evil.example', 'access-control-request-method': 'GET' } }),
    await ask(port, '/health', { headers: { host: 'evil.example' } }),
    stream,
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 200, 404, 405, 405, 403, 200]);
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'self';.*frame-ancestors 'none'/),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': expect.stringMatching(/^no-(store|cache)$/),
    });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    expect(headers['content-security-policy']).not.toContain('unsafe');
  }
});

it('HEAD is GET without the body, another method is 405 with what is allowed, and 404 says what there is', async () => {
  const { port } = await served();
  for (const path of ['/health', '/', '/live', '/devices', '/events']) {
    const { status, text } = await ask(port, path, { method: 'HEAD' });
    expect([path, status, text]).toEqual([path, 200, '']);
  }
  for (const [path, method, allow] of [
    ['/health', 'POST', 'GET,HEAD'],
    ['/', 'PUT', 'GET,HEAD'],
    ['/api/v1/usb/config', 'GET', 'PUT'],
  ]) {
    const refused = await ask(port, path, { method });
    if (method !== 'PUT') expect([path, ...errorOf(refused), refused.headers.allow]).toEqual([path, 405, 'ERR_USB_HTTP_METHOD', allow]);
    else expect(errorOf(refused)).toEqual([403, 'ERR_USB_HTTP_TOKEN']);
  }
  const missing = await ask(port, '/helth');
  expect(missing.headers['content-type']).toBe(JSON_TYPE);
  expect(JSON.parse(missing.text).error).toMatchObject({ code: 'ERR_USB_HTTP_PATH', paths: expect.arrayContaining(['/health', '/metrics', '/events']) });
  expect(JSON.parse((await ask(port, '/api/v1/usb/nothing')).text)).toMatchObject({ status: 'error', error: { code: 'ERR_USB_HTTP_PATH' }, timestamp: expect.any(Number) });
});
