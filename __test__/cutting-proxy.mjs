// A proxy in front of a server that loses what a network may lose: the reply to a command that has arrived, the second half
// of a packet; and that delivers a packet late, when whoever sent it has long gone.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

export async function openProxy(target) {
  const proxy = new CuttingProxy(target);
  await proxy.listen();
  onTestFinished(() => proxy.close());
  return proxy;
}

class CuttingProxy {
  /** Asked before a reply is passed on; true loses it and cuts the connection. */
  losesReply = () => false;
  /** Asked before a packet is passed on; true passes on its first half and cuts the connection. */
  losesHalf = () => false;
  /** Asked before a packet is passed on; true keeps it until `deliver`. */
  holds = () => false;
  cuts = 0;
  #target;
  #server = createServer((client) => this.#accept(client));
  #sockets = new Set();
  #held = [];

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
  }

  get heldCount() {
    return this.#held.length;
  }

  /** Passes on what was held, and waits until the server has answered it. */
  async deliver() {
    for (const { upstream, packets } of this.#held.splice(0)) {
      const answered = once(upstream, 'data');
      for (const packet of packets) upstream.write(packet);
      await answered;
      upstream.destroy();
    }
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(client) {
    const upstream = connect(this.#target, '127.0.0.1');
    let held = null;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
    const cut = () => {
      this.cuts += 1;
      client.destroy();
      // Ends it after what has been written.
      upstream.end();
    };
    client.on('data', (packet) => {
      if (held) {
        held.packets.push(packet);
      } else if (this.holds(packet)) {
        held = { upstream, packets: [packet] };
        this.#held.push(held);
      } else if (this.losesHalf(packet)) {
        upstream.write(packet.subarray(0, packet.length >> 1));
        cut();
      } else {
        upstream.write(packet);
      }
    });
    upstream.on('data', (reply) => {
      if (client.destroyed) return;
      if (this.losesReply(reply)) cut();
      else client.write(reply);
    });
    client.on('close', () => held ?? upstream.end());
    upstream.on('close', () => client.destroy());
  }
}
