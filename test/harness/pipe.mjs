// A TCP pipe before a server that a test can turn into a black hole: bytes go in and nothing comes out, no connection breaks.
import { once } from 'node:events';
import net from 'node:net';

export class Pipe {
  static async to(port) {
    const pipe = new Pipe();
    Object.assign(pipe, { sockets: new Set(), swallows: false });
    pipe.server = net.createServer({ noDelay: true }, (client) => pipe.#join(client, port));
    pipe.server.listen(0, '127.0.0.1');
    await once(pipe.server, 'listening');
    pipe.port = pipe.server.address().port;
    return pipe;
  }
  #join(client, port) {
    const upstream = net.connect({ port, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      this.sockets.add(socket);
      socket.on('data', (data) => other.write(data));
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      if (this.swallows) socket.pause();
    }
  }
  /** Bytes are kept from now on, and come out when it is over. */
  blackHole(swallows) {
    this.swallows = swallows;
    for (const socket of this.sockets) swallows ? socket.pause() : socket.resume();
  }
  async stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
