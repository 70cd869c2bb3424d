// As much of an npm registry as npm needs to publish a package and to ask for one. In memory, on a free port.

import { createServer } from 'node:http';
import { once } from 'node:events';

export async function npmRegistry() {
  const documents = new Map();
  const published = [];

  const server = createServer(async (request, response) => {
    const name = decodeURIComponent(request.url.slice(1));
    const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.method === 'GET') {
      const known = documents.get(name);
      return known ? answer(200, known) : answer(404, { error: 'not_found' });
    }
    const document = JSON.parse(Buffer.concat(await request.toArray()).toString());
    const before = documents.get(name);
    for (const version of Object.keys(document.versions)) {
      if (before?.versions[version]) return answer(409, { error: `${name}@${version} is there already` });
      published.push(`${name}@${version} ${Object.keys(document['dist-tags'])}`);
    }
    documents.set(name, { ...document, versions: { ...before?.versions, ...document.versions } });
    return answer(201, { ok: true });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${server.address().port}`;

  return {
    url: `http://${host}/`,
    /** What an npmrc must say so that npm publishes here. */
    npmrc: `registry=http://${host}/\n//${host}/:_authToken=any\nfetch-retries=0\n`,
    published,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
