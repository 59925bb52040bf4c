// A plain TCP balancer as stands before replicas: it knows nothing of HTTP. A new connection goes, in turn, to a backend whose
// readiness was 200 at the last look; connections that are open stay where they are, whatever becomes of the readiness.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

const lookEveryMs = 200;

function isReady(port) {
  return new Promise((resolve) => {
    const request = http.get({ port, host: '127.0.0.1', path: '/health/readiness', agent: false, timeout: lookEveryMs }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

export class Balancer {
  static async start(ports) {
    const balancer = new Balancer();
    Object.assign(balancer, { backends: ports.map((port) => ({ port, ready: false })), turn: 0, sockets: new Set(), troubles: [] });
    balancer.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => balancer.#join(client));
    balancer.server.listen(0, '127.0.0.1');
    await once(balancer.server, 'listening');
    balancer.port = balancer.server.address().port;
    await balancer.#look();
    balancer.timer = setInterval(() => balancer.#look(), lookEveryMs);
    return balancer;
  }

  /** Whether the backend gets new connections. */
  sends(port) {
    return this.backends.find((backend) => backend.port === port).ready;
  }

  async stop() {
    clearInterval(this.timer);
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  async #look() {
    await Promise.all(this.backends.map(async (backend) => (backend.ready = await isReady(backend.port))));
  }

  #join(client) {
    const ready = this.backends.filter((backend) => backend.ready);
    const backend = ready[this.turn++ % ready.length];
    if (!backend) {
      this.troubles.push('no backend is ready');
      client.destroy();
      return;
    }
    const upstream = net.connect({ port: backend.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    let connected = false;
    upstream.on('connect', () => (connected = true));
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      this.sockets.add(socket);
      socket.on('error', (error) => {
        if (!connected) this.troubles.push(`backend ${backend.port}: ${error.code}`);
        other.destroy();
      });
      socket.on('close', () => {
        this.sockets.delete(socket);
        if (socket.errored) other.destroy();
      });
      socket.pipe(other);
    }
  }
}
