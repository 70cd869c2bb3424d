// As much of npm's registry as installing needs: what the tarballs of a folder say of themselves, and the tarballs.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

/** The packages of a folder of tarballs: { file, manifest, files: [{ path, size }] }. */
export function tarballsOf(folder) {
  return readdirSync(folder).filter((name) => name.endsWith('.tgz')).map((name) => {
    const file = join(folder, name);
    const manifest = JSON.parse(execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }));
    const lines = execFileSync('tar', ['-tvzf', file], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/\s+/));
    return { file, manifest, files: lines.map((fields) => ({ path: fields.at(-1).replace(/^package\//, ''), size: Number(fields[2]) })) };
  });
}

/** Serves them. `asked` lists what was fetched. */
export async function serveRegistry(packages) {
  const asked = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url);
    asked.push(path);
    const one = packages.find(({ manifest }) => path === `/${manifest.name}` || path === `/${manifest.name}.tgz`);
    if (!one) return response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    const tarball = readFileSync(one.file);
    if (path.endsWith('.tgz')) return response.end(tarball);
    const { name, version } = one.manifest;
    const dist = {
      tarball: `${url}/${name}.tgz`,
      integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    };
    const document = { name, 'dist-tags': { latest: version }, versions: { [version]: { ...one.manifest, dist } } };
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  return { asked, url, close: () => server.close() };
}
