// A provider made of bare sockets, for faults that no HTTP library would commit: each call is answered by a script that
// writes bytes, waits, cuts or resets. It remembers what was asked and when each connection was closed by the other side.
import { once } from 'node:events';
import net from 'node:net';
import { sleep } from './turnpike.mjs';

const statusTexts = { 200: 'OK', 204: 'No Content', 307: 'Temporary Redirect' };

/** One call on one connection, as its script sees it. */
class Turn {
  constructor(socket, request, call) {
    Object.assign(this, { socket, request, call });
  }
  get open() {
    return !this.socket.destroyed && !this.call.goneAt;
  }
  /** Resolves when the kernel has taken the bytes or the connection is gone. */
  write(bytes) {
    if (this.socket.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => this.socket.write(bytes, (error) => resolve(!error)));
  }
  head(status, headers = {}) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.write(`HTTP/1.1 ${status} ${statusTexts[status] ?? 'Whatever'}\r\n${lines.join('')}\r\n`);
  }
  sseHead(headers = {}) {
    return this.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked', ...headers });
  }
  chunk(bytes) {
    const data = Buffer.from(bytes);
    return this.write(Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]));
  }
  last() {
    return this.write('0\r\n\r\n');
  }
  async sse(bytes) {
    await this.sseHead();
    await this.chunk(bytes);
    await this.last();
  }
  async json(status, body, headers = {}) {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    await this.head(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers });
    await this.write(bytes);
  }
  end() {
    this.socket.end();
  }
  reset() {
    this.socket.resetAndDestroy();
  }
  /** Waits until the other side has closed. */
  async gone() {
    if (!this.call.goneAt) await this.call.gone;
  }
  sleep(ms) {
    return sleep(ms);
  }
}

export class RawProvider {
  static async start() {
    const provider = new RawProvider();
    provider.scripts = new Map();
    provider.all = [];
    provider.sockets = new Set();
    provider.failures = [];
    provider.server = net.createServer((socket) => provider.serve(socket));
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.port = provider.server.address().port;
    return provider;
  }
  /** The base URL whose calls `script` answers: an async function of a Turn. */
  on(name, script) {
    this.scripts.set(name, script);
    return this.base(name);
  }
  base(name) {
    return `http://127.0.0.1:${this.port}/${name}/v1`;
  }
  /** The calls that have reached this script so far. */
  calls(name) {
    return this.all.filter((call) => call.name === name);
  }
  serve(socket) {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    let received = Buffer.alloc(0);
    let current;
    const gone = () => {
      if (current && !current.goneAt) {
        current.goneAt = Date.now();
        current.hangUp();
      }
    };
    socket.on('error', gone);
    socket.on('end', gone);
    socket.on('close', () => {
      gone();
      this.sockets.delete(socket);
    });
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const [line, ...fields] = received.subarray(0, end).toString('latin1').split('\r\n');
        const headers = Object.fromEntries(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]));
        const length = Number(headers['content-length'] ?? 0);
        if (received.length < end + 4 + length) return;
        const bytes = received.subarray(end + 4, end + 4 + length);
        const body = bytes.toString();
        received = received.subarray(end + 4 + length);
        const name = line.split(' ')[1].split('/')[1];
        const call = { name, startedAt: Date.now(), request: { line, headers, body, bytes } };
        call.gone = new Promise((resolve) => (call.hangUp = resolve));
        current = call;
        this.all.push(call);
        const script = this.scripts.get(name);
        if (!script) {
          socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
          return;
        }
        script(new Turn(socket, call.request, call), this.calls(name).length).catch((error) => this.failures.push(error));
      }
    });
  }
  async stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
    if (this.failures.length > 0) throw this.failures[0];
  }
}

const head = '"id":"c1","object":"chat.completion.chunk","created":5,"model":"up"';
/** A chunk as providers send it; `choices` is the text inside the brackets. */
export const chunk = (choices, more = '') => `{${head},"choices":[${choices}]${more}}`;
export const events = (...datas) => datas.map((data) => `data: ${data}\n\n`).join('');
export const role = chunk('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}');
export const word = (text) => chunk(`{"index":0,"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}`);
export const stop = chunk('{"index":0,"delta":{},"finish_reason":"stop"}');
export const usage = '"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}';
export const usageChunk = chunk('', `,${usage}`);
/** An honest stream: 11 prompt tokens, 7 completion tokens. */
export const goodStream = events(role, word('one '), word('two'), stop, usageChunk, '[DONE]');
export const goodReply = `{"id":"c1","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"one two"},"finish_reason":"stop"}],${usage}}`;
