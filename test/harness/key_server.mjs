// An identity provider as far as a gateway needs one: a key set, and tokens signed by its keys.
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

export const audience = 'gw-api';

/** A key set whose keys the test turns, and tokens signed by them. */
export class KeyServer {
  static async start() {
    const server = new KeyServer();
    server.fetches = 0;
    server.keys = [];
    server.addKey('k1');
    await server.listen(0);
    server.port = server.http.address().port;
    server.url = `http://127.0.0.1:${server.port}/jwks`;
    return server;
  }
  async listen(port) {
    this.http = http.createServer((_, response) => {
      this.fetches += 1;
      response.end(JSON.stringify({ keys: this.keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' })) }));
    });
    this.http.listen(port, '127.0.0.1');
    await once(this.http, 'listening');
  }
  addKey(kid) {
    this.keys.push({ kid, ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }) });
  }
  token(claims, { kid = this.keys.at(-1).kid, head = {} } = {}) {
    const key = this.keys.find((one) => one.kid === kid) ?? this.keys[0];
    const text = [{ alg: 'ES256', kid, typ: 'JWT', ...head }, { aud: audience, exp: Math.floor(Date.now() / 1000) + 300, ...claims }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${text}.${crypto.sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
  async pause() {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }
  async kill() {
    if (this.http.listening) await this.pause();
  }
}
