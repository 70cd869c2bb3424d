// A client of Node that adds entries: pipelined, or one at a time. Says when it has connected, and once all are acknowledged.

'use strict';

const { createRequire } = require('node:module');

const { client, peers, path, stream, fields, events, batch } = JSON.parse(process.argv[2]);
const load = createRequire(`${peers}/`);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const clients = {
  async ioredis() {
    const Redis = load('ioredis');
    const redis = new Redis({ path });
    await redis.ping();
    return {
      one: () => redis.xadd(stream, '*', ...fields.flat()),
      many: (count) => {
        const pipeline = redis.pipeline();
        for (let at = 0; at < count; at += 1) pipeline.xadd(stream, '*', ...fields.flat());
        return pipeline.exec();
      },
      end: () => redis.disconnect(),
    };
  },
  async 'node-redis'() {
    const redis = load('redis').createClient({ socket: { path } });
    await redis.connect();
    const entry = Object.fromEntries(fields);
    return {
      one: () => redis.xAdd(stream, '*', entry),
      many: (count) => {
        const pipeline = redis.multi();
        for (let at = 0; at < count; at += 1) pipeline.xAdd(stream, '*', entry);
        return pipeline.execAsPipeline();
      },
      end: () => redis.destroy(),
    };
  },
};

async function main() {
  const publishing = await clients[client]();
  const before = process.cpuUsage();
  for (let at = 0; at < events; at += batch) await (batch === 1 ? publishing.one() : publishing.many(batch));
  const { user, system } = process.cpuUsage(before);
  say({ cpuMicros: user + system });
  publishing.end();
}

main();
