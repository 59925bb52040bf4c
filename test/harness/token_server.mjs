// A web server on the loopback for what the gateway asks beside its providers: servers that give out tokens, metadata
// services, hosts of files. It keeps what it was asked; it can go away and come back on its port.
import { once } from 'node:events';
import http from 'node:http';
import { sleep } from './turnpike.mjs';

export class TokenServer {
  /** `routes`: [pattern of "METHOD /path?query", answer]; an answer is a function of the request that gives {status, json, text, bytes, chunked, headers, delay, after}. */
  static async start(routes, host = '127.0.0.1') {
    const server = new TokenServer();
    Object.assign(server, { routes, host, requests: [], sockets: new Set() });
    await server.listen(0);
    return server;
  }
  async listen(port) {
    this.server = http.createServer((request, response) => this.serve(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server.listen(port, this.host);
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    this.url = `http://${this.host}:${this.port}`;
  }
  async serve(incoming, response) {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    const request = { line: `${incoming.method} ${incoming.url}`, headers: incoming.headers, body, form: new URLSearchParams(body) };
    this.requests.push(request);
    const route = this.routes.find(([pattern]) => pattern.test(request.line));
    const answer = route ? await route[1](request) : { status: 404 };
    if (answer.delay) await sleep(answer.delay);
    await answer.after;
    const bytes = answer.bytes ?? Buffer.from(answer.text ?? JSON.stringify(answer.json ?? {}));
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...(answer.chunked ? {} : { 'content-length': bytes.length }), ...answer.headers });
    response.end(bytes);
  }
  asked(pattern) {
    return this.requests.filter((request) => pattern.test(request.line));
  }
  async stop() {
    if (!this.server.listening) return;
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }
  /** On the port it had. */
  async restart() {
    await this.listen(this.port);
  }
}
