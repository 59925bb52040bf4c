// A scripted provider that has lists of models under the addresses of several vendors, and answers OpenAI's chat calls and
// embeddings. Each deployment of a test is a name, the first part of its address; what it answers can change at any time.
import { once } from 'node:events';
import http from 'node:http';

const listPaths = /\/(models|tags)(\?.*)?$/;
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
export const usualReply = JSON.stringify({
  id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }], usage,
});
const embeddingReply = JSON.stringify({
  object: 'list', model: 'm', data: [{ object: 'embedding', index: 0, embedding: [0.5] }], usage: { prompt_tokens: 3, total_tokens: 3 },
});
const list = [200, JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] })];

export class ListingProvider {
  static async start() {
    const provider = new ListingProvider();
    Object.assign(provider, { requests: [], answers: new Map() });
    provider.server = http.createServer((request, response) => provider.#serve(request, response));
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.url = `http://127.0.0.1:${provider.server.address().port}`;
    return provider;
  }
  /** `lists` and `calls`: [status, body, headers, milliseconds before], or 'hang'. */
  on(name, { lists = list, calls } = {}) {
    this.answers.set(name, { lists, calls });
    return `${this.url}/${name}`;
  }
  of(name, kind) {
    const asked = this.requests.filter((request) => request.name === name);
    return kind ? asked.filter((request) => request.kind === kind) : asked;
  }
  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
  async #serve(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    const [, name] = request.url.split('/');
    const kind = request.method === 'GET' && listPaths.test(request.url) ? 'lists' : 'calls';
    this.requests.push({ name, kind, method: request.method, path: request.url.slice(name.length + 1), headers: request.headers, body });
    const usual = request.url.endsWith('/embeddings') ? [200, embeddingReply] : [200, usualReply];
    const answer = this.answers.get(name)?.[kind] ?? usual;
    if (answer === 'hang') return;
    const [status, text, headers = {}, delay = 0] = answer;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof text === 'string' ? text : JSON.stringify(text));
  }
}
